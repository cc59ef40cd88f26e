"""What a condition is asked of: one customer as segment knows them, loaded once for all conditions of a batch."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from services.segment.domain.calendars.anniversaries import FactDate
from services.segment.domain.calendars.lunar import is_known
from shared.contracts.property_filter import exact, is_number

Truth = bool | None
"""True, false, or None: unknown, as what it is asked of is missing. Kleene's three-valued logic, which is SQL's."""

ORDERS: Final = "order_placed"
"""The name under which a customer's history has the orders that count, each once, as they now stand."""


class Happening(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One event in a customer's history: when it happened, and what it says."""

    at: datetime
    properties: Mapping[str, Any] = {}
    event_id: UUID = UUID(int=0)


class Occurrence(msgspec.Struct, frozen=True, array_like=True):
    """How often an event has ever happened to a customer, first and last."""

    times: int
    first_at: datetime
    last_at: datetime


class Date(msgspec.Struct, frozen=True, array_like=True):
    """A dated fact of a customer; `label` tells several of one kind apart.

    `key` is its anniversary's, as `calendars.anniversaries` has it, `year` that of its own calendar, and `on` the
    gregorian day on which it first was; of a date without a year nobody knows either.
    """

    label: str
    key: str
    year: int | None
    on: date | None
    month: int
    day: int
    calendar: Literal["gregorian", "lunar"] = "gregorian"
    leap_month: bool = False

    @property
    def fact(self) -> FactDate:
        """The date, as calendars reckon with it."""
        return FactDate(self.year, self.month, self.day, self.calendar, self.leap_month)


def dated(label: str, fact: FactDate) -> Date:
    """Returns a fact's date as it is kept."""
    on = None if fact.year is None or not _is_known(fact) else fact.occurrence_in(fact.year)
    return Date(label, fact.key, fact.year, on, fact.month, fact.day, fact.calendar, fact.leap_month)


def _is_known(fact: FactDate) -> bool:
    return fact.year is not None and (fact.calendar == "gregorian" or is_known(fact.year))


class Customer(msgspec.Struct, kw_only=True):
    """One customer. Times are aware and in UTC, money is minor units, histories ascend by time.

    `history` has the events that the conditions at hand ask about, by name; `occurrences` counts each name for ever.
    `tags` and `lists` have, by name, when that ends, or None. `numbers` and `moments` are the figures of the profile.
    """

    profile_id: UUID
    zone: str = "UTC"
    language: str = ""
    traits: Mapping[str, Any] = {}
    dates: Mapping[str, Sequence[Date]] = {}
    identities: Mapping[str, Sequence[str]] = {}
    consents: Mapping[str, bool] = {}
    orders: int = 0
    spend_minor: Mapping[str, int] = {}
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None
    tiers: Mapping[str, str] = {}
    stage: str = "prospect"
    scores: Mapping[str, int] = {}
    classes: Mapping[str, str] = {}
    tags: Mapping[str, datetime | None] = {}
    lists: Mapping[str, datetime | None] = {}
    segments: frozenset[str] = frozenset()
    history: Mapping[str, Sequence[Happening]] = {}
    occurrences: Mapping[str, Occurrence] = {}


def same(one: Any, other: Any) -> Truth:
    """Returns whether two plain values are equal; None if they are of different types, so that nobody can say."""
    if is_number(one) and is_number(other):
        return bool(exact(one) == exact(other))
    for kind in (bool, str):
        if isinstance(one, kind) and isinstance(other, kind):
            return bool(one == other)
    return None
