"""What platforms demand of whoever sends through them, as data: a new demand is a line here."""

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.campaign.domain.gate.caps import bounds
from services.campaign.domain.gate.policy import FrequencyRule
from services.campaign.domain.gate.situation import Candidate

LocalHours = Annotated[tuple[str, str], Meta(description="from and until, in the customer's zone")]


class PlatformRule(msgspec.Struct, frozen=True, kw_only=True):
    """A demand of the platforms behind a channel. Transactional messages (notices) are exempt from `hours`, and from a
    cap that does not name their purpose. No policy loosens it; a message waits until it may leave.
    """

    name: str
    channel: str
    hours: LocalHours | None = None
    caps: tuple[FrequencyRule, ...] = ()

    def caps_of(self, candidate: Candidate) -> Iterator[FrequencyRule]:
        """Yields the caps that bound a message."""
        if candidate.definition.channel == self.channel:
            yield from (cap for cap in self.caps if bounds(cap, candidate))


def all_caps() -> list[FrequencyRule]:
    """Returns the caps of all platforms."""
    return [cap for rule in RULES for cap in rule.caps]


SMS: Final = ("sms",)
# Carriers take promotion by day only, and bound what one number gets. The numbers of the caps are cautious ones of
# ours: a carrier's contract states its own.
RULES: Final = (
    PlatformRule(
        name="sms-promotion",
        channel="sms",
        hours=("08:00", "22:00"),
        caps=(
            FrequencyRule(name="sms-promotion-hour", messages=1, hours=1, channels=SMS),
            FrequencyRule(name="sms-promotion-day", messages=3, hours=24, channels=SMS),
        ),
    ),
    PlatformRule(
        name="sms-notices",
        channel="sms",
        caps=(FrequencyRule(name="sms-notices-day", messages=50, hours=24, channels=SMS, purposes=("transactional",)),),
    ),
)
