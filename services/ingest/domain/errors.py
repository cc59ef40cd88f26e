"""Why something is refused: one event of a request, or the request as a whole."""

from enum import StrEnum

from shared.contracts import keepable


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


class BadEvent(Exception):
    """One event is refused. The text says what is wrong, where, and what to do; it can be kept, whatever it repeats.

    `placeholders` are the namespaces of what it names that means nobody.
    """

    def __init__(self, reason: Reason, text: str, placeholders: tuple[str, ...] = ()) -> None:
        self.reason = reason
        self.text = keepable.text(text)
        self.placeholders = placeholders
        super().__init__(self.text)

    def to_keep(self) -> "BadEvent":
        """Returns the same error without the frames that it was raised in: these hold on to the whole request."""
        return BadEvent(self.reason, self.text, self.placeholders)


class BadDefinition(Exception):
    """What an operator defined (a plan, a mapping, a source's words) can't be used. The text says where and why."""


class BadRequest(Exception):
    """The request as a whole is refused, because its events can't be separated from each other."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
