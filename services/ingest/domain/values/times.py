"""When an event happened, by a clock that may be wrong."""

from datetime import UTC, datetime
from typing import Any

from services.ingest.domain.errors import BadEvent, Reason
from shared.contracts.moments import BOUNDS, EARLIEST, is_plausible


def moment(value: Any) -> datetime | None:
    """Returns an ISO 8601 time with its zone, in UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is UTC:
            return parsed  # as with nearly every time
        return parsed.astimezone(UTC) if parsed.tzinfo is not None else None
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
        raise BadEvent(
            Reason.TIME, 'timestamp: not a time with a zone; send ISO 8601 such as "2026-01-31T12:00:00.000Z"'
        )
    return stamped, corrected(stamped, sent_at, received_at, historical=historical)


def corrected(stamped: datetime, sent_at: datetime | None, received_at: datetime, *, historical: bool) -> datetime:
    """Returns when an event happened, given its sender's time stamp.

    Raises `BadEvent` if that, or the stamp itself, is out of the bounds that hold for events.
    """
    if not is_plausible(stamped):
        raise BadEvent(Reason.TIME, f"timestamp: the year {stamped.year:04} is not possible; send a time {BOUNDS}")
    if sent_at is None or historical:
        return min(stamped, received_at)
    if sent_at <= stamped:
        return received_at
    try:
        happened_at = received_at - (sent_at - stamped)
    except OverflowError:
        happened_at = None
    if happened_at is None or happened_at < EARLIEST:
        raise BadEvent(Reason.TIME, "timestamp, sentAt: too far apart; check the sender's clock")
    return happened_at
