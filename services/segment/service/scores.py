"""The base's cut points are taken hourly, and customers are scored by them, a chunk of them at a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import msgspec

from services.segment.domain import scores as domain
from services.segment.domain.abc import CLASSES, Class
from services.segment.domain.rfm import GROUPS, Scores
from services.segment.domain.scores import ScoreCuts, ScoredValues
from services.segment.repository import policies, score_counts
from services.segment.repository import scores as repository
from services.segment.repository import standings as stored_standings
from services.segment.repository.score_counts import Cell
from services.segment.repository.standings import StoredStanding
from services.segment.service import memberships, standings
from services.segment.service.standing_changes import Cause
from shared.database import aliases
from shared.database.database import Work
from shared.service.logging import get_logger

log: Final = get_logger(__name__)

NOBODY: Final = UUID(int=0)
CHUNK: Final = 2_000  # customers whose scores are compared in a transaction
OUTDATED_CHUNK: Final = 500  # customers whose values are computed again in a transaction


async def is_due(work: Work, now: datetime) -> bool:
    """Returns whether a new version of the cut points is to be taken."""
    newest = await repository.newest(work)
    policy = await policies.in_force(work)
    first = await repository.first_taken_at(work)
    return domain.due(first, newest.cuts if newest else None, now, currency=policy.currency)


async def take(work: Work, now: datetime) -> ScoreCuts | None:
    """Takes the cut points of the base as it is, as a new version; nothing if that is not due, or another process does.

    The version is in force from the commit on, everywhere: batches and timers, which hold `lock_merges`, end before.
    """
    if not await repository.try_to_take(work) or not await is_due(work, now):
        return None
    newest = await repository.newest(work)
    cuts = domain.take(
        await repository.base(work, now),
        newest.cuts if newest else None,
        now,
        first=await repository.first_taken_at(work),
        currency=(await policies.in_force(work)).currency,
    )
    if cuts is not None:
        await aliases.lock_merges(work)
        await repository.add(work, cuts)
        work.afterwards.append(
            partial(log.info, "scores.taken", version=cuts.version, customers=cuts.customers, rhythm=cuts.rhythm_days)
        )
    return cuts


async def apply(work: Work, now: datetime, *, limit: int = CHUNK) -> Sequence[UUID] | None:
    """Scores the next customers by the version in force, and puts them into the stage of the rhythm in force.

    Returns those whose row that changed, and only theirs are written; None if all customers are scored by it, or
    another process is at it. It goes on where the last transaction ended.
    """
    await aliases.lock_merges(work, shared=True)
    claimed = await repository.claim_application(work)
    if claimed is None:
        return None
    cuts, after = claimed.cuts, claimed.applied_to or NOBODY
    upto = await repository.end_of_chunk(work, after, limit=limit)
    differing = await repository.lock_differing(work, cuts, after, upto)
    await repository.score(work, cuts, [one.profile_id for one in differing])
    anew = await stored_standings.lock(work, [one.profile_id for one in differing if one.anew])
    if anew:
        await standings.advance(work, anew, now)
    changed = [one.profile_id for one in differing]
    causes = {one: Cause.of_instant(one, "redefined", cuts.taken_at, now) for one in changed}
    await memberships.look_again(work, dict.fromkeys(changed, memberships.STANDING), causes)
    await repository.note_application(work, claimed.version, upto=upto, at=now)
    return changed


async def bring_up_to_date(work: Work, after: UUID) -> UUID | None:
    """Computes the values of the next customers after an id whose row a release without scores wrote.

    Returns the last of them; None if there are none left.
    """
    await aliases.lock_merges(work, shared=True)
    found = await repository.outdated(work, after, limit=OUTDATED_CHUNK)
    if not found:
        return None
    await standings.evaluate_again(work, await stored_standings.lock(work, found))
    return found[-1]


class ShownVersion(msgspec.Struct, frozen=True):
    """A version, and since when all customers are scored by it."""

    cuts: ScoreCuts
    applied_at: datetime | None


class ShownScores(msgspec.Struct, frozen=True, kw_only=True):
    """RFM of the base: the version in force, if there is one, the cells of a scale, and the groups of quintiles."""

    version: ShownVersion | None
    cells: Sequence[Cell]
    groups: Mapping[str, int]


async def rfm(work: Work, *, tertiles: bool) -> ShownScores:
    """Returns how the base scores. Before the first version there are no tertiles; quintiles are the policy's."""
    newest = await repository.newest(work)
    if not tertiles:
        cells = await score_counts.cells(work)
    else:
        cells = await score_counts.tertile_cells(work, newest.cuts) if newest else []
    counted = await score_counts.groups(work)
    version = ShownVersion(newest.cuts, newest.applied_at) if newest else None
    return ShownScores(version=version, cells=cells, groups={one.name: counted.get(one.name, 0) for one in GROUPS})


async def versions(work: Work, *, before: int | None, limit: int) -> Sequence[ShownVersion]:
    """Returns a page of versions, the newest first."""
    found = await repository.versions(work, before=before, limit=limit)
    return [ShownVersion(one.cuts, one.applied_at) for one in found]


class Sums(msgspec.Struct):
    """Customers, and what they bring, in minor units."""

    customers: int = 0
    revenue_minor: int = 0


class ShownClasses(msgspec.Struct, frozen=True, kw_only=True):
    """ABC of the base: the version in force, what each class counts, and what the key customers do."""

    cuts: ScoreCuts | None
    classes: Mapping[Class, Sums]
    key: Sums


async def abc(work: Work) -> ShownClasses:
    """Returns the classes with their customers and revenue."""
    newest = await repository.newest(work)
    classes = {name: Sums() for name in CLASSES}
    key = Sums()
    for row in await score_counts.classes(work):
        for sums in (classes[row.abc], *([key] if row.key_customer else [])):
            sums.customers += row.customers
            sums.revenue_minor += row.revenue_minor
    return ShownClasses(cuts=newest.cuts if newest else None, classes=classes, key=key)


async def tertiles(work: Work, stored: StoredStanding) -> Scores | None:
    """Returns a customer's scores from 1 to 3; None without an order, and before the first version."""
    newest = await repository.newest(work)
    if newest is None or stored.last_order_at is None:
        return None
    values = ScoredValues(
        last_order_at=stored.last_order_at,
        orders=stored.orders,
        spend_minor=stored.spend_minor,
        revenue_minor=stored.revenue_minor,
    )
    return domain.tertiles(newest.cuts, values)
