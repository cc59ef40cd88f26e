"""A consumer with a handler whose effects add up, so that applying anything twice or not at all shows."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from aiokafka import TopicPartition

from shared.contracts.envelope import Event
from shared.contracts.events import CustomEvent, OrderPlaced
from shared.database.database import Database, Work
from shared.errors import Refused
from shared.kafka.consumer.consumer import Consumer
from shared.kafka.consumer.subscription import Subscription
from shared.kafka.dead_letters import dead_letter
from shared.kafka.producer import Producer
from shared.kafka.topics import admin, ensure
from shared.service.clock import SystemClock
from tests.support.events import message
from tests.support.running import eventually


async def tally(work: Work, events: Sequence[Event]) -> None:
    """Adds one per event: no idempotence of its own. Refuses what asks for it, as does PostgreSQL."""
    for event in events:
        body = event.body
        if isinstance(body, CustomEvent) and body.name == "refuse":
            raise Refused("asked to be refused")
        text = body.name if isinstance(body, CustomEvent) else body.order_id if isinstance(body, OrderPlaced) else ""
        await work.run(
            "INSERT INTO tally (event_id, times, text) VALUES (:id, 1, :text) "
            "ON CONFLICT (event_id) DO UPDATE SET times = tally.times + 1",
            id=event.event_id,
            text=text,
        )


class ClientAnswers:
    """A Kafka client, as far as a watch asks it: by partition, the log's end as its last fetch told it, and when."""

    def __init__(self) -> None:
        self.answers: dict[TopicPartition, tuple[int | None, int | None]] = {}

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions of which anything was heard."""
        return frozenset(self.answers)

    def highwater(self, partition: TopicPartition) -> int | None:
        """The end of its log."""
        return self.answers[partition][0]

    def last_poll_timestamp(self, partition: TopicPartition) -> int | None:
        """When that was told, in milliseconds."""
        return self.answers[partition][1]


class Bench:
    """A database, a topic of its own, and consumers of it."""

    def __init__(self, bootstrap: str, url: str, *, session_timeout_ms: int = 6_000) -> None:
        self.session_timeout_ms = session_timeout_ms
        self.bootstrap = bootstrap
        self.url = url
        self.clock = SystemClock()
        self.topic = f"rapport.test-{uuid4().hex[:8]}.v1"
        self.service = f"test-{uuid4().hex[:8]}"
        self.database = Database(url, application="bench", clock=self.clock)
        self.producer = Producer(bootstrap, client_id="bench")

    async def start(self) -> None:
        """Makes the table and the topic."""
        async with self.database.work() as work:
            await work.run(
                "CREATE TABLE IF NOT EXISTS tally (event_id uuid PRIMARY KEY, times integer NOT NULL, "
                "text varchar(40) NOT NULL)"
            )
        async with admin(self.bootstrap) as client:
            await ensure(client, [self.topic], replication=1)

    async def close(self) -> None:
        """Lets go of everything."""
        await self.producer.close()
        await self.database.close()

    async def publish(self, events: Sequence[Event]) -> None:
        """Sends events to the topic."""
        await self.producer.send([message(self.topic, event) for event in events])

    def consumer(self, database: Database, **changes: Any) -> Consumer:
        """A consumer of the topic."""
        fields: dict[str, Any] = {
            "service": self.service,
            "brokers": self.bootstrap,
            "database": database,
            "producer": dead_letter.producer(self.bootstrap, client_id="bench-dlq"),
            "clock": self.clock,
            "topics": [self.topic],
            "handlers": {OrderPlaced: tally, CustomEvent: tally},
            "fetch_wait_ms": 10,
            "session_timeout_ms": self.session_timeout_ms,
        }
        return Consumer(Subscription(**(fields | changes)), tick=lambda: None)

    @asynccontextmanager
    async def consuming(self, **changes: Any) -> AsyncIterator[Consumer]:
        """A consumer that runs inside the block."""
        database = Database(self.url, application="bench-consumer", clock=self.clock)
        consumer, stop = self.consumer(database, **changes), asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                consuming = tasks.create_task(consumer.run(stop))
                try:
                    yield consumer
                    assert not consuming.done(), "the consumer ended by itself"
                finally:
                    stop.set()
        finally:
            await consumer.subscription.producer.close()
            await database.close()

    async def times(self) -> Counter[int]:
        """How many events were applied how often: {1: n} when all is well."""
        async with self.database.work() as work:
            rows = await work.rows("SELECT times, count(*) AS events FROM tally GROUP BY times")
        return Counter({row.times: row.events for row in rows})

    async def until_applied(self, events: int, *, deadline_seconds: float = 30) -> None:
        """Returns once that many events were applied, each once."""
        found = await eventually(
            self.times, lambda times: sum(times.values()) >= events, deadline_seconds=deadline_seconds
        )
        assert found == {1: events}
