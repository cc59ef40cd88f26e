"""A condition replayed over what a customer did: when they would have been in, had it been in force all the time.

Events come back one moment at a time, as they happened, and time passes between them; all else is as it is now: traits,
dates, consents, figures of the profile, tags, lists, where the customer stands, other segments.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec
from msgspec import structs

from services.segment.domain.conditions.customer import Customer, Happening, Occurrence
from services.segment.domain.conditions.program import Program

MAX_MOMENTS: Final = 5_000  # of one customer that are looked at
SAMPLE_SEED: Final = 17
EVENT: Final = "event:"


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a customer would have been in at first and at last, and the moments at which that turned.

    `shortened`: there were more than `MAX_MOMENTS`, and the rest was not looked at.
    """

    before: bool
    turns: tuple[datetime, ...] = ()
    shortened: bool = False

    @property
    def member(self) -> bool:
        """Whether the customer is in at last."""
        return self.before is (len(self.turns) % 2 == 0)

    def entries(self) -> Iterator[tuple[datetime, bool]]:
        """Yields each moment with whether the customer entered then, or left."""
        member = self.before
        for at in self.turns:
            member = not member
            yield at, member


class Day(msgspec.Struct):
    """How many customers entered and left on a day in UTC, and how many were in at its end."""

    entered: int = 0
    left: int = 0
    size: int = 0


def events_of(program: Program) -> frozenset[str]:
    """Returns the events whose histories a replay needs: of those that are counted for ever, too."""
    return program.events | {key.removeprefix(EVENT) for key in program.touches if key.startswith(EVENT)}


def replay(program: Program, customer: Customer, start: datetime, until: datetime, *, known_at: datetime) -> Replayed:
    """Returns when a customer, as known at `known_at`, would have entered and left, after `start` and up to `until`."""
    names = events_of(program)
    happened = sorted(
        {one.at for name in names for one in customer.history.get(name, ()) if start < one.at <= until} | {until}
    )
    turns: list[datetime] = []
    current, now = as_of(customer, start, known_at), start
    before = member = program.holds(current, start)
    looks = 0
    for moment in happened:
        while (due := program.next_flip(current, now)) is not None and due < moment:
            now, looks = due, looks + 1
            if program.holds(current, now) is not member:
                member = not member
                turns.append(now)
            if looks > MAX_MOMENTS:
                return Replayed(before=before, turns=tuple(turns), shortened=True)
        current, now, looks = as_of(customer, moment, known_at), moment, looks + 1
        if program.holds(current, now) is not member:
            member = not member
            turns.append(now)
    return Replayed(before=before, turns=tuple(turns))


def as_of(customer: Customer, moment: datetime, known_at: datetime) -> Customer:
    """Returns a customer with what they had done by a moment; what histories keep no more was before what they do."""
    if moment >= known_at:
        return customer
    history = {name: of[: bisect_right(of, moment, key=_at)] for name, of in customer.history.items()}
    occurrences = {
        name: found
        for name, ever in customer.occurrences.items()
        if (found := _occurrence(ever, customer.history.get(name, ()), history.get(name, ()), moment)) is not None
    }
    return structs.replace(customer, history=history, occurrences=occurrences)


def _at(one: Happening) -> datetime:
    return one.at


def _occurrence(
    ever: Occurrence, kept: Sequence[Happening], by_then: Sequence[Happening], moment: datetime
) -> Occurrence | None:
    if ever.first_at > moment:
        return None
    times = max(ever.times - len(kept) + len(by_then), 1)
    return Occurrence(times, ever.first_at, by_then[-1].at if by_then else ever.first_at)


def per_day(replayed: Iterable[Replayed], start: datetime, until: datetime) -> Mapping[date, Day]:
    """Returns the sums of some customers for each day in UTC, from that of `start` to that of `until`."""
    first, last = start.astimezone(UTC).date(), until.astimezone(UTC).date()
    found = {first + timedelta(days=n): Day() for n in range((last - first).days + 1)}
    size = 0
    for one in replayed:
        size += one.before
        for at, entered in one.entries():
            day = found[at.astimezone(UTC).date()]
            if entered:
                day.entered += 1
            else:
                day.left += 1
    for day in found.values():
        size += day.entered - day.left
        day.size = size
    return found
