"""The dead letters: what could not be taken in, with its bytes, its place and the reason."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from shared.contracts import wire
from shared.contracts.topics import dead_letters
from shared.kafka.offsets import Place
from shared.kafka.producer import Message, Producer

# A bad deploy must stop, not drain a topic into its dead letters.
MAX_DEAD_RATIO: Final = 0.1
MIN_SAMPLE: Final = 200  # records; below this a ratio says little
WINDOW: Final = 10_000  # records that the ratio speaks of


class Record(msgspec.Struct, frozen=True):
    """One record as the broker gave it. `timestamp_ms` is milliseconds since the epoch."""

    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    value: bytes | None
    timestamp_ms: int


class DeadLetter(msgspec.Struct, frozen=True):
    """A record and why it could not be taken in."""

    record: Record
    reason: str


def too_many(*, seen: int, dead: int) -> bool:
    """Whether this many dead letters mean that the reader is wrong, not the records."""
    return seen >= MIN_SAMPLE and dead / seen > MAX_DEAD_RATIO


async def write(
    producer: Producer, service: str, place: Place, letters: Sequence[DeadLetter], *, now: datetime
) -> None:
    """Keeps dead letters; returns once the broker has them. The key is their place, so a reader can dedupe."""
    await producer.send(
        [
            Message(
                topic=dead_letters(service),
                key=f"{place.cluster_id}/{place.topic}/{place.partition}/{letter.record.offset}".encode(),
                value=letter.record.value or b"",
                headers=[
                    *letter.record.headers,
                    ("dlq_topic", place.topic.encode()),
                    ("dlq_partition", str(place.partition).encode()),
                    ("dlq_offset", str(letter.record.offset).encode()),
                    ("dlq_cluster", place.cluster_id.encode()),
                    ("dlq_key", letter.record.key or b""),
                    ("dlq_reason", letter.reason.encode()),
                    ("dlq_at", wire.iso(now).encode()),
                ],
            )
            for letter in letters
        ]
    )
