"""Publishing with `acks=all`, an own deadline, and a client that is thrown away after any failure.

aiokafka's producer keeps what it could not send and may send it later. After a failure the client is closed and
built anew, so that nothing old overtakes what is sent again. A time-out means *unknown*: the same event, under the
same id, is sent again by the caller.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from shared.contracts.wire import Message
from shared.kafka.connection import Brokers, client_options
from shared.kafka.failures import failures_raise
from shared.kafka.pinned import Pinned, Prepare, pin
from shared.service.failpoints import failpoint
from shared.service.logging import get_logger

SEND_SECONDS: Final = 10
START_SECONDS: Final = 10
STOP_SECONDS: Final = 2
MAX_REQUEST_BYTES: Final = 1_048_576
BATCH_BYTES: Final = 262_144
# Of the loop, before a round leaves: a request that lies in its socket needs as many until its records are here. At
# rest they take microseconds; under load a round carries what has arrived by then, and costs no more for it.
GATHERING_TURNS: Final = 4
ENOUGH_RECORDS: Final = 1_000  # a round with so many leaves at once: the broker works while the next is gathered
REMEMBERED_KEYS: Final = 8_192  # whose partitions are known, in 2 MB: one hash in Python costs a tenth of an event

log = get_logger(__name__)


class LogPosition(NamedTuple):
    """Where a record lies in its topic."""

    partition: int
    offset: int


class BrokerAway(Exception):
    """The broker did not acknowledge in time. What was sent may or may not be there."""


Place = tuple[str, int]  # a topic, and a partition of it
Lane = list[tuple[bytes, Message]]  # of one place, in order, each with its key as it is written


class KeyPlace(NamedTuple):
    """The partition of a key, and the key as it is written."""

    partition: int
    written: bytes


@lru_cache(REMEMBERED_KEYS)
def key_place(key: bytes, partitions: int) -> KeyPlace:
    """Returns where Kafka's own clients put a key (murmur2, modulo the number of partitions), and the text of it.

    The official SDKs of CloudEvents read a key as UTF-8. Ours are hashes and ids of 16 bytes, which are written as
    their 32 hexadecimal digits. The partition is that of the bytes: earlier releases wrote those, and a customer must
    not move to another partition.
    """
    partition = int(murmur2(key) & 0x7FFF_FFFF) % partitions
    is_text = key.isascii() and key.decode().isprintable()
    return KeyPlace(partition, key if is_text else key.hex().encode())


class _Round:
    """Records that will travel to one broker together, and the outcome for all who wait for them."""

    def __init__(self, client: AIOKafkaProducer, node: int | None) -> None:
        self.client: Any = client
        self.node = node
        self.batches: dict[Place, Any] = {}
        self.acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def append_to(self, place: Place) -> Any:
        """Returns the method that adds a record to this place's batch. It returns None once the batch is full."""
        batch = self.batches.get(place)
        if batch is None:
            batch = self.batches[place] = self.client.create_batch()
        return batch.append

    def records(self) -> int:
        """Returns how many records it holds."""
        return sum(batch.record_count() for batch in self.batches.values())

    def fail(self, error: BrokerAway) -> None:
        """Tells those who wait, unless they know already. Nobody has to be there: they may all be gone."""
        if not self.acknowledged.done():
            self.acknowledged.set_exception(error)
            self.acknowledged.exception()


class Producer:
    """A publisher that can be shared by every task of a process."""

    def __init__(
        self,
        brokers: Brokers,
        *,
        client_id: str,
        linger_milliseconds: int = 0,
        max_request_bytes: int = MAX_REQUEST_BYTES,
        prepare: Prepare | None = None,
    ) -> None:
        """`prepare` is given for a broker that keeps nothing: then all is sent to the one cluster that it prepared."""
        self._prepare = prepare
        self._pinned: Pinned | None = None
        self._brokers = brokers
        self._client_id = client_id
        self._linger_milliseconds = linger_milliseconds
        self._max_request_bytes = max_request_bytes
        self._client: AIOKafkaProducer | None = None
        self._changing = asyncio.Lock()
        self._partitions: dict[str, int] = {}
        self._nodes: dict[Place, int] = {}
        self._gathering: dict[int | None, _Round] = {}  # by node
        self._lanes: dict[int | None, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def send(self, messages: Sequence[Message]) -> None:
        """Publishes all messages; returns when every one is acknowledged. Raises `BrokerAway` otherwise.

        While one round is on its way to a broker, what all callers send there gathers in the next one: the client has
        one request in flight to each, so that more, smaller batches would only wait in it.
        """
        client = await self._connected()
        await self._know_partitions(client, messages)
        begun, waiting = self._gather(client, messages)
        try:
            if len(begun) == 1:
                await self._send_round(begun[0])
            elif begun:
                await asyncio.gather(*map(self._send_round, begun))
        finally:
            for one in begun:  # whatever became of it, somebody else may wait for it
                self._close(one)
                one.fail(BrokerAway("the caller who sent this round was cancelled"))
        for one in waiting:
            await asyncio.shield(one.acknowledged)  # whoever is cancelled takes no answer from the others

    def _gather(self, client: AIOKafkaProducer, messages: Sequence[Message]) -> tuple[list[_Round], set[_Round]]:
        """Puts records into the rounds that gather now: those that were begun for it, and all that hold any."""
        begun: list[_Round] = []
        waiting: set[_Round] = set()
        for topic in {message.topic for message in messages}:
            partitions = self._partitions[topic]
            appends: dict[int, Any] = {}
            for message in messages:
                if message.topic != topic:
                    continue
                value, headers = message.value, message.headers
                partition, key = key_place(message.key, partitions)
                append = appends.get(partition)
                if append is not None and append(key=key, value=value, timestamp=None, headers=headers) is not None:
                    continue
                place = topic, partition
                node = self._node_of(client, place)
                gathering = self._gathering.get(node)
                append = gathering.append_to(place) if gathering is not None and gathering.client is client else None
                if (
                    gathering is None
                    or append is None
                    or append(key=key, value=value, timestamp=None, headers=headers) is None
                ):
                    gathering = self._gathering[node] = _Round(client, node)
                    begun.append(gathering)
                    append = gathering.append_to(place)
                    first = append(key=key, value=value, timestamp=None, headers=headers)
                    assert first is not None, "a batch takes its first record whatever its size"
                appends[partition] = append
                waiting.add(gathering)
        return begun, waiting

    def _node_of(self, client: Any, place: Place) -> int | None:
        """The broker that leads a partition, as far as the client knows: if it moves, a round only goes to two."""
        node = self._nodes.get(place)
        if node is None:
            node = client.client.cluster.leader_for_partition(TopicPartition(*place))
            if node is not None:
                self._nodes[place] = node
        return node

    async def _send_round(self, one: _Round) -> None:
        """Sends a round when its broker's last one is through, and tells everybody who has a record in it."""
        async with self._lanes[one.node]:
            for _ in range(GATHERING_TURNS):
                if one.records() >= ENOUGH_RECORDS:
                    break
                await asyncio.sleep(0)  # one turn of the loop, not a wait: see there
            self._close(one)
            lives = one.client is self._client
            if not lives:
                one.fail(BrokerAway("the client failed with an earlier round"))
                return
            try:
                await _acknowledged(one.client, one.batches)
            except (KafkaError, OSError, TimeoutError) as error:
                one.fail(BrokerAway(repr(error)))
                await self._discard(one.client)
                return
            one.acknowledged.set_result(None)

    def _close(self, one: _Round) -> None:
        """Whoever comes from now on begins another round."""
        if self._gathering.get(one.node) is one:
            del self._gathering[one.node]

    async def cluster_id(self) -> str:
        """Returns the cluster to which everything goes until the next failure, if this producer prepares clusters.

        Raises `BrokerAway` if none can be prepared.
        """
        await self._connected()
        if self._pinned is None:
            raise BrokerAway("the client failed just now")
        return self._pinned.cluster_id

    def pinned_to(self) -> str | None:
        """Returns the cluster at the other end of its connection; None while there is none, or it has closed."""
        return self._pinned.cluster_id if self._pinned is not None and self._pinned.is_open() else None

    async def send_in_order(self, messages: Sequence[Message], *, cluster_id: str = "") -> dict[int, LogPosition]:
        """Publishes messages so that, in each partition, none is sent before all earlier ones are acknowledged.

        Returns the tags of those acknowledged, each with where it lies: in each partition an unbroken run from its
        first. Raises `BrokerAway` if the broker can't be reached at all, or is not the cluster that is asked for.
        """
        client = await self._connected()
        if cluster_id and (self._pinned is None or self._pinned.cluster_id != cluster_id):
            raise BrokerAway(f"cluster {cluster_id} is gone")
        lanes: dict[Place, Lane] = defaultdict(list)
        acknowledged: dict[int, LogPosition] = {}
        await self._know_partitions(client, messages)
        for message in messages:
            partition, key = key_place(message.key, self._partitions[message.topic])
            lanes[message.topic, partition].append((key, message))
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
        self,
        client: AIOKafkaProducer,
        topic: str,
        partition: int,
        lane: Lane,
        acknowledged: dict[int, LogPosition],
    ) -> bool:
        try:
            start = 0
            while start < len(lane):
                batch = client.create_batch()
                end = start
                while end < len(lane):
                    key, one = lane[end]
                    if batch.append(key=key, value=one.value, timestamp=None, headers=one.headers) is None:
                        break
                    end += 1
                assert end > start, "a batch takes its first record whatever its size"
                offset = (await _acknowledged(client, {(topic, partition): batch}))[topic, partition]
                failpoint("producer.after_batch")
                for number, (_, message) in enumerate(lane[start:end]):
                    acknowledged[message.tag] = LogPosition(partition, offset + number)
                start = end
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("producer.failed", topic=topic, partition=partition, error=repr(error))
            return False
        return True

    async def _connected(self) -> AIOKafkaProducer:
        async with self._changing:
            lost = self._client if self._pinned is not None and not self._pinned.is_open() else None
            if lost is not None:
                self._client = self._pinned = None
                await _stop(lost)
            if self._client is None:
                client = AIOKafkaProducer(
                    **client_options(self._brokers),
                    client_id=self._client_id,
                    acks="all",
                    linger_ms=self._linger_milliseconds,
                    max_batch_size=BATCH_BYTES,
                    max_request_size=self._max_request_bytes,
                    request_timeout_ms=SEND_SECONDS * 1000,
                    metadata_max_age_ms=30_000,
                )
                try:
                    with failures_raise():
                        async with asyncio.timeout(START_SECONDS):
                            await client.start()
                            if self._prepare is not None:
                                self._pinned = await pin(client)
                                await self._prepare(self._pinned.cluster_id)
                except (KafkaError, OSError, TimeoutError) as error:
                    self._pinned = None
                    await _stop(client)
                    raise BrokerAway(repr(error)) from error
                self._client = client
                self._partitions.clear()
                self._nodes.clear()
            return self._client

    async def _discard(self, client: AIOKafkaProducer) -> None:
        async with self._changing:
            if self._client is client:
                self._client = self._pinned = None
        await _stop(client)

    async def close(self) -> None:
        """Sends what is buffered, for a moment at most, and disconnects."""
        client, self._client = self._client, None
        self._pinned = None
        if client is not None:
            await _stop(client)


async def _acknowledged(client: AIOKafkaProducer, batches: Mapping[Place, Any]) -> dict[Place, int]:
    """Sends batches and returns, once the broker has all, the offset of each one's first record.

    Raises what the client raises, or `TimeoutError`.
    """
    async with asyncio.timeout(SEND_SECONDS):
        with failures_raise():
            answers: list[asyncio.Future[Any]] = []
            for (topic, partition), batch in batches.items():
                answer = await client.send_batch(batch, topic, partition=partition)
                answer.add_done_callback(_retrieve_exception)  # a client that is given up may yet answer, to nobody
                answers.append(answer)
            return {
                place: (await asyncio.shield(answer)).offset for place, answer in zip(batches, answers, strict=True)
            }


def _retrieve_exception(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled():
        answer.exception()


async def _stop(client: AIOKafkaProducer) -> None:
    # stop() flushes first, and would wait for a broker that is away. After the deadline the sender is closed
    # under it, so that nothing left in its buffer can be sent behind our back.
    with contextlib.suppress(KafkaError, OSError, TimeoutError), failures_raise():
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await client.stop()
        except TimeoutError:
            await client._sender.close()
            await client.client.close()
