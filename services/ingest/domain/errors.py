"""Why something is refused: one event of a request, or the request as a whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import msgspec

from shared.contracts import keepable
from shared.errors import AppError, Invalid


class Reason(StrEnum):
    """The reasons why an event is quarantined; few, because each is a label of a metric."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TYPE = "type"
    MESSAGE_ID = "message_id"
    TIME = "time"
    IDENTITY = "identity"
    REQUIRED = "required"
    CURRENCY = "currency"
    AMOUNT = "amount"
    RATING = "rating"
    CONSENT = "consent"
    PLAN = "plan"
    MAPPING = "mapping"
    FORMAT = "format"


class BadEvent(Invalid):
    """The event is refused, and is kept in the quarantine.

    The text says what is wrong, where, and what to do; it can be kept, whatever it repeats. `placeholders` are the
    namespaces of what it names that means nobody.
    """

    known_as = "refused"

    def __init__(self, reason: Reason, text: str, placeholders: tuple[str, ...] = ()) -> None:
        super().__init__(keepable.text(text))
        self.reason = reason
        self.placeholders = placeholders

    @property
    def text(self) -> str:
        """What is wrong, where, and what to do."""
        return self.detail

    def to_keep(self) -> "BadEvent":
        """Returns the same error without the frames that it was raised in: these hold on to the whole request."""
        return BadEvent(self.reason, self.detail, self.placeholders)


class BadDefinition(Invalid):
    """This definition can't be used.

    It is an operator's: a plan, a mapping, a source's words. The text says where it is wrong, and why.
    """

    known_as = "not-usable"


@contextmanager
def definition_of(name: str) -> Iterator[None]:
    """Names the definition that is read inside the block in what is wrong with it. Raises `BadDefinition`."""
    try:
        yield
    except (BadDefinition, msgspec.ValidationError) as error:
        raise BadDefinition(f"{name}: {error}") from None


class TrackingError(AppError):
    """The request was refused."""

    def __init__(self, code: str, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail, headers=headers)
        self.code = code


class BadRequest(TrackingError):
    """The request can't be read.

    It is refused as a whole, because its events can't be separated from each other.
    """

    known_as = "not-readable"
