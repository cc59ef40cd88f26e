"""Memberships as stored, as published, and as a fresh evaluation has them: three that must say the same."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import structs

from services.segment.domain.definitions import Definitions
from services.segment.domain.membership import MembershipState, settled
from services.segment.repository import customers, memberships
from services.segment.repository import segments as versions
from services.segment.repository.memberships import MembershipRow
from services.segment.service import definitions
from shared.contracts import topics
from shared.contracts.changes import SegmentEntered, SegmentExited
from shared.contracts.envelope import Event
from shared.database.database import Work
from shared.database.rows import columns, rows_as

Memberships = Mapping[UUID, Mapping[str, MembershipState]]
NOBODY = UUID(int=0)


async def everybody(work: Work) -> list[UUID]:
    """Returns the ids of all customers."""
    return [row.profile_id for row in await work.rows("SELECT profile_id FROM standings ORDER BY profile_id")]


async def stored(work: Work) -> Memberships:
    """Returns what is stored of each customer. Fails if the rows by segment say something else."""
    await agree(work)
    found = await memberships.of(work, ids := await everybody(work))
    return {one: found.get(one, {}) for one in ids}


async def agree(work: Work) -> None:
    """Fails unless a customer's row and those by segment say the same of all segments in force, and is due in time."""
    in_force = (await definitions.in_force(work)).ids
    rows = await rows_as(work, MembershipRow, f"SELECT {columns(MembershipRow)} FROM memberships")
    by_segment = {
        (row.profile_id, row.segment_id): MembershipState(row.version, row.member, row.since, row.due_at)
        for row in rows
        if row.segment_id in in_force
    }
    in_one: dict[tuple[UUID, str], MembershipState] = {}
    for profile_id, stored_, due_at in await work.rows("SELECT profile_id, known, due_at FROM customer_segments"):
        known = memberships.PackedKnown(stored_)
        earliest = memberships.earliest_due(state for name, state in known.items() if name in in_force)
        assert earliest is None or (due_at is not None and due_at <= earliest)
        in_one |= {
            (profile_id, name): structs.replace(state, due_at=None)
            for name, state in known.items()
            if name in in_force and state.member
        }
    assert in_one == by_segment


async def fresh(work: Work, now: datetime) -> Memberships:
    """Returns where each customer is by the definitions in force, looked at now, whatever is stored.

    Since when they are there nobody knows, and a look may be due before anything turns: as stored, where that can be.
    """
    made, before = await definitions.in_force(work), await stored(work)
    found: dict[UUID, dict[str, MembershipState]] = {}
    for one, customer in (await customers.load(work, await everybody(work), events=_events(made))).items():
        customer.segments = frozenset()
        found[one] = {}
        for definition in made.ordered:
            member = definition.program.holds(customer, now)
            due_at = definition.program.next_flip(customer, now)
            was, since = before[one].get(definition.id), now
            if was is not None:
                since = was.since if was.member is member else now
                if due_at and was.due_at and now < was.due_at <= due_at:
                    due_at = was.due_at
            if member or due_at:
                found[one][definition.id] = MembershipState(definition.version, member, since, due_at)
            if member:
                customer.segments |= {definition.id}
    return found


async def rebuilt(work: Work, now: datetime) -> Memberships:
    """Returns what a rebuild would make of each customer, in the middle of everything."""
    made = await definitions.in_force(work)
    reached = {one.segment_id: one.backfilled_to or NOBODY for one in await versions.backfills(work)}
    known = await stored(work)
    found: dict[UUID, dict[str, MembershipState]] = {}
    for one, customer in (await customers.load(work, known, events=_events(made))).items():
        waits = {name for name, upto in reached.items() if one > upto}
        states = settled(made, customer, known[one], now, waits=waits)
        found[one] = {name: state for name, state in states.items() if state.member or state.due_at}
    return found


async def published(work: Work) -> list[Event]:
    """Returns what is to be published of memberships, in its order."""
    waiting = await work.outbox.waiting(topics.SEGMENTS)
    return [one for one in waiting if isinstance(one.body, SegmentEntered | SegmentExited)]


def told(events: Sequence[Event]) -> dict[tuple[UUID, str], bool]:
    """Returns what readers know of each customer and segment. Fails if one is entered twice in a row, or left twice."""
    known: dict[tuple[UUID, str], bool] = {}
    versions_: dict[UUID, int] = {}
    for event in events:
        body = event.body
        assert isinstance(body, SegmentEntered | SegmentExited)
        key, entered = (body.profile_id, body.segment_id), isinstance(body, SegmentEntered)
        assert known.get(key, False) is not entered, f"{body} says what was said before"
        assert versions_.get(body.profile_id, 0) < body.version
        known[key], versions_[body.profile_id] = entered, body.version
    return known


def _events(made: Definitions) -> set[str]:
    return {name for one in made.ordered for name in one.program.events}
