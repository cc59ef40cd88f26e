"""Reports about all customers, and their pictures."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final

from services.segment.domain import reports as domain
from services.segment.domain.charts import abc as abc_chart
from services.segment.domain.charts import groups as groups_chart
from services.segment.domain.charts import rfm as rfm_chart
from services.segment.domain.charts import sizes as sizes_chart
from services.segment.domain.charts.formats import Language
from services.segment.domain.reports import (
    AbcPoint,
    AbcReport,
    Group,
    GroupsReport,
    ReportName,
    RfmReport,
    SegmentSizes,
    SizePoint,
    SizesReport,
)
from services.segment.domain.standing import SCORES
from services.segment.repository import policies
from services.segment.repository import reports as repository
from services.segment.service import standings
from shared.database.database import Work
from shared.errors import NotFound

MAX_SEGMENTS: Final = 6  # of one picture: as many as it has colours

_DRAW: Final[Mapping[type, Callable[[Any, Language], str]]] = {
    GroupsReport: groups_chart.draw,
    RfmReport: rfm_chart.draw,
    AbcReport: abc_chart.draw,
    SizesReport: sizes_chart.draw,
}

Report = GroupsReport | RfmReport | AbcReport | SizesReport


class UnknownReport(NotFound):
    """There is no such report."""


class NoSizeNoted(NotFound):
    """No size of this segment was ever noted."""


def svg(report: Report, language: Language) -> str:
    """Returns a report's picture."""
    return _DRAW[type(report)](report, language)


def unknown(name: str) -> UnknownReport:
    """Returns the error that tells which reports there are."""
    return UnknownReport(f"no report {name}{_nearest(name, list(ReportName))}; there are {', '.join(ReportName)}")


async def tiers(work: Work) -> GroupsReport:
    """Returns how many customers have each tier, the highest first; then tiers that the policy has no longer."""
    policy, by_tier, _ = await standings.counts(work)
    names = [one.name for one in reversed(policy.tiers)]
    names += sorted(by_tier.keys() - set(names))
    return _groups(work, ReportName.TIERS, {name: by_tier[name] for name in names})


async def stages(work: Work) -> GroupsReport:
    """Returns how many customers are in each stage."""
    _, _, by_stage = await standings.counts(work)
    return _groups(work, ReportName.STAGES, by_stage)


def _groups(work: Work, by: ReportName, counts: Mapping[str, int]) -> GroupsReport:
    return GroupsReport(by=by, at=work.now, groups=tuple(Group(name=name, customers=n) for name, n in counts.items()))


async def rfm(work: Work) -> RfmReport:
    """Returns the customers who have scores, by recency and frequency."""
    policy = await policies.in_force(work)
    levels = max(SCORES)
    cells = domain.full_grid(await repository.rfm_cells(work), levels=levels)
    return RfmReport(at=work.now, currency=policy.currency, levels=levels, cells=cells)


async def abc(work: Work) -> AbcReport:
    """Returns how the revenue of a year, in the policy's currency, is spread over customers."""
    policy = await policies.in_force(work)
    points, classes = await repository.abc(work)
    curve = {one.customers: one.revenue_minor for one in points}
    customers = revenue = 0
    for one in classes:
        customers, revenue = customers + one.customers, revenue + one.revenue_minor
        if customers:
            curve[customers] = revenue
    return AbcReport(
        at=work.now,
        currency=policy.currency,
        points=tuple(AbcPoint(customers=n, revenue_minor=paid) for n, paid in sorted(curve.items())),
        classes=tuple(classes),
    )


async def sizes(work: Work, segment_ids: Sequence[str], *, days: int) -> SizesReport:
    """Returns the sizes of segments over the last days: of these, in this order, or else of the largest ones.

    Raises `NoSizeNoted`.
    """
    known = [one.segment_id for one in await repository.latest_sizes(work)]
    wanted = list(dict.fromkeys(segment_ids)) or known[:MAX_SEGMENTS]
    for segment_id in wanted:
        if segment_id not in known:
            raise NoSizeNoted(f"segment: no size of {segment_id} was noted{_nearest(segment_id, known)}")
    since, step = work.now - timedelta(days=days), domain.size_step_seconds(days * 86_400)
    found: dict[str, list[SizePoint]] = {segment_id: [] for segment_id in wanted}
    for row in await repository.sizes(work, wanted, since=since, until=work.now, step_seconds=step):
        found[row.segment_id].append(SizePoint(at=row.at, members=row.members, entered=row.entered, exited=row.exited))
    return SizesReport(
        since=since,
        at=work.now,
        segments=tuple(
            SegmentSizes(segment_id=segment_id, name=segment_id, points=tuple(points))
            for segment_id, points in found.items()
        ),
    )


def _nearest(name: str, known: Sequence[str]) -> str:
    """What may have been meant."""
    near = get_close_matches(name[:100], known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
