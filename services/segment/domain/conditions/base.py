"""What every condition can do: the five verbs, and what a condition is made of.

Each kind is a frozen struct that says how it is evaluated, compiled to SQL, and changed by time alone, which facts of a
customer it depends on, and what is wrong with it. Its words are in `words`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.query import Query
from shared.calendars.durations import InvalidDuration, canonical, parse

Check = Callable[[Customer, datetime], Truth]
"""Returns what is true of a customer at a moment: a condition, compiled once, asked often."""

Clock = Callable[[Customer, datetime], datetime | None]
"""Returns the earliest moment after the given one at which passing time alone may make a condition's answer another;
None if it never does. It may name a moment at which nothing changes; it never misses one at which something does."""

Turns = Callable[[Customer, datetime], tuple[bool, datetime | None] | None]
"""Returns in one walk whether a condition is true and the moment at which that turns by time alone, exactly; None
where only check and clock can say."""

MAX_HISTORY_ROWS: Final = 1_000  # kept of a customer and an event's name


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a definition may ask for, here: how long histories are kept."""

    history: timedelta = timedelta(days=730)


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a definition, where (a JSON pointer), and what to write instead."""

    pointer: str
    detail: str


class Condition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A condition. Immutable, comparable, hashable; its JSON form has the field `kind`, the name of its class's tag."""

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        raise NotImplementedError

    def sql(self, query: Query) -> str:
        """Returns a boolean SQL expression over `query`'s tables; NULL where the answer is unknown."""
        raise NotImplementedError

    def clock(self) -> Clock | None:
        """Returns what names the next change by time alone; None if time alone changes nothing."""
        return None

    def turns(self) -> Turns | None:
        """Returns what does the work of `compiled` and `clock` in one walk, for a condition that is never unknown."""
        return None

    def touches(self) -> Iterable[str]:
        """Returns the facts that it depends on, as `trait:city`, `event:order_placed`, `tag:vip`, `segment:42`."""
        raise NotImplementedError

    def events(self) -> Iterable[str]:
        """Returns the names of events whose history it reads."""
        return ()

    def details(self) -> Iterable[str]:
        """Returns the names of events of whose history it reads more than when they happened."""
        return self.events()

    def parts(self) -> Sequence["Condition"]:
        """Returns the conditions that it is made of."""
        return ()

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with it, beside what its types refuse. Pointers are relative to it."""
        yield from ()


def tag_of(condition: Condition | type[Condition]) -> str:
    """Returns the name of a condition's kind."""
    return str(condition.__struct_config__.tag)


def tidy(struct: msgspec.Struct, name: str) -> None:
    """Gives a duration that was just read its one text, so that equal conditions are equal; an invalid one stays."""
    text = getattr(struct, name)
    if text:
        try:
            msgspec.structs.force_setattr(struct, name, canonical(parse(text)))
        except InvalidDuration:
            return


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """Returns the first of these moments, if there is one."""
    return min((at for at in moments if at is not None), default=None)


FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)


def end(moment: datetime, span: timedelta) -> datetime:
    """Returns the moment so much later; `FOR_EVER` where the calendar has no such moment."""
    return later(moment, span) or FOR_EVER


def later(moment: datetime, span: timedelta) -> datetime | None:
    """Returns the moment so much later; None where the calendar has no such moment."""
    try:
        return moment + span
    except OverflowError:
        return None
