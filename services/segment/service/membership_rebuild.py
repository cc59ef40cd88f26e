"""What a rebuild does about memberships: customers are looked at once, at the end, as of the right moment.

While the log is read nobody is looked at: what each part of it is about is noted, and the rest follows from what a
customer then is. So a membership after a rebuild follows from the customer and the definition alone, not from the
order in which things became known.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import structs

from services.segment.domain.membership import MembershipState, settled
from services.segment.domain.tags import RuleCause
from services.segment.repository import customers
from services.segment.repository import membership_rebuild as repository
from services.segment.repository import rebuild as rebuilt
from services.segment.repository import segments as stored
from services.segment.repository.membership_rebuild import SEGMENT, LastTurn
from services.segment.repository.memberships import Known, MembershipRow, row_of
from services.segment.service import definitions, housekeeping, intake, memberships, tag_rules
from services.segment.service.standing_changes import Cause
from shared.contracts import topics
from shared.contracts.changes import SegmentEntered, SegmentExited
from shared.contracts.envelope import Event, derived_id
from shared.database import erasures
from shared.database.database import Work
from shared.kafka.consumer.batch import Handler, Handlers

NOBODY: Final = UUID(int=0)
BATCH: Final = 500  # customers who are loaded at a time
REASON: Final = "a rebuild put right what was known"


async def fold(work: Work, events: Sequence[Event]) -> None:
    """Takes in facts about customers, and notes whom they are about."""
    if events := await erasures.without(work, events):
        touched, _ = await intake.fold_facts(work, events)
        await repository.touch(work, touched)


async def follow(work: Work, events: Sequence[Event]) -> None:
    """Takes in how customers now are, and merges, and notes whom they are about."""
    if events := await erasures.without(work, events):
        touched, _ = await intake.follow_profiles(work, events)
        await repository.touch(work, touched)


_UNSEEING: Final[Mapping[Handler, Handler]] = {intake.fold: fold, intake.follow: follow}
HANDLERS: Final[Handlers] = {body: _UNSEEING.get(handler, handler) for body, handler in intake.HANDLERS.items()}
"""What the service listens to, without the looks at customers that it causes there."""


def published(body: SegmentEntered | SegmentExited, at: datetime) -> tuple[str, tuple[int, str]]:
    """Returns what to note of a change that was published: its kind, and its version and value."""
    value = "entered" if isinstance(body, SegmentEntered) else "exited"
    return f"{SEGMENT}{body.segment_id}", (body.version, f"{value}/{at.isoformat()}")


async def settle(work: Work) -> None:
    """Lets go what is too old for any definition, as the service did, and looks at every customer by every one."""
    while await housekeeping.forget(work):
        pass
    await repository.touch_all(work)
    await _settle_touched(work)


async def finish(work: Work) -> None:
    """Looks again at those who have changed since, and publishes what readers know otherwise: as history."""
    made = await definitions.in_force(work)
    await repository.touch_outrun(work)
    await _settle_touched(work)
    by_id = {one.id: one for one in made.ordered}
    versions: dict[UUID, int] = {}
    events: list[tuple[bytes, Event]] = []
    causes: dict[tuple[UUID, str], RuleCause] = {}
    for one in await repository.disagreements(work, by_id):
        versions[one.profile_id] = versions.get(one.profile_id, one.version) + 1
        definition = by_id[one.segment_id]
        kind = SegmentEntered if one.member else SegmentExited
        body = kind(
            profile_id=one.profile_id,
            version=versions[one.profile_id],
            segment_id=definition.id,
            segment_version=definition.version,
            name=definition.name,
            reason=REASON,
            cause="event",
        )
        cause = Cause(
            event_id=derived_id(one.profile_id, "rebuild", work.now.isoformat(), 1),
            kind="redefined",
            occurred_at=work.now,
            received_at=work.now,
            historical=True,
        )
        event = memberships.published(body, cause)
        events.append((one.profile_id.bytes, event))
        causes[one.profile_id, one.segment_id] = tag_rules.caused_by(event)
    await rebuilt.raise_versions(work, versions)
    await work.outbox.add(topics.SEGMENTS, events)
    await tag_rules.follow(work, causes)


async def _settle_touched(work: Work) -> None:
    made = await definitions.in_force(work)
    reached = {one.segment_id: one.backfilled_to or NOBODY for one in await stored.backfills(work)}
    events = {name for one in made.ordered for name in one.program.events}
    in_force = made.ids
    await repository.keep_others(work, in_force)
    after = NOBODY
    while ids := await repository.next_touched(work, after, limit=BATCH):
        loaded = await customers.load(work, ids, events=events)
        held = await repository.of_service(work, ids)
        told = await repository.last_turns(work, ids)
        met = await repository.met(work, ids)
        rows, known = list[MembershipRow](), dict[UUID, Known]()
        for one in sorted(met.intersection(ids)):
            of = dict(held.get(one, {}))
            waits = {name for name, upto in reached.items() if one > upto}
            found = _found(one, settled(made, loaded[one], of, work.now, waits=waits), of, told)
            rows += [
                row_of(one, name, structs.replace(state, due_at=None)) for name, state in found.items() if state.member
            ]
            if found or one in held:
                known[one] = found | _others(of, in_force)
        await repository.replace(work, ids, rows, known, in_force)
        # Of whom profile's history tells more than the service has read: it will read that, and tell it as new.
        await repository.leave_to_service(work, set(ids) - met)
        after = ids[-1]
    await repository.forget_touched(work)


def _found(
    profile_id: UUID, settled_: Known, held: Known, told: Mapping[tuple[UUID, str], LastTurn]
) -> dict[str, MembershipState]:
    """Returns what is kept of a customer. Of what the service had lost, readers may know since when it is so."""
    found: dict[str, MembershipState] = {}
    for name, one in settled_.items():
        if not one.member and one.due_at is None:
            continue
        before, published_ = held.get(name), told.get((profile_id, name))
        known_since = before is not None and before.member is one.member
        if not known_since and published_ is not None and published_.member is one.member:
            found[name] = structs.replace(one, since=published_.at)
        else:
            found[name] = one
    return found


def _others(known: Known, in_force: Collection[str]) -> dict[str, MembershipState]:
    """Returns what is held of segments that are not in force: it stays until housekeeping, or the next look."""
    return {name: one for name, one in known.items() if name not in in_force}
