"""Publishing with `acks=all`, an own deadline, and a client that is thrown away after any failure.

aiokafka's producer keeps what it could not send and may send it later. After a failure the client is closed and
built anew, so that nothing old overtakes what is sent again. A time-out means *unknown*: the same event, under the
same id, is sent again by the caller.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.failpoints import failpoint
from shared.kafka.cancelled import failures_raise
from shared.logging import get_logger

SEND_SECONDS: Final = 10
START_SECONDS: Final = 10
STOP_SECONDS: Final = 2
MAX_REQUEST_BYTES: Final = 1_048_576
BATCH_BYTES: Final = 262_144

log = get_logger(__name__)


class BrokerAway(Exception):
    """The broker did not acknowledge in time. What was sent may or may not be there."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One record to publish. `tag` is the caller's name for it."""

    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()
    tag: int = 0


class Producer:
    """A publisher that can be shared by every task of a process."""

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        linger_milliseconds: int = 0,
        max_request_bytes: int = MAX_REQUEST_BYTES,
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._linger_milliseconds = linger_milliseconds
        self._max_request_bytes = max_request_bytes
        self._client: AIOKafkaProducer | None = None
        self._changing = asyncio.Lock()

    async def send(self, messages: Sequence[Message]) -> None:
        """Publishes all messages; returns when every one is acknowledged. Raises `BrokerAway` otherwise."""
        client = await self._connected()
        try:
            async with asyncio.timeout(SEND_SECONDS):
                with failures_raise():
                    futures = [
                        await client.send(m.topic, value=m.value, key=m.key, headers=list(m.headers)) for m in messages
                    ]
                    await asyncio.gather(*futures)
        except (KafkaError, OSError, TimeoutError) as error:
            await self._discard(client)
            raise BrokerAway(repr(error)) from error

    async def send_in_order(self, messages: Sequence[Message]) -> set[int]:
        """Publishes messages so that, in each partition, none is sent before all earlier ones are acknowledged.

        Returns the tags of those acknowledged: in each partition an unbroken run from its first. Raises
        `BrokerAway` if the broker can't be reached at all.
        """
        client = await self._connected()
        lanes: dict[tuple[str, int], list[Message]] = defaultdict(list)
        acknowledged: set[int] = set()
        try:
            async with asyncio.timeout(START_SECONDS):
                for message in messages:
                    lanes[message.topic, await self._partition(client, message)].append(message)
        except (KafkaError, OSError, TimeoutError) as error:
            await self._discard(client)
            raise BrokerAway(repr(error)) from error
        results = await asyncio.gather(
            *(
                self._send_lane(client, topic, partition, lane, acknowledged)
                for (topic, partition), lane in lanes.items()
            )
        )
        if not all(results):
            await self._discard(client)
        return acknowledged

    async def _partition(self, client: AIOKafkaProducer, message: Message) -> int:
        partitions = await client.partitions_for(message.topic)
        chosen: int = client._partitioner(message.key, sorted(partitions), sorted(partitions))
        return chosen

    async def _send_lane(
        self, client: AIOKafkaProducer, topic: str, partition: int, lane: Sequence[Message], acknowledged: set[int]
    ) -> bool:
        try:
            start = 0
            while start < len(lane):
                batch = client.create_batch()
                end = start
                while end < len(lane) and (
                    batch.append(
                        key=lane[end].key, value=lane[end].value, timestamp=None, headers=list(lane[end].headers)
                    )
                    is not None
                ):
                    end += 1
                assert end > start, "a batch takes its first record whatever its size"
                async with asyncio.timeout(SEND_SECONDS):
                    with failures_raise():
                        await (await client.send_batch(batch, topic, partition=partition))
                failpoint("producer.after_batch")
                acknowledged.update(message.tag for message in lane[start:end])
                start = end
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("producer.failed", topic=topic, partition=partition, error=repr(error))
            return False
        return True

    async def _connected(self) -> AIOKafkaProducer:
        async with self._changing:
            if self._client is None:
                client = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    client_id=self._client_id,
                    acks="all",
                    linger_ms=self._linger_milliseconds,
                    max_batch_size=BATCH_BYTES,
                    max_request_size=self._max_request_bytes,
                    request_timeout_ms=SEND_SECONDS * 1000,
                    metadata_max_age_ms=30_000,
                )
                try:
                    async with asyncio.timeout(START_SECONDS):
                        await client.start()
                except (KafkaError, OSError, TimeoutError) as error:
                    await _stop(client)
                    raise BrokerAway(repr(error)) from error
                self._client = client
            return self._client

    async def _discard(self, client: AIOKafkaProducer) -> None:
        async with self._changing:
            if self._client is client:
                self._client = None
        await _stop(client)

    async def close(self) -> None:
        """Sends what is buffered, for a moment at most, and disconnects."""
        client, self._client = self._client, None
        if client is not None:
            await _stop(client)


async def _stop(client: AIOKafkaProducer) -> None:
    # stop() flushes first, and would wait for a broker that is away. After the deadline the sender is closed
    # under it, so that nothing left in its buffer can be sent behind our back.
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await client.stop()
        except TimeoutError:
            await client._sender.close()
            await client.client.close()
