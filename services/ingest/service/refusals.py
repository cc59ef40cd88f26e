"""What a sender is told whose request is refused, in the terms of the tracking API: a code, a status and a text."""

from services.ingest.domain.errors import TrackingError
from shared.database.database import is_away, refuses_data, sqlstate
from shared.http import RETRY_AFTER_SECONDS
from shared.service.logging import get_logger

log = get_logger(__name__)


class NotUnderstood(TrackingError):
    """The request can't be read."""

    status = 400


class UnknownKey(TrackingError):
    """No source has this write key."""

    status = 401


class ForeignOrigin(TrackingError):
    """Pages at this origin may not send with this key."""

    status = 403


class WrongMethod(TrackingError):
    """The address is right, but the request was not a `POST`."""

    status = 405


class TooMany(TrackingError):
    """This source sends more than it may; send the events again later."""

    status = 429


class Busy(TrackingError):
    """The events can't be accepted right now; send them again later."""

    status = 503


def busy() -> Busy:
    """Returns the error for the time in which no durable store accepts events."""
    return Busy("unavailable", "send it again later", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def database_refusal(error: Exception) -> TrackingError:
    """Returns the error that a sender gets after this one of `DATABASE_ERRORS`; raises that if it is a defect of ours.

    Data that PostgreSQL refuses is refused for good: it would be refused again.
    """
    if refuses_data(error):
        log.warning("intake.data_refused", sqlstate=sqlstate(error))
        return NotUnderstood("invalid", "a value can't be stored; send it differently")
    if not is_away(error):
        raise error
    log.warning("intake.postgresql_away", error=repr(error))
    return busy()
