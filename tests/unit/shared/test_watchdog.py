"""What a watch says of partitions, given what a client hears of them."""

from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from shared.database.database import Database
from shared.kafka.consumer.acquire import PartitionAcquirer
from shared.kafka.consumer.assignment import Assignment
from shared.kafka.consumer.batch import OwnedPartition
from shared.kafka.consumer.subscription import Subscription
from shared.kafka.consumer.watchdog import SILENT_LOOKS, Watchdog
from shared.kafka.producer import Producer
from shared.service.clock import SystemClock
from tests.support.consuming import ClientAnswers

ONE, OTHER = TopicPartition("orders", 0), TopicPartition("orders", 1)


class World:
    """A watch over a client whose answers the test gives."""

    def __init__(self) -> None:
        clock = SystemClock()
        database = Database("postgresql+asyncpg://nowhere", application="test", clock=clock)
        producer = Producer("nowhere.invalid:9092", client_id="test")
        self.subscription = Subscription("test", "nowhere.invalid:9092", database, producer, clock, ["orders"], {})
        self.client, self.assignment, self.asking = ClientAnswers(), Assignment(), True
        acquirer = PartitionAcquirer(self.subscription, self.assignment, self.client)
        self.watch = Watchdog(self.subscription, self.assignment, acquirer, self.client, asking=lambda: self.asking)

    def take(self, partition: TopicPartition, position: int) -> None:
        place = self.subscription.place(str(uuid4()), *partition)
        self.assignment.add(partition, OwnedPartition(place, 1, position, position))

    def look(self, times: int) -> None:
        """So many looks, between which `OTHER` is heard and `ONE` is not."""
        for _ in range(times):
            high, answered_ms = self.client.answers[OTHER]
            self.client.answers[OTHER] = high, (answered_ms or 0) + 500
            self.watch.listen()


@pytest.fixture
async def world() -> World:
    """Two partitions, both read up to three records before their ends."""
    made = World()
    for partition in (ONE, OTHER):
        made.client.answers[partition] = (10, 1_000)
        made.take(partition, 7)
    return made


async def test_a_lag_is_known_until_nothing_is_heard_of_one_partition_for_long(world: World) -> None:
    world.look(SILENT_LOOKS)
    assert world.watch.lag() == 6
    world.look(1)
    assert world.watch.lag() is None
    world.client.answers[ONE] = (12, 2_000)
    world.look(1)
    assert world.watch.lag() == 8


async def test_silence_does_not_count_while_nobody_asks_for_records(world: World) -> None:
    world.asking = False
    world.look(SILENT_LOOKS * 3)
    assert world.watch.lag() == 6


async def test_a_stopped_partition_is_not_asked_for_and_not_missed(world: World) -> None:
    world.assignment.held[ONE].stopped = "waits for an operator"
    world.look(SILENT_LOOKS * 3)
    assert world.watch.lag() == 6


async def test_a_process_is_connected_once_each_of_its_partitions_was_taken_and_heard_of(world: World) -> None:
    assert world.watch.is_connected()
    world.client.answers[ONE] = (None, None)
    assert not world.watch.is_connected(), "nothing was heard of it yet"
    world.client.answers[ONE] = (10, 1_000)
    world.assignment.drop(ONE)
    assert not world.watch.is_connected(), "it is to be taken again"
    world.client.answers.clear()
    world.assignment.clear()
    assert world.watch.is_connected(), "there may be more processes than partitions"


async def test_a_log_that_seems_to_end_before_what_was_read_has_no_known_lag(world: World) -> None:
    world.client.answers[ONE] = (3, 1_000)
    assert world.watch.lag() is None
    assert world.watch.is_connected()
    assert world.watch.is_behind(), "the other one has records"


async def test_a_silent_leader_makes_no_process_unready(world: World) -> None:
    world.look(SILENT_LOOKS * 3)
    assert world.watch.is_connected()
