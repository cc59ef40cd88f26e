"""The topics and the shape that each is created with."""

from typing import Final

EVENTS: Final = "rapport.events.v1"
PROFILE_EVENTS: Final = "rapport.profile-events.v1"
PROFILES: Final = "rapport.profiles.v1"
SEGMENTS: Final = "rapport.segments.v1"
REFERENCE: Final = "rapport.reference.v1"  # compacted: the newest record of each key is kept for ever

# What upstream systems say, in CloudEvents of any type; ingest reads it, and puts what it understands on the bus.
INBOUND: Final = "rapport.inbound.v1"

ALL: Final = (EVENTS, PROFILE_EVENTS, PROFILES, SEGMENTS, REFERENCE)
COMPACTED: Final = frozenset({REFERENCE})

# Of a dead letter, which is a record with more headers: a broker takes records of 1 MiB by default.
MAX_LETTER_BYTES: Final = 16 * 1024 * 1024

PARTITIONS: Final = 6  # fixed at creation: a customer's key must not move to another partition


def dead_letters(service: str) -> str:
    """Returns the topic that keeps what `service` could not take in."""
    return f"rapport.{service}.dlq.v1"


def is_dead_letters(topic: str) -> bool:
    """Returns whether a topic is one of those."""
    return topic.endswith(".dlq.v1")
