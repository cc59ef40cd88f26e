"""Reports of a made-up shop, as small, as crowded and as empty as they come."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.segment.domain.reports import (
    AbcClass,
    AbcPoint,
    AbcReport,
    Group,
    GroupsReport,
    ReportName,
    RfmCell,
    RfmReport,
    SegmentSizes,
    SizePoint,
    SizesReport,
    full_grid,
)
from services.segment.domain.standing import Stage

AT: Final = datetime(2026, 11, 30, 17, 5, tzinfo=UTC)
CURRENCY: Final = "USD"


def tiers(*customers: int) -> GroupsReport:
    """Customers by the tiers that come with the service, the highest first."""
    names = ("diamond", "gold", "silver", "bronze")
    return GroupsReport(by=ReportName.TIERS, at=AT, groups=_groups(dict(zip(names, customers, strict=True))))


def stages(*customers: int) -> GroupsReport:
    """Customers by stage."""
    return GroupsReport(by=ReportName.STAGES, at=AT, groups=_groups(dict(zip(Stage, customers, strict=True))))


def _groups(counts: dict[str, int]) -> tuple[Group, ...]:
    return tuple(Group(name=str(name), customers=customers) for name, customers in counts.items())


def rfm(levels: int) -> RfmReport:
    """A grid with more customers, and more spend, where both scores are alike; its corner is empty."""
    cells = [
        RfmCell(
            recency=recency,
            frequency=frequency,
            customers=1_200 // (1 + 3 * abs(recency - frequency)),
            spend_minor=90_00 * recency * frequency * frequency,
        )
        for recency in range(1, levels + 1)
        for frequency in range(1, levels + 1)
        if (recency, frequency) != (1, levels)
    ]
    return RfmReport(at=AT, currency=CURRENCY, levels=levels, cells=full_grid(cells, levels=levels))


def abc() -> AbcReport:
    """A hundred customers, of whom the n-th paid a hundred thousand by n."""
    paid = [10_000_000 // n for n in range(1, 101)]
    passed = [sum(paid[:n]) for n in range(101)]
    ends = [next(n for n in range(101) if passed[n] * 100 >= share * passed[100]) for share in (80, 95, 100)]
    classes = [
        AbcClass(name=name, customers=end - begin, revenue_minor=passed[end] - passed[begin])
        for name, begin, end in zip("ABC", [0, *ends], ends, strict=False)
    ]
    points = tuple(AbcPoint(customers=n, revenue_minor=passed[n]) for n in range(1, 101))
    return AbcReport(at=AT, currency=CURRENCY, points=points, classes=tuple(classes))


def sizes(*names: str) -> SizesReport:
    """Segments of these names over thirty days; each grows by its own measure."""
    since = AT - timedelta(days=30)
    return SizesReport(
        since=since,
        at=AT,
        segments=tuple(
            SegmentSizes(segment_id=f"s{at}", name=name, points=_points(since, at)) for at, name in enumerate(names)
        ),
    )


def _points(since: datetime, measure: int) -> tuple[SizePoint, ...]:
    found = []
    members = 3_000 + 2_400 * measure
    for at in range(30):
        entered, exited = 90 + 37 * at * (measure + 3) % 140, 60 + 53 * at * (measure + 5) % 110
        members += entered - exited
        found.append(SizePoint(at=since + timedelta(days=at, hours=3), members=members, entered=entered, exited=exited))
    return tuple(found)


NOBODY: Final[dict[str, Any]] = {
    "tiers": tiers(0, 0, 0, 0),
    "stages": stages(*[0] * len(Stage)),
    "rfm": RfmReport(at=AT, currency=CURRENCY, levels=5, cells=full_grid([], levels=5)),
    "abc": AbcReport(at=AT, currency=CURRENCY, points=(), classes=()),
    "sizes": SizesReport(since=AT - timedelta(days=30), at=AT, segments=()),
}
LONG_NAME: Final = 'Ordered in the last 30 days & <never> returned anything, "big" baskets only, Öresund region'
LONG_CHINESE_NAME: Final = "最近三十天内下过单并且从来没有退过货而且平均客单价高于全店平均水平的华东地区忠诚客户人群"
