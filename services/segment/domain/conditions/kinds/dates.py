"""Days that matter to a customer: anniversaries, ages, and days that come once; holidays of a calendar."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

from services.segment.domain.conditions.base import Check, Clock, Condition, Limits, Problem, earliest
from services.segment.domain.conditions.compare import Comparison, test, test_sql
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.query import Query
from services.segment.domain.conditions.today import by_today
from shared.calendars import holidays
from shared.calendars.anniversaries import FactDate, matching_keys
from shared.calendars.lunar import LONGEST_MONTH, to_lunar
from shared.calendars.zones import local_date, start_of_local_day

MOST_DAYS: Final = 365
_DAY: Final = timedelta(days=1)


class Anniversary(Condition, frozen=True, kw_only=True, tag="anniversary", tag_field="kind"):
    """A dated fact of this kind has an anniversary `first` to `last` days from the customer's today, which is day 0.

    So a birthday in the next 7 days has `last` 7. Of several facts of the kind, as children's birthdays, one is enough.
    Unknown of a customer without such a fact.
    """

    of: str
    first: int = 0
    last: int

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        kind, first, last = self.of, self.first * _DAY, self.last * _DAY

        def check(customer: Customer, now: datetime) -> Truth:
            dates = customer.dates.get(kind)
            if not dates:
                return None
            today = local_date(now, customer.zone)
            keys = matching_keys(today + first, today + last)
            return any(one.key in keys for one in dates)

        return check

    def clock(self) -> Clock | None:
        """Returns the beginning of the local day on which an anniversary comes into reach, or leaves it."""

        def turns(customer: Customer, now: datetime) -> datetime | None:
            today = local_date(now, customer.zone)
            days = [self._next_day(one.fact, today) for one in customer.dates.get(self.of, ())]
            return earliest(start_of_local_day(day, customer.zone) for day in days)

        return turns

    def _next_day(self, fact: FactDate, today: date) -> date:
        coming = fact.next_occurrence(today + self.first * _DAY)
        if coming > today + self.last * _DAY:
            return coming - self.last * _DAY
        return coming + _DAY - self.first * _DAY

    def sql(self, query: Query) -> str:
        """Returns the expression over `p.dates`."""
        dates = f"p.dates -> {query.value(self.of, 'text')}"

        def on(today: date) -> str:
            keys = sorted(matching_keys(today + self.first * _DAY, today + self.last * _DAY))
            return f"""EXISTS (SELECT FROM jsonb_array_elements({dates}) q(d)
                                WHERE d ->> 1 = ANY({query.value(keys, "text[]")}))"""

        return f"(CASE WHEN {_some(dates)} THEN {by_today(query, on)} END)"

    def touches(self) -> Iterable[str]:
        """Returns the dates."""
        return (f"date:{self.of}", "zone")

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the days."""
        if not self.of:
            yield Problem("/of", "must be the kind of a dated fact, as birthday")
        if not 0 <= self.first <= self.last <= MOST_DAYS:
            yield Problem("/last", f"must be at least first and at most {MOST_DAYS}; first is 0 or more, today")


class Age(Condition, frozen=True, kw_only=True, tag="age", tag_field="kind"):
    """The years that a dated fact of this kind has completed on the customer's today, against a number.

    Lunar dates complete a year on their lunar anniversary. Of several facts one is enough. Unknown of a customer
    without such a fact, and of a fact without a year or one that is yet to come.
    """

    of: str
    op: Comparison
    years: int

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        kind, passes = self.of, test(self.op, self.years)

        def check(customer: Customer, now: datetime) -> Truth:
            dates = customer.dates.get(kind)
            if not dates:
                return None
            today = local_date(now, customer.zone)
            ages = [age for one in dates if (age := one.fact.age_on(today)) is not None]
            return any(passes(age) for age in ages) if ages else None

        return check

    def clock(self) -> Clock | None:
        """Returns the beginning of the next anniversary, by local time."""

        def turns(customer: Customer, now: datetime) -> datetime | None:
            tomorrow = local_date(now, customer.zone) + _DAY
            dates = (one for one in customer.dates.get(self.of, ()) if one.year is not None)
            days = (one.fact.next_occurrence(tomorrow) for one in dates)
            return earliest(start_of_local_day(day, customer.zone) for day in days)

        return turns

    def sql(self, query: Query) -> str:
        """Returns the expression over `p.dates`."""
        dates = f"p.dates -> {query.value(self.of, 'text')}"

        def on(today: date) -> str:
            passed = query.value(list(_passed(today)), "text[]")
            lunar = query.value(to_lunar(today).year, "bigint")
            year = f"(CASE WHEN d ->> 6 = 'lunar' THEN {lunar} ELSE {query.value(today.year, 'bigint')} END)"
            age = f"({year} - CAST(d ->> 2 AS bigint) - (CASE WHEN d ->> 1 = ANY({passed}) THEN 0 ELSE 1 END))"
            return f"""(SELECT bool_or({test_sql("age", self.op, self.years, query)})
                          FROM (SELECT {age} AS age FROM jsonb_array_elements({dates}) q(d)) ages WHERE age >= 0)"""

        return f"(CASE WHEN {_some(dates)} THEN {by_today(query, on)} END)"

    def touches(self) -> Iterable[str]:
        """Returns the dates."""
        return (f"date:{self.of}", "zone")

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the years."""
        if not self.of:
            yield Problem("/of", "must be the kind of a dated fact, as birthday")
        if not 0 <= self.years <= 200:
            yield Problem("/years", "must be from 0 to 200")


class OnDay(Condition, frozen=True, kw_only=True, tag="date", tag_field="kind"):
    """A dated fact of this kind, which comes once, against days: from the customer's today, or fixed ones.

    `in_next` and `in_last` count `days` from today, which is in both; `before` and `from` take a `day`. Of several
    facts one is enough. Unknown of a customer without such a fact that has a year.
    """

    of: str
    op: Literal["in_next", "in_last", "before", "from"]
    days: int = 0
    day: str = ""

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""

        def check(customer: Customer, now: datetime) -> Truth:
            days = [one.on for one in customer.dates.get(self.of, ()) if one.on is not None]
            if not days:
                return None
            first, last = self._bounds(local_date(now, customer.zone))
            return any(first <= one <= last for one in days)

        return check

    def _bounds(self, today: date) -> tuple[date, date]:
        """Returns the first and the last day that match."""
        if self.op == "in_next":
            return today, today + self.days * _DAY
        if self.op == "in_last":
            return today - self.days * _DAY, today
        day = date.fromisoformat(self.day)
        return (date.min, day - _DAY) if self.op == "before" else (day, date.max)

    def clock(self) -> Clock | None:
        """Returns the beginning of the local day on which the fact comes into reach, or leaves it."""
        if self.op not in ("in_next", "in_last"):
            return None

        def turns(customer: Customer, now: datetime) -> datetime | None:
            today = local_date(now, customer.zone)
            back = self.days if self.op == "in_next" else 0
            ahead = 0 if self.op == "in_next" else self.days
            days = [
                day
                for one in customer.dates.get(self.of, ())
                if one.on is not None and date.min + (back + 2) * _DAY < one.on < date.max - (ahead + 2) * _DAY
                for day in (one.on - back * _DAY, one.on + (ahead + 1) * _DAY)
                if day > today
            ]
            return earliest(start_of_local_day(day, customer.zone) for day in days)

        return turns

    def sql(self, query: Query) -> str:
        """Returns the expression over `p.dates`."""
        dates = f"p.dates -> {query.value(self.of, 'text')}"

        def on(today: date) -> str:
            first, last = (query.value(one, "date") for one in self._bounds(today))
            return f"""(SELECT bool_or(CAST(d ->> 3 AS date) BETWEEN {first} AND {last})
                          FROM jsonb_array_elements({dates}) q(d) WHERE d ->> 3 IS NOT NULL)"""

        fixed = self.op in ("before", "from")
        return f"(CASE WHEN {_some(dates)} THEN {on(query.now.date()) if fixed else by_today(query, on)} END)"

    def touches(self) -> Iterable[str]:
        """Returns the dates."""
        return (f"date:{self.of}", "zone")

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields what is wrong with the days."""
        if not self.of:
            yield Problem("/of", "must be the kind of a dated fact, as renewal")
        if self.op in ("in_next", "in_last"):
            if not 0 <= self.days <= 10 * MOST_DAYS:
                yield Problem("/days", f"must be from 0 to {10 * MOST_DAYS}")
            if self.day:
                yield Problem("/day", f"must be left out: {self.op} counts days from today")
            return
        if self.days:
            yield Problem("/days", f"must be left out: {self.op} takes a day")
        try:
            date.fromisoformat(self.day)
        except ValueError:
            yield Problem("/day", "must be a day, as 2026-11-30")


class Holiday(Condition, frozen=True, kw_only=True, tag="holiday", tag_field="kind"):
    """The customer's today is a holiday of a national calendar, or a day on which people work there."""

    calendar: str
    day: Literal["holiday", "working_day"]

    def compiled(self) -> Check:
        """Returns the closure that answers for one customer."""
        return lambda customer, now: self._on(local_date(now, customer.zone))

    def _on(self, today: date) -> bool:
        if self.day == "working_day":
            return holidays.is_working_day(self.calendar, today)
        return holidays.day_kind(self.calendar, today).kind == "holiday"

    def clock(self) -> Clock | None:
        """Returns the beginning of the next day that is of another kind."""

        def turns(customer: Customer, now: datetime) -> datetime | None:
            today = local_date(now, customer.zone)
            verdict = self._on(today)
            days = (day for n in range(1, MOST_DAYS) if self._on(day := today + n * _DAY) is not verdict)
            turn = next(days, None)
            return None if turn is None else start_of_local_day(turn, customer.zone)

        return turns

    def sql(self, query: Query) -> str:
        """Returns the answer of each date that it is anywhere."""
        return by_today(query, lambda today: "TRUE" if self._on(today) else "FALSE")

    def touches(self) -> Iterable[str]:
        """Returns the customer's zone."""
        return ("zone",)

    def problems(self, limits: Limits) -> Iterator[Problem]:
        """Yields that there is no such calendar."""
        try:
            holidays.is_working_day(self.calendar, date(2026, 1, 1))
        except holidays.UnknownCalendar as error:
            yield Problem("/calendar", error.detail)


def _some(dates: str) -> str:
    return f"jsonb_array_length(coalesce({dates}, '[]')) > 0"


@lru_cache(maxsize=16)
def _passed(today: date) -> tuple[str, ...]:
    """Returns the keys whose anniversary of this year, of their own calendar, is today or was before."""
    lunar_year = to_lunar(today).year
    every = [
        *(FactDate(None, month, day) for month in range(1, 13) for day in range(1, 32) if _exists(month, day)),
        *(
            FactDate(None, month, day, "lunar", leap)
            for month in range(1, 13)
            for day in range(1, LONGEST_MONTH + 1)
            for leap in (False, True)
        ),
    ]
    years = {"gregorian": today.year, "lunar": lunar_year}
    return tuple(one.key for one in every if one.occurrence_in(years[one.calendar]) <= today)


def _exists(month: int, day: int) -> bool:
    return day <= (29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31)
