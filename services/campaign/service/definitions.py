"""By what a message is sent, whatever set it off."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from services.campaign.domain.broadcast import BroadcastState
from services.campaign.domain.decision import Outcome
from services.campaign.domain.gate import Refused
from services.campaign.domain.journey.definition import Published
from services.campaign.domain.journey.triggers import TierReached
from services.campaign.domain.message_definition import MessageDefinition
from services.campaign.repository.broadcasts import StoredBroadcast
from services.campaign.repository.messages import Due

BROADCAST: Final = "broadcast"
"""The kind of a message of a broadcast."""
SINGLE: Final = "single"
"""The kind of a message that a request asked for by itself, and what stands in the place of its journey."""


class Found(NamedTuple):
    """The definition of a message, whether what it belongs to is running, or over, and what `reached` speaks of."""

    definition: MessageDefinition
    active: bool = True
    over: bool = False
    reached: Literal["tier", "stage"] = "stage"


def find(
    message: Due, published: Mapping[tuple[str, int], Published], broadcasts: Mapping[str, StoredBroadcast]
) -> Found | Refused:
    """Returns by what a message is sent: a single one has its own definition, a journey's is of the journey's node."""
    if message.kind == BROADCAST:
        stored = broadcasts[message.journey_id]
        active, over = stored.state != BroadcastState.PAUSED, stored.state == BroadcastState.CANCELLED
        return Found(stored.broadcast.message, active, over)
    if message.kind == SINGLE:
        assert message.definition is not None
        return Found(msgspec.json.decode(message.definition, type=MessageDefinition))
    version = published[message.journey_id, message.journey_version]
    definition = version.journey.message(message.step)
    if definition is None:
        return Refused(f"no node {message.step}", Outcome.FAILED)
    reached: Literal["tier", "stage"] = "tier" if isinstance(version.journey.trigger, TierReached) else "stage"
    return Found(definition, version.active, reached=reached)
