"""What a message is sent by: a step of a journey, a broadcast, a single message, or the request for a confirmation."""

from datetime import timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from shared.contracts.consent import MAX_WORD_LENGTH, Pair
from shared.contracts.events import MARKETING

Positive = Annotated[int, Meta(ge=1)]
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
Purpose = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=MAX_WORD_LENGTH)]

DEFAULT_MAX_AGE: Final = timedelta(hours=24)


class Cap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most so many messages to one customer within any so many hours."""

    messages: Positive
    hours: Positive

    @property
    def window(self) -> timedelta:
        """The time that the cap speaks of."""
        return timedelta(hours=self.hours)


class MessageDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """How a message is made, and what the gate asks about whoever is to get it.

    `id` and `version` are those of its journey or broadcast, `step` the node of the journey. `purpose` is what its
    customers must have agreed to, for its channel; `transactional` needs no consent. `cap` counts the messages of this
    definition alone, over all its steps. What set a message off may be `max_age` old when it leaves.
    """

    id: str
    version: int
    step: str = ""
    channel: str = "email"
    purpose: str = MARKETING
    template: str
    max_age: timedelta = DEFAULT_MAX_AGE
    cap: Cap | None = None

    @property
    def consent_to(self) -> Pair:
        """What a customer must have agreed to."""
        return Pair(self.channel, self.purpose)
