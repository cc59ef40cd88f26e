"""Records that aiokafka can't read: it decodes the names of headers, and Kafka keeps any bytes there.

It raises for all that it has fetched, of whichever partition, and its position stays before them: asked again, it
raises again. So each partition is read alone and in ever smaller steps, up to that record, and in ever larger ones
behind it. What the client does not give can't be kept; the letter has the record's place, and the log has the record.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from shared.kafka.batch import Held

POLL_MILLISECONDS: Final = 200
STEP_RECORDS: Final = 512
NO_TIMESTAMP: Final = -1  # as Kafka has it

Apply = Callable[[Mapping[TopicPartition, Sequence[Any]]], Awaitable[None]]


class Unreadable(msgspec.Struct, frozen=True):
    """What stands for a record that can't be read. It is an event of no topic, and says why."""

    offset: int
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = (("ce_type", b"none: the client can't read a header's name as UTF-8"),)
    value: bytes | None = None
    timestamp: int = NO_TIMESTAMP


async def step_over(client: Any, held: Mapping[TopicPartition, Held], apply: Apply) -> None:
    """Reads each partition alone, past a record that can't be read if it has one among the next."""
    for partition, one in list(held.items()):
        if not one.stopped:
            await _step_over(client, partition, one, held, apply)


async def _step_over(
    client: Any, partition: TopicPartition, one: Held, held: Mapping[TopicPartition, Held], apply: Apply
) -> None:
    step = STEP_RECORDS
    while held.get(partition) is one and not one.stopped:
        try:
            client.seek(partition, one.expected)
            found = await client.getmany(partition, timeout_ms=POLL_MILLISECONDS, max_records=step)
        except IllegalStateError:
            return  # revoked meanwhile
        except UnicodeDecodeError:
            if step > 1:
                step //= 2
            else:
                await apply({partition: [Unreadable(one.expected)]})
            continue
        if found:
            await apply(found)
        if not found or step == STEP_RECORDS:
            return
        step *= 2
