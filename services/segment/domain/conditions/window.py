"""When an event must have happened to count: in a sliding window, between two days, since another event, or ever."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from services.segment.domain.conditions.base import Limits, Problem, end, later, tidy
from services.segment.domain.conditions.customer import ORDERS, Customer, Happening
from services.segment.domain.conditions.query import Query
from shared.calendars.durations import InvalidDuration, parse

LEAST_WINDOW = timedelta(minutes=1)


class Window(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One of: `within`, a duration up to now (what happened exactly that long ago is out); `since` and `until`, days in
    UTC of which the first is in and the last is out; `after`, the last occurrence of another event."""

    within: str = ""
    since: str = ""
    until: str = ""
    after: str = ""

    def __post_init__(self) -> None:
        tidy(self, "within")

    @property
    def span(self) -> timedelta | None:
        """How far back a sliding window reaches; None if this is no such window."""
        return parse(self.within) if self.within else None

    @property
    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """The first moment that counts and the first that does not any more, by fixed days."""
        return _start(self.since), _start(self.until)

    def problems(self, limits: Limits, *, event: str, pointer: str = "/window") -> Iterator[Problem]:
        """Yields what is wrong with it for histories of this event."""
        given = [name for name in ("within", "after") if getattr(self, name)]
        if self.since or self.until:
            given.append("since or until")
        if len(given) != 1:
            yield Problem(pointer, "must have one of: within, since and until, after")
            return
        oldest = ""
        if self.within:
            try:
                span = parse(self.within)
            except InvalidDuration as error:
                yield Problem(f"{pointer}/within", str(error))
                return
            if span < LEAST_WINDOW:
                yield Problem(f"{pointer}/within", "must be a minute or more")
            if span > limits.history:
                oldest = self.within
        for name in ("since", "until"):
            if (text := getattr(self, name)) and _day(text) is None:
                yield Problem(f"{pointer}/{name}", "must be a day, as 2026-11-30")
        if oldest and event != ORDERS:
            yield Problem(
                f"{pointer}/within",
                f"must be at most P{limits.history.days}D: histories of events other than {ORDERS} are kept that long",
            )


def among(
    window: Window | None, customer: Customer, happenings: Sequence[Happening], now: datetime
) -> Iterable[Happening] | None:
    """Returns those of a customer's happenings that count now; None if nobody can say: the other event never was."""
    if window is None:
        return (one for one in happenings if one.at <= now)
    if (span := window.span) is not None:
        return (one for one in happenings if one.at <= now < end(one.at, span))
    if window.after:
        others = [one.at for one in customer.history.get(window.after, ()) if one.at <= now]
        if not others:
            return None
        return (one for one in happenings if others[-1] < one.at <= now)
    first, last = window.bounds
    return (
        one
        for one in happenings
        if one.at <= now and (first is None or one.at >= first) and (last is None or one.at < last)
    )


def instants(window: Window | None, happenings: Iterable[Happening], now: datetime) -> Iterator[datetime]:
    """Yields the moments after `now` at which one of these happenings begins to count or does so no more."""
    span = None if window is None else window.span
    for one in happenings:
        if one.at > now:
            yield one.at
        if span is not None and (leaves := later(one.at, span)) is not None and leaves > now:
            yield leaves


def window_sql(window: Window | None, query: Query, row: str = "h") -> tuple[str, datetime | None]:
    """Returns what a row of the history has to fulfil to count, and the moment after which all such rows lie."""
    now = f"{row}.at <= :now"
    if window is None:
        return now, None
    if (span := window.span) is not None:
        try:
            since = query.now - span
        except OverflowError:
            return now, None
        return f"{now} AND {row}.at > {query.value(since, 'timestamptz')}", since
    if window.after:
        last = f"""(SELECT max(s.at) FROM history s
                     WHERE s.profile_id = {row}.profile_id AND s.name = {query.value(window.after, "text")}
                       AND s.at <= :now)"""
        return f"{now} AND {row}.at > {last}", None
    first, upto = window.bounds
    parts = [now]
    if first is not None:
        parts.append(f"{row}.at >= {query.value(first, 'timestamptz')}")
    if upto is not None:
        parts.append(f"{row}.at < {query.value(upto, 'timestamptz')}")
    return " AND ".join(parts), None if first is None else first - timedelta(microseconds=1)


def known_sql(window: Window | None, query: Query) -> str:
    """Returns the expression that is true where it is known what counts: after another event, once it happened."""
    if window is None or not window.after:
        return "TRUE"
    return f"""EXISTS (SELECT FROM history s
                        WHERE s.profile_id = c.profile_id AND s.name = {query.value(window.after, "text")}
                          AND s.at <= :now)"""


def events_of(event: str, window: Window | None) -> tuple[str, ...]:
    """Returns the events whose histories are read."""
    return (event, window.after) if window is not None and window.after else (event,)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-11-30") else None
    except ValueError:
        return None


def _start(text: str) -> datetime | None:
    day = _day(text) if text else None
    return None if day is None else datetime.combine(day, time(), UTC)
