"""A condition tried on the past: who would have entered and left, as far as the time of one request goes."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from services.segment.domain import dry_run as domain
from services.segment.domain.conditions.program import compiled
from services.segment.domain.dry_run import Day, Replayed
from services.segment.repository import customers
from services.segment.repository import dry_run as repository
from services.segment.service.definitions import HISTORY_DAYS
from services.segment.service.segments import condition_of
from shared.database import aliases
from shared.database.database import Work
from shared.errors import Invalid

BATCH: Final = 100  # customers who are loaded at once
TIME_LIMIT: Final = 2.0  # seconds after which no further batch is begun
MAX_CUSTOMERS: Final = 5_000  # a request
PERIOD: Final = timedelta(days=30)  # that is replayed unless another is asked for


class InvalidPeriod(Invalid):
    """The period is not valid."""


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a dry run: each customer looked at, by id, the sums by day, and after whom to go on, if at all."""

    replayed: Mapping[UUID, Replayed]
    days: Mapping[date, Day]
    next: UUID | None


async def dry_run(
    work: Work,
    document: Any,
    *,
    start: datetime | None = None,
    until: datetime | None = None,
    profile_ids: Sequence[UUID] | None = None,
    sample: int | None = None,
    after: UUID | None = None,
    batch: int = BATCH,
    seconds: float = TIME_LIMIT,
) -> DryRun:
    """Replays customers by a condition: these, a sample, or the base by id, after an id.

    Raises `InvalidCondition`, or `InvalidPeriod`.
    """
    program = compiled(condition_of(document))
    start, until = _period(start, until, work.now)
    clock = asyncio.get_running_loop().time
    ends = clock() + seconds
    chosen = await _chosen(work, profile_ids, sample)
    replayed: dict[UUID, Replayed] = {}
    while True:
        ids = await _batch(work, chosen, after, batch)
        if not ids:
            after = None
            break
        loaded = await customers.load(work, ids, events=domain.events_of(program))
        for one in ids:
            replayed[one] = domain.replay(program, loaded[one], start, until, known_at=work.now)
            await asyncio.sleep(0)  # others get their turn
        after = ids[-1]
        if len(replayed) >= MAX_CUSTOMERS or clock() > ends:
            break
    return DryRun(replayed=replayed, days=domain.per_day(replayed.values(), start, until), next=after)


async def _chosen(work: Work, profile_ids: Sequence[UUID] | None, sample: int | None) -> Sequence[UUID] | None:
    """Returns the customers who are asked for, by id; None for the base."""
    if profile_ids is not None:
        return sorted(set((await aliases.canonical(work, profile_ids)).values()))
    return None if sample is None else await repository.sample(work, sample)


async def _batch(work: Work, chosen: Sequence[UUID] | None, after: UUID | None, limit: int) -> Sequence[UUID]:
    if chosen is None:
        return await repository.next_customers(work, after, limit=limit)
    return [one for one in chosen if after is None or one > after][:limit]


def _period(start: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    until = now if until is None else until
    oldest = now - timedelta(days=HISTORY_DAYS)
    if until > now:
        raise InvalidPeriod("until: must not lie in the future")
    if until < oldest or (start is not None and start < oldest):
        raise InvalidPeriod(f"from: must be {oldest.astimezone(UTC).date()} or later: histories go back that far")
    if start is None:
        start = max(until - PERIOD, oldest)
    if not start < until:
        raise InvalidPeriod("from: must be earlier than until")
    return start, until
