"""The dead letters: what could not be taken in, with its bytes, its place and the reason."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from shared.contracts import keepable, wire
from shared.contracts.moments import is_plausible
from shared.contracts.topics import MAX_LETTER_BYTES, dead_letters
from shared.contracts.wire import Message
from shared.kafka.connection import Brokers
from shared.kafka.consumer.offsets import Place
from shared.kafka.dead_letters.sources import UNKNOWN, Cause
from shared.kafka.pinned import Prepare
from shared.kafka.producer import Producer

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_REASON_CHARACTERS: Final = 500  # a reason may quote the record, and a list of letters is for people


def producer(brokers: Brokers, *, client_id: str, prepare: Prepare | None = None) -> Producer:
    """Returns a producer that can write any letter: a record as large as its broker takes, with our headers."""
    return Producer(brokers, client_id=client_id, max_request_bytes=MAX_LETTER_BYTES, prepare=prepare)


class Record(msgspec.Struct, frozen=True):
    """One record as the broker gave it. `timestamp_ms` is milliseconds since the epoch."""

    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes]]
    value: bytes | None
    timestamp_ms: int

    @property
    def produced_at(self) -> datetime | None:
        """When it was produced, as its producer or broker says; None for an invalid time, such as microseconds."""
        if self.timestamp_ms <= 0:  # -1 is Kafka's word for none
            return None
        try:
            moment = _EPOCH + timedelta(milliseconds=self.timestamp_ms)
        except OverflowError:
            return None
        return moment if is_plausible(moment) else None


class DeadLetter(msgspec.Struct, frozen=True):
    """A record, why it could not be taken in, and whose it is."""

    record: Record
    reason: str
    cause: Cause = Cause.REFUSED
    source: str = UNKNOWN


class Letter(msgspec.Struct, frozen=True):
    """A dead letter as it lies in its topic: the record with its own headers, where it stood, and when it died.

    `record.timestamp_ms` is the letter's; a record without a key or value comes back with an empty one.
    """

    place: Place
    record: Record
    reason: str
    at: str

    @property
    def name(self) -> str:
        """The text of its place."""
        return place_text(self.place, self.record.offset)


def place_text(place: Place, offset: int) -> str:
    """Returns where a record stands, as text: `cluster/topic/partition/offset`; a later generation is `topic@2`."""
    generation = f"@{place.generation}" if place.generation > 1 else ""
    return f"{place.cluster_id}/{place.topic}{generation}/{place.partition}/{offset}"


def place_of(text: str) -> tuple[Place, int]:
    """Returns the partition and the offset that `place_text` wrote. Raises `ValueError` for any other text."""
    cluster_id, name, partition, offset = text.split("/")
    topic, _, generation = name.partition("@")
    return Place(cluster_id, int(generation or "1"), topic, int(partition)), int(offset)


def reason_text(reason: str) -> str:
    """Returns a reason as a header and PostgreSQL can keep it."""
    return keepable.text(reason, limit=MAX_REASON_CHARACTERS)


async def write(
    producer: Producer, service: str, place: Place, letters: Sequence[DeadLetter], *, now: datetime
) -> None:
    """Keeps dead letters; returns once the broker has them. The key is their place, so a reader can dedupe."""
    await producer.send(
        [
            Message(
                topic=dead_letters(service),
                key=place_text(place, letter.record.offset).encode(),
                value=letter.record.value or b"",
                headers=[
                    *letter.record.headers,
                    ("dlq_topic", place.topic.encode()),
                    ("dlq_partition", str(place.partition).encode()),
                    ("dlq_offset", str(letter.record.offset).encode()),
                    ("dlq_cluster", place.cluster_id.encode()),
                    ("dlq_key", letter.record.key or b""),
                    ("dlq_reason", reason_text(letter.reason).encode()),
                    ("dlq_at", wire.iso(now).encode()),
                ],
            )
            for letter in letters
        ]
    )


def letters(records: Sequence[Record]) -> Mapping[str, Letter]:
    """Returns the letters in a dead-letter topic by their place; of several copies the last, with its reason.

    What somebody else put into the topic is left out.
    """
    found = [letter for record in records if (letter := _letter(record)) is not None]
    return {letter.name: letter for letter in found}


def _letter(record: Record) -> Letter | None:
    # A record may carry such headers itself, if somebody published a dead letter again: the last ones are ours.
    names = [name for name, _ in record.headers]
    if record.key is None or "dlq_topic" not in names:
        return None
    ours = len(names) - 1 - names[::-1].index("dlq_topic")
    ours_by_name = dict(record.headers[ours:])
    try:
        place, offset = place_of(record.key.decode())
        return Letter(
            place=place,
            record=Record(offset, ours_by_name["dlq_key"], record.headers[:ours], record.value, record.timestamp_ms),
            reason=ours_by_name["dlq_reason"].decode(),
            at=ours_by_name["dlq_at"].decode(),
        )
    except (ValueError, KeyError):
        return None
