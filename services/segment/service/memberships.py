"""Customers enter segments and leave them: by events, by passing time, and because a definition changed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from services.segment.domain.definitions import Definitions
from services.segment.domain.membership import Cause as TurnCause
from services.segment.domain.membership import Looked, MembershipState, Turn, look, pass_time
from services.segment.repository import customers
from services.segment.repository import memberships as repository
from services.segment.repository import segments as stored
from services.segment.repository.memberships import MembershipRow
from services.segment.service import definitions
from services.segment.service.standings import SOURCE, Cause
from shared.contracts import topics
from shared.contracts.changes import SegmentEntered, SegmentExited
from shared.contracts.envelope import Event, SourceKind, derived_id
from shared.database import aliases
from shared.database.database import Work
from shared.service import metrics

DUE_BATCH: Final = 500  # customers a transaction
BACKFILL_BATCH: Final = 1_000
NOBODY: Final = UUID(int=0)  # before all customers
ALL: Final = "*"
"""Touches every definition: of a customer who was merged, or is looked at anew."""


async def look_again(
    work: Work,
    touched: Mapping[UUID, Iterable[str]],
    causes: Mapping[UUID, Cause],
    *,
    turned_by: TurnCause = "event",
) -> None:
    """Looks at customers by the definitions that these facts touch. The caller has locked the customers' standings."""
    made = await definitions.in_force(work)
    places = {one: _places(made, keys) for one, keys in touched.items()}
    asked = {one: found for one, found in places.items() if found}
    if not asked:
        return
    events = {name for found in asked.values() for place in found for name in made.ordered[place].program.events}
    loaded = await customers.load(work, asked, events=events)
    known = await repository.of(work, asked)
    looked = {
        one: look(made, found, loaded[one], _known(known.get(one, {})), work.now, turned_by)
        for one, found in sorted(asked.items())
    }
    await _keep(work, looked, known, causes)


async def flip_due(work: Work, now: datetime) -> int:
    """Looks at customers of whom a membership is due, at each of their due moments up to `now`; how many there were."""
    ids = await repository.claim_due(work, now, limit=DUE_BATCH)
    if not ids:
        return 0
    made = await definitions.in_force(work)
    known = await repository.of(work, ids)
    in_force = {one.id for one in made.ordered}
    stale = [row for rows in known.values() for row in rows.values() if row.segment_id not in in_force and row.due_at]
    for row in stale:  # of a segment that is archived: nothing is due of it any more
        row.due_at = None
    await repository.save(work, stale)
    events = {name for one in made.ordered for name in one.program.events}
    loaded = await customers.load(work, ids, events=events)
    looked = {one: pass_time(made, loaded[one], _known(known.get(one, {})), now) for one in ids}
    await _keep(work, looked, known, {}, now=now)
    work.afterwards.append(partial(metrics.due.inc, len(ids)))
    return len(ids)


async def backfill(work: Work, *, limit: int = BACKFILL_BATCH) -> bool:
    """Looks at the next customers by a definition that not all were looked at by. Returns whether there was work."""
    first = await stored.claim_backfill(work)
    if first is None:
        return False
    if first.backfilled_to is None:
        # A batch that is under way may know the definitions of before, and make customers whom the first look at the
        # base would not see yet: it is waited for.
        await repository.wait_for_batches(work)
        await stored.advance_backfill(work, first.segment_id, first.version, upto=NOBODY, looked_at=0, done=False)
        return True
    await aliases.lock_merges(work, shared=True)
    made = await definitions.in_force(work)
    place = next((n for n, one in enumerate(made.ordered) if one.id == first.segment_id), None)
    ids = [] if place is None else await repository.next_customers(work, first.backfilled_to, limit=limit)
    if place is not None and ids:
        loaded = await customers.load(work, ids, events=made.ordered[place].program.events | _dependent(made, place))
        known = await repository.of(work, ids)
        places = [place, *made.touched([f"segment:{first.segment_id}"])]
        looked = {one: look(made, places, loaded[one], _known(known.get(one, {})), work.now, "defined") for one in ids}
        await _keep(work, looked, known, {})
    done = len(ids) < limit
    await stored.advance_backfill(
        work, first.segment_id, first.version, upto=ids[-1] if ids else None, looked_at=len(ids), done=done
    )
    if done:
        await stored.revise(work)
    return True


def _dependent(made: Definitions, place: int) -> set[str]:
    """Returns the events that those read which depend on a definition."""
    found = made.touched([f"segment:{made.ordered[place].id}"])
    return {name for one in found for name in made.ordered[one].program.events}


def _places(made: Definitions, keys: Iterable[str]) -> Sequence[int]:
    several = set(keys)
    return range(len(made.ordered)) if ALL in several else made.touched(several)


def _known(rows: Mapping[str, MembershipRow]) -> dict[str, MembershipState]:
    return {name: MembershipState(row.version, row.member, row.due_at) for name, row in rows.items()}


async def _keep(
    work: Work,
    looked: Mapping[UUID, Looked],
    known: Mapping[UUID, Mapping[str, MembershipRow]],
    causes: Mapping[UUID, Cause],
    *,
    now: datetime | None = None,
) -> None:
    """Stores what looks found, and publishes what turned. `now` is given where passing time is the cause."""
    rows = [row for one, found in looked.items() for row in _rows(one, found, known.get(one, {}), work.now)]
    await repository.save(work, rows)
    turned = [one for one, found in looked.items() if found.turns]
    if not turned:
        return
    versions = dict(await repository.versions(work, turned))
    published: list[tuple[bytes, Event]] = []
    for one in turned:
        for turn in looked[one].turns:
            versions[one] = versions.get(one, 0) + 1
            cause = _cause(one, turn, causes.get(one), work.now, now)
            published.append((one.bytes, _event(one, turn, versions[one], cause)))
    await repository.raise_versions(work, versions)
    await work.outbox.add(topics.SEGMENTS, published)


def _rows(
    profile_id: UUID, looked: Looked, before: Mapping[str, MembershipRow], now: datetime
) -> Iterable[MembershipRow]:
    turned = {turn.definition.id: turn.at for turn in looked.turns}
    for name, one in looked.known.items():
        was = before.get(name)
        since = turned.get(name) or (was.since if was is not None else now)
        yield MembershipRow(
            profile_id=profile_id,
            segment_id=name,
            version=one.version,
            member=one.member,
            since=since,
            due_at=one.due_at,
        )


def _cause(profile_id: UUID, turn: Turn, event: Cause | None, at: datetime, now: datetime | None) -> Cause:
    """Returns what is told of a turn: the event that caused it, the moment at which it was due, or the definition."""
    if turn.cause == "event" and event is not None:
        return event
    moment = turn.at if turn.cause == "time" else turn.definition.effective_at
    return Cause(
        event_id=derived_id(
            profile_id, f"{turn.cause}/{turn.definition.id}", moment.isoformat(), turn.definition.version
        ),
        by_time=True,
        occurred_at=moment,
        received_at=now or at,
        historical=turn.cause == "defined",
    )


def _event(profile_id: UUID, turn: Turn, version: int, cause: Cause) -> Event:
    kind = SegmentEntered if turn.member else SegmentExited
    body = kind(
        profile_id=profile_id,
        version=version,
        segment_id=turn.definition.id,
        segment_version=turn.definition.version,
        name=turn.definition.name,
        reason=_REASONS[turn.cause],
        cause=turn.cause,
        by_time=turn.cause == "time",
        order_id=cause.order_id if turn.cause == "event" else None,
    )
    return Event(
        event_id=derived_id(cause.event_id, kind.__name__, f"{profile_id}/{turn.definition.id}", version),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=cause.occurred_at,
        received_at=cause.received_at,
        historical=cause.historical,
        profile_id=profile_id,
        body=body,
        cause_id=None if cause.by_time else cause.event_id,
        depth=cause.depth,
        traceparent=cause.traceparent,
    )


_REASONS: Final = {
    "event": "what the customer did, or what became known, met the definition or no longer does",
    "time": "time passed",
    "defined": "the segment went live",
    "redefined": "the segment's definition changed",
}
