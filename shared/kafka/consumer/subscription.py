"""What a service reads, and how."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from shared.contracts import wire
from shared.database.database import Database
from shared.kafka import decoding
from shared.kafka.connection import Brokers
from shared.kafka.consumer.batch import Batches, Handlers
from shared.kafka.consumer.offsets import Place
from shared.kafka.consumer.rewinds import OnRewound
from shared.kafka.producer import Producer
from shared.kafka.topics import group_of
from shared.service.clock import Clock
from shared.service.loops import IDLE_SECONDS

STUCK_SECONDS: Final = 120
WATCH_SECONDS: Final = 2.0  # a broker that comes back as another cluster must be seen within 10 s


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service reads, and how: its topics, what is done with their events, and where that is kept.

    `producer` is the one of the dead letters. `stuck_seconds` is how long records may wait with nothing done while
    PostgreSQL and the broker answer, by the clock `monotonic`, in seconds; `watch_seconds` lie between two looks at
    that. Small batches of several partitions may be one transaction, of `together_records` at most: for handlers that
    don't ask of which partition a record is. `swaps` is False only in the test that shows what the swap is for;
    `decode` reads a topic that is not of the bus.
    """

    service: str
    brokers: Brokers
    database: Database
    producer: Producer
    clock: Clock
    topics: Sequence[str]
    handlers: Handlers
    generation: int = 1
    replication: int = 1
    batch_records: int = 1000
    together_records: int = 0
    fetch_wait_ms: int = 500
    busy_fetch_wait_ms: int | None = None
    idle_seconds: float = IDLE_SECONDS
    session_timeout_ms: int = 6_000
    stuck_seconds: float = STUCK_SECONDS
    watch_seconds: float = WATCH_SECONDS
    group: str = ""
    swaps: bool = True
    decode: wire.Decode = decoding.decode
    on_rewound: OnRewound | None = None
    monotonic: Callable[[], float] = time.monotonic

    @property
    def fetch_wait_while_busy_ms(self) -> int:
        """How long a fetch may be kept while records come."""
        return self.fetch_wait_ms if self.busy_fetch_wait_ms is None else self.busy_fetch_wait_ms

    @property
    def group_id(self) -> str:
        """The consumer group, the same for every process of the service."""
        return self.group or group_of(self.service)

    def batches(self) -> Batches:
        """Returns what applies its batches."""
        return Batches(self.service, self.database, self.producer, self.handlers, self.swaps, self.decode)

    def place(self, cluster_id: str, topic: str, partition: int) -> Place:
        """Returns the place of a partition of this cluster's log."""
        return Place(cluster_id, self.generation, topic, partition)
