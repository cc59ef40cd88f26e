"""Records that aiokafka can't read: it decodes the names of headers, and Kafka keeps any bytes there.

It raises for all that it has fetched, of whichever partition, and its position stays before them: asked again, it
raises again. So each partition is read alone and in ever smaller steps, up to that record, and in ever larger ones
after it. What the client does not give can't be kept; a letter has the record's place, and the log has the record.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

POLL_MILLISECONDS: Final = 200
STEP_RECORDS: Final = 512
NO_TIMESTAMP: Final = -1  # as Kafka has it


class Unreadable(msgspec.Struct, frozen=True):
    """What stands for a record that can't be read. It is an event of no topic, and says why."""

    offset: int
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = (("ce_type", b"none: the client can't read a header's name as UTF-8"),)
    value: bytes | None = None
    timestamp: int = NO_TIMESTAMP


async def step_over(
    client: Any, partition: TopicPartition, position: Callable[[], int | None]
) -> AsyncGenerator[Sequence[Any], None]:
    """Reads a partition alone, past a record that can't be read if it has one among the next.

    `position` says where each step begins: after what was given before, or None to end.
    """
    step = STEP_RECORDS
    while (offset := position()) is not None:
        try:
            client.seek(partition, offset)
            found = await client.getmany(partition, timeout_ms=POLL_MILLISECONDS, max_records=step)
        except IllegalStateError:
            return  # revoked meanwhile
        except UnicodeDecodeError:
            if step > 1:
                step //= 2
            else:
                yield [Unreadable(offset)]
            continue
        records: Sequence[Any] = found.get(partition, ())
        if records:
            yield records
        if not records or step == STEP_RECORDS:
            return
        step *= 2
