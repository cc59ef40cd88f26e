"""Publishing with `acks=all`, an own deadline, and a client that is thrown away after any failure.

aiokafka's producer keeps what it could not send and may send it later. After a failure the client is closed and
built anew, so that nothing old overtakes what is sent again. A time-out means *unknown*: the same event, under the
same id, is sent again by the caller.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from shared.failpoints import failpoint
from shared.kafka.cancelled import failures_raise
from shared.logging import get_logger

SEND_SECONDS: Final = 10
START_SECONDS: Final = 10
STOP_SECONDS: Final = 2
MAX_REQUEST_BYTES: Final = 1_048_576
BATCH_BYTES: Final = 262_144
REMEMBERED_KEYS: Final = 8_192  # whose partitions are known, in 2 MB: one hash in Python costs a tenth of an event

log = get_logger(__name__)


class BrokerAway(Exception):
    """The broker did not acknowledge in time. What was sent may or may not be there."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One record to publish. `tag` is the caller's name for it."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]] = []  # the client takes no other sequence
    tag: int = 0


Place = tuple[str, int]  # a topic, and a partition of it


@lru_cache(REMEMBERED_KEYS)
def partition_of(key: bytes, partitions: int) -> int:
    """Where Kafka's own clients put a key: murmur2, modulo the number of partitions."""
    return int(murmur2(key) & 0x7FFF_FFFF) % partitions


class _Gathered:
    """Records for one partition that will travel together, and what all who wait for them will hear."""

    def __init__(self, client: AIOKafkaProducer, place: Place) -> None:
        self.client: Any = client
        self.place = place
        self.batch = client.create_batch()
        self.acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, message: Message) -> bool:
        """Adds a record; False if the batch is full."""
        taken = self.batch.append(key=message.key, value=message.value, timestamp=None, headers=message.headers)
        return taken is not None

    def fail(self, error: BrokerAway) -> None:
        """Tells those who wait, unless they know already. Nobody has to hear it: they may all be gone."""
        if not self.acknowledged.done():
            self.acknowledged.set_exception(error)
            self.acknowledged.exception()


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
        self._partitions: dict[str, int] = {}
        self._gathering: dict[Place, _Gathered] = {}
        self._lanes: dict[Place, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def send(self, messages: Sequence[Message]) -> None:
        """Publishes all messages; returns when every one is acknowledged. Raises `BrokerAway` otherwise.

        While a partition's batch is on its way, what all callers send to it gathers in the next one.
        """
        client = await self._connected()
        await self._know_partitions(client, messages)
        begun, waiting = self._gather(client, messages)
        try:
            if len(begun) == 1:
                await self._send_gathered(begun[0])
            elif begun:
                await asyncio.gather(*map(self._send_gathered, begun))
        finally:
            for gathered in begun:  # whatever became of it, somebody else may wait for it
                self._close(gathered)
                gathered.fail(BrokerAway("the caller who sent this batch was cancelled"))
        for gathered in waiting:
            await gathered.acknowledged

    def _gather(self, client: AIOKafkaProducer, messages: Sequence[Message]) -> tuple[list[_Gathered], list[_Gathered]]:
        """Puts records into the batches that gather now: those that were begun for it, and all that hold any."""
        begun: list[_Gathered] = []
        waiting: dict[_Gathered, None] = {}
        for message in messages:
            place = message.topic, partition_of(message.key, self._partitions[message.topic])
            gathered = self._gathering.get(place)
            if gathered is None or gathered.client is not client or not gathered.take(message):
                gathered = self._gathering[place] = _Gathered(client, place)
                begun.append(gathered)
                taken = gathered.take(message)
                assert taken, "a batch takes its first record whatever its size"
            waiting[gathered] = None
        return begun, list(waiting)

    async def _send_gathered(self, gathered: _Gathered) -> None:
        """Sends a batch when its partition's last one is through, and tells everybody who has a record in it."""
        topic, partition = gathered.place
        async with self._lanes[gathered.place]:
            self._close(gathered)
            lives = gathered.client is self._client
            if not lives:
                gathered.fail(BrokerAway("the client failed with an earlier batch"))
                return
            try:
                await _acknowledged(gathered.client, gathered.batch, topic, partition)
            except (KafkaError, OSError, TimeoutError) as error:
                gathered.fail(BrokerAway(repr(error)))
                await self._discard(gathered.client)
                return
            gathered.acknowledged.set_result(None)

    def _close(self, gathered: _Gathered) -> None:
        """Whoever comes from now on begins another batch."""
        if self._gathering.get(gathered.place) is gathered:
            del self._gathering[gathered.place]

    async def send_in_order(self, messages: Sequence[Message]) -> set[int]:
        """Publishes messages so that, in each partition, none is sent before all earlier ones are acknowledged.

        Returns the tags of those acknowledged: in each partition an unbroken run from its first. Raises
        `BrokerAway` if the broker can't be reached at all.
        """
        client = await self._connected()
        lanes: dict[tuple[str, int], list[Message]] = defaultdict(list)
        acknowledged: set[int] = set()
        await self._know_partitions(client, messages)
        for message in messages:
            lanes[message.topic, partition_of(message.key, self._partitions[message.topic])].append(message)
        results = await asyncio.gather(
            *(
                self._send_lane(client, topic, partition, lane, acknowledged)
                for (topic, partition), lane in lanes.items()
            )
        )
        if not all(results):
            await self._discard(client)
        return acknowledged

    async def _know_partitions(self, client: AIOKafkaProducer, messages: Sequence[Message]) -> None:
        """Asks the broker for the partitions of topics that are new here; raises `BrokerAway`."""
        unknown = {message.topic for message in messages} - self._partitions.keys()
        if not unknown:
            return
        try:
            async with asyncio.timeout(START_SECONDS):
                with failures_raise():
                    for topic in unknown:
                        self._partitions[topic] = len(await client.partitions_for(topic))
        except (KafkaError, OSError, TimeoutError) as error:
            await self._discard(client)
            raise BrokerAway(repr(error)) from error

    async def _send_lane(
        self, client: AIOKafkaProducer, topic: str, partition: int, lane: Sequence[Message], acknowledged: set[int]
    ) -> bool:
        try:
            start = 0
            while start < len(lane):
                batch = client.create_batch()
                end = start
                while end < len(lane) and (
                    batch.append(key=lane[end].key, value=lane[end].value, timestamp=None, headers=lane[end].headers)
                    is not None
                ):
                    end += 1
                assert end > start, "a batch takes its first record whatever its size"
                await _acknowledged(client, batch, topic, partition)
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
                self._partitions.clear()
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


async def _acknowledged(client: AIOKafkaProducer, batch: Any, topic: str, partition: int) -> None:
    """Sends a batch and returns once the broker has it; raises what the client raises, or `TimeoutError`."""
    async with asyncio.timeout(SEND_SECONDS):
        with failures_raise():
            answer: asyncio.Future[Any] = await client.send_batch(batch, topic, partition=partition)
            answer.add_done_callback(_heard)  # a client that is given up may yet answer, to nobody
            await asyncio.shield(answer)


def _heard(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled():
        answer.exception()


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
