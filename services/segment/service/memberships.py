"""Customers enter segments and leave them: by events, by passing time, and because a definition changed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from services.segment.domain.definitions import Definitions
from services.segment.domain.membership import Looked, Turn, look, pass_time
from services.segment.domain.tags import RuleCause
from services.segment.repository import customers, rereads, standings
from services.segment.repository import memberships as repository
from services.segment.repository import segments as stored
from services.segment.repository.customers import Need
from services.segment.repository.memberships import Held, Known
from services.segment.repository.segments import EndingRow
from services.segment.service import definitions, tag_rules
from services.segment.service.standing_changes import SOURCE, Cause
from shared.contracts import topics
from shared.contracts.changes import SegmentEntered, SegmentExited
from shared.contracts.envelope import Event, SourceKind, derived_id, derived_ids
from shared.contracts.wire import Alike
from shared.database import aliases
from shared.database.database import Work
from shared.service import metrics
from shared.service.meanwhile import meanwhile

DUE_BATCH: Final = 500  # customers a transaction
BACKFILL_BATCH: Final = 1_000
_COMES_WITH_KNOWN: Final = frozenset({"segments"})
NOBODY: Final = UUID(int=0)  # before all customers
STANDING: Final = ("tier", "stage", "score")
"""What of a customer's standing definitions may ask about."""
ALL: Final = "*"
"""Touches every definition: of a customer who was merged, or is looked at anew."""


async def look_again(work: Work, touched: Mapping[UUID, Collection[str]], causes: Mapping[UUID, Cause]) -> None:
    """Looks at customers by the definitions that these facts touch. The caller has locked the customers' standings."""
    made = await definitions.in_force(work)
    if not made.ordered:
        return
    everything = made.asking(range(len(made.ordered)))
    asked = {one: everything if ALL in keys else made.asked(frozenset(keys)) for one, keys in touched.items()}
    asked = {one: found for one, found in asked.items() if found.places}
    if not asked:
        return
    held = await repository.held(work, asked)
    asked = {one: found for one, found in asked.items() if one in held and not held[one].rereading}
    needs = {one: Need(found.parts - _COMES_WITH_KNOWN, found.events, found.details) for one, found in asked.items()}
    loaded = await customers.load_needed(work, needs)
    for one, found in asked.items():
        if "segments" in found.parts:
            loaded[one].segments = _members(held[one].known)
    looked = {
        one: look(made, found.places, loaded[one], held[one].known, work.now, "event")
        for one, found in sorted(asked.items())
    }
    await _keep(work, made, looked, held, causes)


def _members(known: Known) -> frozenset[str]:
    return frozenset(name for name, state in known.items() if state.member)


async def flip_due(work: Work, now: datetime) -> int:
    """Looks at customers of whom a membership is due, at each of their due moments up to `now`; how many there were."""
    ids = await repository.claim_due(work, now, limit=DUE_BATCH)
    if not ids:
        return 0
    made = await definitions.in_force(work)
    held = await repository.held(work, ids)
    for one, found in held.items():  # of a segment that is archived nothing is due any more
        known = {name: state for name, state in found.known.items() if name in made.ids}
        held[one] = found._replace(known=known)
    await repository.keep_members(work, ids)
    events = {name for one in made.ordered for name in one.program.events}
    loaded = await customers.load(work, ids, events=events)
    looked = {one: pass_time(made, loaded[one], held[one].known, now) for one in ids}
    await _keep(work, made, looked, held, {}, now=now)
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
    if place is not None and (who := await _not_waiting(work, ids)):
        loaded = await customers.load(work, who, events=made.ordered[place].program.events | _dependent(made, place))
        held = await repository.held(work, who)
        places = [place, *made.touched([f"segment:{first.segment_id}"])]
        looked = {one: look(made, places, loaded[one], held[one].known, work.now, "defined") for one in who}
        await _keep(work, made, looked, held, {})
    done = len(ids) < limit
    await stored.advance_backfill(
        work, first.segment_id, first.version, upto=ids[-1] if ids else None, looked_at=len(ids), done=done
    )
    if done:
        await stored.revise(work)
    return True


async def end_archived(work: Work, *, limit: int = BACKFILL_BATCH) -> bool:
    """Tells the next members of a segment that was archived to have left. Returns whether there was work.

    That is history: nobody did anything.
    """
    row = await stored.ending(work)
    if row is None:
        return False
    if row.ended_to is None:  # who has begun before may still let somebody in
        await repository.wait_for_batches(work)
        await stored.advance_ending(work, row.id, upto=NOBODY, done=False)
        return True
    await aliases.lock_merges(work, shared=True)
    ids = await repository.next_of_segment(work, row.id, row.ended_to, limit=limit)
    await standings.lock(work, ids)
    members = await repository.end(work, row.id, ids)
    versions = await repository.raise_versions(work, dict.fromkeys(members, 1))
    await work.outbox.add(topics.SEGMENTS, [(one.bytes, _ended(row, one, versions[one], work.now)) for one in members])
    await stored.advance_ending(work, row.id, upto=ids[-1] if ids else None, done=len(ids) < limit)
    return True


def _ended(row: EndingRow, profile_id: UUID, version: int, now: datetime) -> Event:
    body = SegmentExited(
        profile_id=profile_id,
        version=version,
        segment_id=row.id,
        segment_version=row.live_version,
        name=row.name,
        reason="the segment was archived",
        cause="redefined",
    )
    cause = Cause(
        event_id=derived_id(profile_id, f"archived/{row.id}", row.changed_at.isoformat(), row.live_version),
        kind="redefined",
        occurred_at=row.changed_at,
        received_at=now,
        historical=True,
    )
    return published(body, cause)


async def _not_waiting(work: Work, ids: Sequence[UUID]) -> list[UUID]:
    """Returns those of whom nothing is being read anew: the others are looked at by all definitions after that."""
    waiting = await rereads.among(work, ids)
    return [one for one in ids if one not in waiting]


def _dependent(made: Definitions, place: int) -> set[str]:
    """Returns the events that those read which depend on a definition."""
    found = made.touched([f"segment:{made.ordered[place].id}"])
    return {name for one in found for name in made.ordered[one].program.events}


async def _keep(
    work: Work,
    made: Definitions,
    looked: Mapping[UUID, Looked],
    held: Mapping[UUID, Held],
    causes: Mapping[UUID, Cause],
    *,
    now: datetime | None = None,
) -> None:
    """Stores what looks found, and publishes what turned. `now` is given where passing time is the cause."""
    turned = {one: found.turns for one, found in looked.items() if found.turns}
    ruled = await tag_rules.ruled(work) if turned else ()
    records: list[tuple[bytes, str, bytes]] = []
    stated: dict[tuple[UUID, str], RuleCause] = {}
    saving = repository.save(
        work,
        {one: found.known for one, found in looked.items()},
        held,
        made.ids,
        versions={one: held[one].version + len(turns) for one, turns in turned.items()},
        exactly=now is not None,
    )
    async with meanwhile(saving):  # PostgreSQL works while the events are written
        for one, turns in turned.items():
            writing: tuple[Cause, Turns] | None = None
            for version, turn in enumerate(turns, held[one].version + 1):
                cause = _cause(one, turn, causes.get(one), work.now, now)
                if writing is None or writing[0] is not cause:
                    writing = cause, Turns(one, cause)
                body = _body(one, turn, version, cause)
                records.append(writing[1].written(body))
                if turn.definition.id in ruled:
                    stated[one, turn.definition.id] = tag_rules.caused_by(published(body, cause))
    await work.outbox.add_written(topics.SEGMENTS, records)
    await tag_rules.follow_ruled(work, stated)


class Turns:
    """Writes what is published of memberships of one customer that turned for one cause."""

    def __init__(self, profile_id: UUID, cause: Cause) -> None:
        self._profile_id, self._cause = profile_id, cause
        self._owner = str(profile_id)
        self._ids = derived_ids(cause.event_id)
        self._alike: Alike | None = None

    def written(self, body: SegmentEntered | SegmentExited) -> tuple[bytes, str, bytes]:
        """Returns the key, the headers and the value of what `published` returns."""
        if self._alike is None:
            self._alike = Alike(published(body, self._cause))
        event_id = self._ids(f"{type(body).__name__}/{self._owner}/{body.segment_id}/{body.version}")
        return (self._profile_id.bytes, *self._alike.encode(str(event_id), body))


def _cause(profile_id: UUID, turn: Turn, event: Cause | None, at: datetime, now: datetime | None) -> Cause:
    """Returns what is told of a turn: the event that caused it, the moment at which it was due, or the definition."""
    if turn.cause == "event" and event is not None:
        return event
    moment = turn.at if turn.cause == "time" else turn.definition.effective_at
    return Cause(
        event_id=derived_id(
            profile_id, f"{turn.cause}/{turn.definition.id}", moment.isoformat(), turn.definition.version
        ),
        kind="time" if turn.cause == "time" else "redefined",
        occurred_at=moment,
        received_at=now or at,
        historical=turn.cause == "defined",
    )


def _body(profile_id: UUID, turn: Turn, version: int, cause: Cause) -> SegmentEntered | SegmentExited:
    kind = SegmentEntered if turn.member else SegmentExited
    # What time or another definition did to a standing turns memberships for the same cause.
    why = cause.kind if turn.cause == "event" else turn.cause
    return kind(
        profile_id=profile_id,
        version=version,
        segment_id=turn.definition.id,
        segment_version=turn.definition.version,
        name=turn.definition.name,
        reason=_REASONS["time" if why == "time" else turn.cause],
        cause=why,
        by_time=why == "time",
        order_id=cause.order_id if why == "event" else None,
    )


def published(body: SegmentEntered | SegmentExited, cause: Cause) -> Event:
    """Returns what is published of a membership that turned for a cause."""
    about = f"{body.profile_id}/{body.segment_id}"
    return Event(
        event_id=derived_id(cause.event_id, type(body).__name__, about, body.version),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=cause.occurred_at,
        received_at=cause.received_at,
        historical=cause.historical,
        profile_id=body.profile_id,
        body=body,
        cause_id=cause.event_id if cause.kind == "event" else None,
        depth=cause.depth,
        traceparent=cause.traceparent,
    )


_REASONS: Final = {
    "event": "what the customer did, or what became known, met the definition or no longer does",
    "time": "time passed",
    "defined": "the segment went live",
    "redefined": "the segment's definition changed",
}
