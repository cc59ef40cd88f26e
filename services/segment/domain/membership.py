"""Who is in which segment: what a look at a customer changes, and why."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from services.segment.domain.conditions.customer import Customer
from services.segment.domain.definitions import Definition, Definitions

Cause = Literal["event", "time", "defined", "redefined"]

_LEAST: Final = timedelta(microseconds=1)  # the least by which two moments differ


class MembershipState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is stored of a customer and a segment: by which version, since when, and when to look again."""

    version: int
    member: bool
    since: datetime
    due_at: datetime | None = None


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A membership that begins or ends, by a definition, for a cause, at a moment."""

    definition: Definition
    member: bool
    cause: Cause
    at: datetime


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What a look found: turns in the order of their moments, and what is to be stored, by segment."""

    turns: tuple[Turn, ...] = ()
    known: Mapping[str, MembershipState] = {}


def look(
    made: Definitions,
    places: Iterable[int],
    customer: Customer,
    known: Mapping[str, MembershipState],
    now: datetime,
    cause: Cause,
) -> Looked:
    """Looks at a customer by the definitions at these places, which ascend, each once.

    Moves `customer.segments` along, so that a definition sees those before it as they now are.
    """
    turns: list[Turn] = []
    changed: dict[str, MembershipState] = {}
    for place in places:
        definition = made.ordered[place]
        before = known.get(definition.id)
        program = definition.program
        member, due_at = program.look(customer, now)
        if before is None:
            if not member and due_at is None:
                continue
            was, since = False, now
        else:
            was, since = before.member, before.since
            due_at = _due_at(before, due_at, now)
            if member is was and due_at == before.due_at and before.version == definition.version:
                continue
        if member is not was:
            since = now
            turns.append(Turn(definition=definition, member=member, cause=_cause(definition, before, cause), at=now))
            segments = customer.segments | {definition.id} if member else customer.segments - {definition.id}
            customer.segments = segments
        changed[definition.id] = MembershipState(definition.version, member, since, due_at)
    return Looked(turns=tuple(turns), known=changed)


def pass_time(made: Definitions, customer: Customer, known: Mapping[str, MembershipState], now: datetime) -> Looked:
    """Looks at a customer at each due moment up to `now`, in order: a turn has the moment at which it became true."""
    places = {one.id: place for place, one in enumerate(made.ordered)}
    current = dict(known)
    turns: list[Turn] = []
    changed: dict[str, MembershipState] = {}
    while due := {one.due_at for name, one in current.items() if name in places and one.due_at and one.due_at <= now}:
        moment = min(due)
        keys = [name for name, one in current.items() if name in places and one.due_at == moment]
        at_once = made.touched(f"segment:{name}" for name in keys)
        due_places = sorted({*(places[name] for name in keys), *at_once})
        looked = look(made, due_places, customer, current, moment, "time")
        for name in keys:  # whatever came of it, it is not due at this moment any more
            was = current[name]
            current[name] = changed[name] = MembershipState(was.version, was.member, was.since)
        current.update(looked.known)
        changed.update(looked.known)
        turns += looked.turns
    return Looked(turns=tuple(turns), known=changed)


def settled(
    made: Definitions,
    customer: Customer,
    known: Mapping[str, MembershipState],
    now: datetime,
    *,
    waits: Collection[str] = (),
) -> dict[str, MembershipState]:
    """Returns how a customer stands with every definition, where the service, at rest, would have them at `now`.

    `known` is what the service has, `waits` are the segments by whose new definition it has not looked at the customer
    yet. What is due and not done stays due, for the timers to do, and the verdict is that of just before. Where the
    service waits to look, it stays as it has it: for a definition that waits, and for a customer of whom profile has
    not told anything yet.
    """
    in_force = {one.id for one in made.ordered}
    customer.segments = frozenset(name for name, one in known.items() if one.member and name not in in_force)
    found: dict[str, MembershipState] = {}
    for definition in made.ordered:
        before = known.get(definition.id)
        looked_at = before is not None and before.version == definition.version
        if customer.first_seen is None or (definition.id in waits and not looked_at):
            if before is None:
                continue
            after = before
        else:
            overdue = before.due_at if before is not None and looked_at else None
            moment = now if overdue is None or overdue > now else overdue - _LEAST
            member, due_at = definition.program.look(customer, moment)
            since = now
            if before is not None:
                since = before.since if before.member is member else now
                due_at = _due_at(before, due_at, moment)
            after = MembershipState(definition.version, member, since, due_at)
        found[definition.id] = after
        if after.member:
            customer.segments |= {definition.id}
    return found


def _due_at(before: MembershipState, due_at: datetime | None, now: datetime) -> datetime | None:
    """Returns when to look again: to look too early, as was noted, costs less than to write with every event."""
    if due_at is not None and before.due_at is not None and now < before.due_at <= due_at:
        return before.due_at
    return due_at


def _cause(definition: Definition, before: MembershipState | None, cause: Cause) -> Cause:
    """Returns why a membership turns: a definition that the customer was never looked at by is the cause itself."""
    if before is not None:
        return "redefined" if before.version != definition.version else cause
    if not definition.backfilling:
        return cause
    return "defined" if definition.version == 1 else "redefined"
