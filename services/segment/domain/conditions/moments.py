"""When something was, against a duration up to now or a day in UTC: one rule for moments and for occurrences."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from typing import Final

from services.segment.domain.conditions.base import Check, Problem, end, later
from services.segment.domain.conditions.customer import Customer, Truth
from services.segment.domain.conditions.query import Query
from shared.calendars.durations import InvalidDuration, parse

SPANS: Final = ("within", "longer_ago")
"""The operators that take a duration; `before` and `from` take a day. Exactly so long ago is `longer_ago`."""

MomentOf = Callable[[Customer, datetime], datetime | None]
"""Returns when it was for a customer, as seen at a moment; None if it never was."""


def compiled(op: str, value: str, moment: MomentOf) -> Check:
    """Returns the closure that compares; unknown where there is no moment."""
    if op not in SPANS:
        day, before = _start(value), op == "before"

        def by_day(customer: Customer, now: datetime) -> Truth:
            at = moment(customer, now)
            return None if at is None else (at < day) is before

        return by_day
    span, recent = parse(value), op == "within"

    def by_span(customer: Customer, now: datetime) -> Truth:
        at = moment(customer, now)
        return None if at is None else (now < end(at, span)) is recent

    return by_span


def passed(op: str, value: str, at: datetime | None) -> datetime | None:
    """Returns when the duration since a moment has passed; None without either."""
    return None if at is None or op not in SPANS else later(at, parse(value))


def sql(op: str, value: str, at: str, query: Query) -> str:
    """Returns the expression that compares the moment of an expression."""
    if op not in SPANS:
        return f"{at} {'<' if op == 'before' else '>='} {query.value(_start(value), 'timestamptz')}"
    try:
        since = query.now - parse(value)
    except OverflowError:
        return f"(CASE WHEN {at} IS NOT NULL THEN {'TRUE' if op == 'within' else 'FALSE'} END)"
    return f"{at} {'>' if op == 'within' else '<='} {query.value(since, 'timestamptz')}"


def problems(op: str, value: str) -> Iterator[Problem]:
    """Yields what is wrong with a duration or a day."""
    try:
        if op in SPANS:
            parse(value)
        else:
            date.fromisoformat(value)
    except InvalidDuration as error:
        yield Problem("/value", str(error))
    except ValueError:
        yield Problem("/value", "must be a day, as 2026-11-30")


def _start(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(), UTC)
