"""When an event happened, by a clock that may be wrong."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.ingest.domain.errors import BadEvent, Reason

# What is said to have happened before is the default of a language or of a clock without a battery (1, 1601, 1970), or
# a year of another calendar. The bounds of the bus, `shared.contracts.moments`, are wider: old events stay readable.
EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
# Of a sender's clock without a `sentAt` to correct it by; zones that were mixed up.
MAX_AHEAD: Final = timedelta(days=1)
MAX_CLOCK_AHEAD: Final = timedelta(days=366)  # a clock that shows a later time is not wrong, but of another calendar

# RFC 3339, section 5.6: small letters, and a 60th second, which `datetime` does not read.
_RFC_3339: Final = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d):(\d\d)([.,]\d{1,30})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LEAP_SECOND: Final = "60"


def moment(value: Any) -> datetime | None:
    """Returns an ISO 8601 time with its zone, in UTC; None for anything else.

    A leap second is the second after it, as clocks of computers have it.
    """
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is UTC:
            return parsed  # as with nearly every time
        return parsed.astimezone(UTC) if parsed.tzinfo is not None else None
    except (ValueError, OverflowError):
        return _of_rfc_3339(value)


def _of_rfc_3339(value: str) -> datetime | None:
    match = _RFC_3339.fullmatch(value)
    if match is None:
        return None
    minute, second, fraction, zone = match.groups()
    is_leap = second == _LEAP_SECOND
    try:
        parsed = datetime.fromisoformat(f"{minute}:{'59' if is_leap else second}{fraction or ''}{zone.upper()}")
        return parsed.astimezone(UTC) + timedelta(seconds=is_leap)
    except (ValueError, OverflowError):
        return None


def occurred_at(
    timestamp: Any, *, sent_at: datetime | None, received_at: datetime, historical: bool
) -> tuple[datetime | None, datetime]:
    """Returns when an event happened by its sender's word, and when it did happen: never later than it was received.

    Raises `BadEvent` for a time that can't be read. A sender's clock is off by the same amount when it stamps and when
    it sends, so `received_at − (sent_at − timestamp)` is right whatever it shows. History was not stamped by the
    sender's clock, but by whatever recorded it: its times stand as they are.
    """
    if timestamp is None:
        return None, received_at
    stamped = moment(timestamp)
    if stamped is None:
        raise BadEvent(Reason.TIME, f"timestamp: {unreadable(timestamp)}")
    return stamped, corrected(stamped, sent_at, received_at, historical=historical)


def unreadable(value: Any) -> str:
    """Returns what is wrong with a time that can't be read, and what to send."""
    if isinstance(value, str) and not value.isascii() and any(one.isdecimal() and not one.isascii() for one in value):
        return "its digits are not those of ASCII; send ISO 8601 in them, of the Gregorian calendar"
    return 'not a time with a zone; send ISO 8601 such as "2026-01-31T12:00:00.000Z"'


def corrected(stamped: datetime, sent_at: datetime | None, received_at: datetime, *, historical: bool) -> datetime:
    """Returns when an event happened, given its sender's time stamp.

    Raises `BadEvent` if that, or the stamp itself, is out of the bounds that hold for what comes in. A `sent_at` that
    no wrong clock shows corrects nothing.
    """
    if sent_at is not None and not historical and EARLIEST <= stamped <= sent_at <= received_at:
        happened_at = received_at - (sent_at - stamped)  # as with nearly every event
        if happened_at >= EARLIEST:
            return happened_at
    if sent_at is None or historical or not is_of_a_clock(sent_at, received_at):
        check(stamped, received_at, at="timestamp")
        return min(stamped, received_at)
    check(stamped, sent_at, at="timestamp")
    if sent_at <= stamped:
        return received_at
    happened_at = received_at - (sent_at - stamped)
    if happened_at < EARLIEST:
        raise BadEvent(Reason.TIME, "timestamp, sentAt: too far apart; check the sender's clock")
    return happened_at


def is_of_a_clock(sent_at: datetime, received_at: datetime) -> bool:
    """Returns whether a clock that is merely wrong may have shown this time when the event was sent."""
    return EARLIEST <= sent_at <= received_at + MAX_CLOCK_AHEAD


def check(stated: datetime, now: datetime, *, at: str) -> None:
    """Raises `BadEvent`, naming the field, if something can't have happened at this time, by a clock that shows `now`.

    That is before 1990, or more than a day later.
    """
    if stated < EARLIEST:
        raise BadEvent(
            Reason.TIME,
            f"{at}: the year {stated.year:04} is not possible; send a time from {EARLIEST:%Y-%m-%d} on, of the "
            "Gregorian calendar",
        )
    if stated - now > MAX_AHEAD:
        raise BadEvent(
            Reason.TIME,
            f"{at}: {stated:%Y-%m-%d} is more than a day ahead; send when it happened, of the Gregorian calendar",
        )
