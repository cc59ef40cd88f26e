"""The consumer runtime on a real broker and a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.local.broker import Broker, EmbeddedBroker
from deploy.local.postgres import Postgres
from deploy.local.process import free_port
from shared.contracts import topics
from shared.contracts.envelope import Event
from shared.contracts.events import CustomEvent, OrderPlaced
from shared.contracts.wire import Message
from shared.database.database import Work
from shared.database.migrate import upgrade
from shared.errors import TryAgain
from shared.kafka import log
from shared.kafka.consumer import offsets
from shared.kafka.consumer.acquire import PartitionAcquirer
from shared.kafka.consumer.assignment import Assignment
from shared.kafka.consumer.batch import OwnedPartition
from shared.kafka.consumer.consumer import Consumer
from shared.kafka.consumer.offsets import Place
from shared.kafka.consumer.pace import NOTE_SECONDS
from shared.kafka.consumer.subscription import STUCK_SECONDS, WATCH_SECONDS
from shared.kafka.consumer.watchdog import Stuck, Watchdog
from shared.kafka.dead_letters import breaker
from shared.kafka.producer import BrokerAway, key_place
from shared.kafka.topics import admin
from tests.conftest import DatabaseFactory
from tests.support.consuming import Bench, ClientAnswers, tally
from tests.support.events import event, message, order, user
from tests.support.running import eventually, session_milliseconds
from tests.support.stopped import StoppedClock

LARGEST_VALUE_BYTES = 1_048_400  # Kafka takes batches of 1,048,588 bytes by default, its own framing included
OFTEN_SECONDS = 0.5  # between two looks of the watch, for tests of what it sees


@pytest.fixture
async def bench(broker: Broker, database_factory: DatabaseFactory) -> AsyncIterator[Bench]:
    """A bench on the session's broker."""
    session = session_milliseconds(broker)
    made = Bench(broker.bootstrap, await database_factory("feedback"), session_timeout_ms=session)
    await made.start()
    yield made
    await made.close()


async def test_every_event_is_applied_once_although_the_consumer_is_restarted(bench: Bench) -> None:
    await bench.publish([order(n % 50, n) for n in range(500)])
    async with bench.consuming():
        await bench.until_applied(500)
    await bench.publish([order(n % 50, n) for n in range(500, 700)])
    async with bench.consuming():
        await bench.until_applied(700)


async def test_a_client_that_fetches_no_more_is_built_anew(bench: Bench) -> None:
    # So aiokafka ends its fetcher when it writes to a connection that uvloop has just closed: nobody is told.
    async with bench.consuming(watch_seconds=OFTEN_SECONDS) as consumer:
        await bench.publish([order(1, n) for n in range(10)])
        await bench.until_applied(10)
        _client(consumer)._fetcher._fetch_task.cancel()
        await bench.publish([order(1, n) for n in range(10, 20)])
        await bench.until_applied(20, deadline_seconds=60)


async def test_a_partition_of_which_alone_nothing_is_heard_is_noticed(bench: Bench) -> None:
    async with bench.consuming(watch_seconds=OFTEN_SECONDS) as consumer:
        await bench.publish([order(1, n) for n in range(10)])
        await bench.until_applied(10)
        [partition] = [one for one, held in consumer.assignment.held.items() if held.expected]
        _client(consumer).pause(partition)  # the client asks for it no more, as if it had forgotten it
        await bench.publish([order(1, n) for n in range(10, 20)])
        await bench.until_applied(20, deadline_seconds=60)


async def test_a_partition_whose_leader_is_away_has_no_known_lag_and_its_client_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[TopicPartition]] = []

    async def away(_: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        asked.append(partitions)
        raise BrokerAway("the leader is away")

    monkeypatch.setattr(log, "ends", away)
    async with bench.consuming(watch_seconds=OFTEN_SECONDS) as consumer:
        await bench.publish([order(1, n) for n in range(10)])
        await bench.until_applied(10)
        client = _client(consumer)
        [partition] = [one for one, held in consumer.assignment.held.items() if held.expected]
        client.pause(partition)
        await eventually(lambda: _now(len(asked)), lambda count: count >= 2)
        assert asked[0] == [partition]
        assert _client(consumer) is client
        assert consumer.lag() is None
        client.resume(partition)
        await eventually(lambda: _now(consumer.lag()), lambda lag: lag == 0)


async def test_of_two_holders_of_a_partition_one_wins_and_nothing_doubles(bench: Bench) -> None:
    # Two groups: the broker gives every partition to both, as it does to a zombie and its successor.
    async with bench.consuming(group=f"{bench.service}-a"), bench.consuming(group=f"{bench.service}-b"):
        for start in range(0, 2000, 100):
            await bench.publish([order(n % 50, n) for n in range(start, start + 100)])
        await bench.until_applied(2000, deadline_seconds=60)


async def test_small_batches_of_several_partitions_are_one_transaction(bench: Bench) -> None:
    at_once: list[int] = []

    async def counted(work: Work, events: Sequence[Event]) -> None:
        keys = [message(bench.topic, one).key for one in events]
        at_once.append(len({key_place(key, topics.PARTITIONS).partition for key in keys}))
        await tally(work, events)

    events = [order(n, n) for n in range(60)]
    await bench.publish(events)
    async with bench.consuming(handlers={OrderPlaced: counted}, together_records=500):
        await bench.until_applied(60)
        await bench.publish(events)  # without stamps nobody knows them again
        await eventually(bench.times, lambda times: times == {2: 60})
    assert max(at_once) > 1


async def test_of_batches_that_could_be_one_transaction_a_refused_record_costs_the_others_nothing(bench: Bench) -> None:
    refused = event(CustomEvent(name="refuse"), user(3))
    await bench.publish([*(order(n, n) for n in range(30)), refused, *(order(n, 100 + n) for n in range(30))])
    async with bench.consuming(together_records=500):
        await bench.until_applied(60)
    async with bench.consuming(together_records=500):
        await bench.publish([order(n, 200 + n) for n in range(30)])
        await bench.until_applied(90)


async def test_of_two_holders_of_several_partitions_one_wins_and_nothing_doubles(bench: Bench) -> None:
    async with (
        bench.consuming(group=f"{bench.service}-a", together_records=500),
        bench.consuming(group=f"{bench.service}-b", together_records=500),
    ):
        for start in range(0, 1000, 50):
            await bench.publish([order(n % 50, n) for n in range(start, start + 50)])
        await bench.until_applied(1000, deadline_seconds=60)


async def test_without_the_swap_two_holders_double_events(bench: Bench) -> None:
    async with (
        bench.consuming(group=f"{bench.service}-a", swaps=False) as one,
        bench.consuming(group=f"{bench.service}-b", swaps=False) as other,
    ):
        # Who takes a partition late begins where the other is, and doubles nothing.
        await eventually(
            lambda: _now((len(one.assignment.held), len(other.assignment.held))),
            lambda held: held == (topics.PARTITIONS, topics.PARTITIONS),
        )
        for start in range(0, 2000, 100):
            await bench.publish([order(n % 50, n) for n in range(start, start + 100)])
        found = await eventually(bench.times, lambda times: sum(n * events for n, events in times.items()) >= 4000)
    assert found[2] > 0, "the test that the swap passes would pass without it"


async def test_poison_in_the_middle_of_a_batch_goes_to_the_dead_letters_and_stops_nothing(bench: Bench) -> None:
    good = [order(1, n) for n in range(300)]
    refused = event(CustomEvent(name="refuse"), user(1))
    too_long = event(CustomEvent(name="x" * 41), user(1))
    garbage = Message(topic=bench.topic, key=message(bench.topic, good[0]).key, value=b"\xff{", headers=[])
    records = [message(bench.topic, one) for one in good]
    records[100:100] = [garbage]
    records[200:200] = [message(bench.topic, refused), message(bench.topic, too_long)]
    await bench.producer.send(records)
    async with bench.consuming():
        await bench.until_applied(300)
        letters = await eventually(lambda: _dead_letters(bench), lambda found: len(found) >= 3)
    reasons = sorted(letter["dlq_reason"] for letter in letters)
    assert len(reasons) == 3
    assert reasons[0].startswith("asked to be refused")
    assert "ce_type" in reasons[1]
    assert "too long" in reasons[2]
    assert {letter["value"] for letter in letters} >= {b"\xff{"}
    assert {letter["dlq_topic"] for letter in letters} == {bench.topic}


async def test_poison_as_large_as_the_broker_takes_goes_to_the_dead_letters_whole(bench: Bench) -> None:
    await bench.producer.send([Message(topic=bench.topic, key=b"p", value=b"x" * LARGEST_VALUE_BYTES)])
    await bench.publish([order(n, n) for n in range(50)])
    async with bench.consuming():
        await bench.until_applied(50)
        [letter] = await eventually(lambda: _dead_letters(bench), bool)
    assert letter["value"] == b"x" * LARGEST_VALUE_BYTES


async def test_a_bad_deploy_stops_instead_of_draining_into_the_dead_letters(bench: Bench) -> None:
    await bench.publish([order(1, n) for n in range(breaker.MIN_SAMPLE)])
    async with bench.consuming():
        await bench.until_applied(breaker.MIN_SAMPLE)
        await bench.publish(refused_of_many_sources(100))
        await eventually(lambda: _stopped(bench), lambda stopped: len(stopped) == 1)
    async with bench.consuming() as again:
        await eventually(lambda: _now(again.stopped()), lambda stopped: len(stopped) == 1)
    async with bench.database.work() as work:
        assert await offsets.resume(work.connection) == 1
    async with bench.consuming():
        await eventually(lambda: _dead_letters(bench), lambda found: len(found) >= 100)
    assert await bench.times() == {1: breaker.MIN_SAMPLE}


async def test_what_waits_for_an_operator_counts_as_lag_and_not_as_work_undone(bench: Bench) -> None:
    await bench.publish([order(1, n) for n in range(breaker.MIN_SAMPLE)])
    async with bench.consuming() as consumer:
        await bench.until_applied(breaker.MIN_SAMPLE)
        await bench.publish(refused_of_many_sources(100))
        await eventually(lambda: _now(consumer.stopped()), lambda stopped: len(stopped) == 1)
        assert consumer.lag() == 100
        assert not consumer.is_behind(), "a process that ends for it would only come back to the same"


async def test_what_is_tried_again_after_a_pause_counts_as_lag_all_the_while(bench: Bench) -> None:
    tries = 0

    async def not_yet(work: Work, events: Sequence[Event]) -> None:
        nonlocal tries
        tries += 1
        raise TryAgain("not yet")

    await bench.publish([order(1, n) for n in range(10)])
    async with bench.consuming(handlers={OrderPlaced: not_yet}) as consumer:
        await eventually(lambda: _now(tries), lambda seen: seen >= 3)
        await eventually(lambda: _now(len(consumer.assignment.held)), lambda held: held < topics.PARTITIONS)
        assert consumer.lag() == 10
        assert consumer.is_behind()


async def test_a_reader_whose_first_batch_comes_after_a_long_silence_is_not_stuck(bench: Bench) -> None:
    clock, applying, looked_at = StoppedClock(), asyncio.Event(), asyncio.Event()

    async def slow(work: Work, events: Sequence[Event]) -> None:
        applying.set()
        await looked_at.wait()  # so that the watch looks while records wait
        await tally(work, events)

    async with bench.consuming(handlers={OrderPlaced: slow}, monotonic=clock, watch_seconds=OFTEN_SECONDS) as consumer:
        await eventually(lambda: _now(len(consumer.assignment.held)), lambda held: held == topics.PARTITIONS)
        clock.advance(STUCK_SECONDS + 1)
        await clock.until_read_again()
        await bench.publish([order(1, 1)])
        await applying.wait()
        clock.advance(STUCK_SECONDS / 2)
        await clock.until_read_again()
        looked_at.set()
        await bench.until_applied(1)


async def test_a_reader_that_does_nothing_though_records_wait_ends_its_process(bench: Bench) -> None:
    async def never(work: Work, events: Sequence[Event]) -> None:
        raise TryAgain("never")

    await bench.publish([order(1, 1)])
    with pytest.raises(ExceptionGroup) as raised:
        async with bench.consuming(handlers={OrderPlaced: never}, stuck_seconds=1, watch_seconds=OFTEN_SECONDS):
            await asyncio.sleep(60)
    assert raised.group_contains(Stuck, match="lag 1 and no progress")


async def test_a_version_newer_than_the_code_stops_its_partition_and_is_no_dead_letter(bench: Bench) -> None:
    await bench.publish([order(1, n) for n in range(10)])
    newer = message(bench.topic, order(1, "newer"))
    headers = [(name, b"rapport.order_placed.v9" if name == "ce_type" else value) for name, value in newer.headers]
    await bench.producer.send([msgspec.structs.replace(newer, headers=headers)])
    await bench.publish([order(1, n) for n in range(10, 20)])
    async with bench.consuming() as consumer:
        await bench.until_applied(10)
        reasons = await eventually(lambda: _now(consumer.stopped()), lambda stopped: len(stopped) == 1)
    assert "rapport.order_placed.v9" in reasons[0]
    assert await bench.times() == {1: 10}
    assert await _dead_letters(bench) == []


async def test_a_log_that_ends_before_what_was_read_stops_the_partition(bench: Bench, broker: Broker) -> None:
    async with bench.database.work() as work:
        place = Place(broker.cluster_id, 1, bench.topic, 0)
        await offsets.acquire(work.connection, place, beginning=1_000_000)
    async with bench.consuming() as consumer:
        reasons = await eventually(lambda: _now(consumer.stopped()), lambda stopped: len(stopped) == 1)
    assert "ends before what was read (1000000)" in reasons[0]


async def test_a_high_water_mark_from_before_the_records_came_stops_nothing(bench: Bench) -> None:
    # So the embedded broker answers now and then; asked for its log's end, it tells where its last batch begins.
    async with bench.consuming(fetch_wait_ms=int(NOTE_SECONDS * 1_800)) as consumer:
        await bench.publish([order(1, n) for n in range(10)])
        await bench.until_applied(10)
        [partition] = [one for one, held in consumer.assignment.held.items() if held.expected]
        last = _client(consumer)._subscription.subscription.assignment.state_value(partition)
        before = last.timestamp
        await eventually(lambda: _now(last.timestamp), lambda answered: answered != before)
        last.highwater = 5  # until the next answer comes, and that takes longer than the next look
        await asyncio.sleep(NOTE_SECONDS * 4)  # long enough to have stopped it: nothing else would show that it was not
        assert consumer.stopped() == []
        await bench.publish([order(1, n) for n in range(10, 20)])
        await bench.until_applied(20)


async def test_fetches_are_kept_long_once_nothing_has_come_for_a_while_and_short_again_when_records_come(
    bench: Bench,
) -> None:
    async with bench.consuming(fetch_wait_ms=300, busy_fetch_wait_ms=10, idle_seconds=1) as consumer:
        await bench.publish([order(1, 1)])
        await bench.until_applied(1)
        fetcher = _client(consumer)._fetcher
        await eventually(lambda: _now(fetcher._fetch_max_wait_ms), lambda wait_ms: wait_ms == 10)
        await eventually(lambda: _now(fetcher._fetch_max_wait_ms), lambda wait_ms: wait_ms == 300)
        await bench.publish([order(1, 2)])
        await bench.until_applied(2)
        await eventually(lambda: _now(fetcher._fetch_max_wait_ms), lambda wait_ms: wait_ms == 10)


async def test_events_seen_before_on_their_lane_are_skipped(bench: Bench) -> None:
    profile = uuid4()
    lane = [
        replace_stamp(order(1, n), profile_id=profile, origin=3, sequence=sequence)
        for n, sequence in enumerate([0, 1, 2, 1, 2, 3])
    ]
    await bench.publish(lane)
    async with bench.consuming():
        await bench.until_applied(4)
        await bench.publish([replace_stamp(order(1, "late"), profile_id=profile, origin=3, sequence=2)])
        await bench.publish([replace_stamp(order(1, "next"), profile_id=profile, origin=3, sequence=4)])
        await bench.until_applied(5)


async def test_a_broker_that_comes_back_empty_is_noticed_and_read_from_its_beginning(
    database_factory: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = EmbeddedBroker(tmp_path_factory.mktemp("own-broker"), free_port())
    await own.start()
    bench = Bench(own.bootstrap, await database_factory("feedback"), session_timeout_ms=session_milliseconds(own))
    await bench.start()
    try:
        async with bench.consuming() as consumer:
            await bench.publish([order(n, n) for n in range(200)])
            await bench.until_applied(200)
            before = consumer.assignment.cluster_id
            await own.kill()
            await own.start()
            await eventually(lambda: _now(consumer.assignment.cluster_id), lambda found: found != before)
            await bench.close()
            after = Bench(own.bootstrap, bench.url, session_timeout_ms=session_milliseconds(own))
            after.topic, after.service = bench.topic, bench.service
            await after.start()
            await after.publish([order(n, n) for n in range(200, 300)])
            await after.until_applied(300)
            await after.close()
    finally:
        await own.stop()


@pytest.mark.needs_kafka
async def test_records_that_were_deleted_unread_stop_their_partition(bench: Bench) -> None:
    await bench.publish([order(1, n) for n in range(20)])
    async with bench.consuming():
        await bench.until_applied(20)
    await bench.publish([order(1, n) for n in range(20, 40)])
    async with bench.database.work() as work:
        [place] = await work.rows("SELECT partition, next_offset FROM consumer_offsets WHERE next_offset > 0")
    partition = TopicPartition(bench.topic, place.partition)
    async with admin(bench.bootstrap) as client:
        await client.delete_records({partition: RecordsToDelete(before_offset=30)})
    async with bench.consuming() as consumer:
        reasons = await eventually(lambda: _now(consumer.stopped()), lambda stopped: len(stopped) == 1)
    assert f"records {place.next_offset} to 29 are gone" in reasons[0]
    assert await bench.times() == {1: 20}


@pytest.mark.needs_kafka
async def test_a_broker_that_is_restarted_loses_nothing_that_it_kept(bench: Bench, broker: Broker) -> None:
    async with bench.consuming():
        await bench.publish([order(n, n) for n in range(200)])
        await bench.until_applied(200)
        await broker.kill()
        await broker.start()
        await eventually(lambda: _published(bench, 200, 300), bool, deadline_seconds=60)
        await bench.until_applied(300, deadline_seconds=60)


@pytest.fixture
async def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """A PostgreSQL that a test may kill, with the mechanisms' tables."""
    own = Postgres(tmp_path_factory.mktemp("own-postgres"), free_port(), durable=False)
    await own.start()
    try:
        await own.create_service_databases(["feedback"])
        await upgrade("feedback", own.database_url("feedback"))
        yield own
    finally:
        await own.stop()


@pytest.fixture
async def apart(broker: Broker, own_postgres: Postgres) -> AsyncIterator[Bench]:
    """A bench on it."""
    session = session_milliseconds(broker)
    made = Bench(broker.bootstrap, own_postgres.database_url("feedback"), session_timeout_ms=session)
    await made.start()
    yield made
    await made.close()


async def test_while_postgresql_is_away_nothing_is_lost_and_nothing_is_a_dead_letter(
    apart: Bench, own_postgres: Postgres
) -> None:
    async with apart.consuming():
        await apart.publish([order(n, n) for n in range(200)])
        await apart.until_applied(200)
        await own_postgres.kill()
        await apart.publish([order(n, n) for n in range(200, 400)])
        await own_postgres.start()
        await eventually(lambda: _reachable(apart), bool)
        await apart.until_applied(400, deadline_seconds=60)
    assert await _dead_letters(apart) == []


async def test_a_reader_that_waits_for_postgresql_is_not_stuck(apart: Bench, own_postgres: Postgres) -> None:
    clock = StoppedClock()
    async with apart.consuming(monotonic=clock, watch_seconds=OFTEN_SECONDS) as consumer:
        await apart.publish([order(n, n) for n in range(200)])
        await apart.until_applied(200)
        await own_postgres.kill()
        await apart.publish([order(n, n) for n in range(200, 400)])
        await eventually(lambda: _now(consumer.is_behind()), bool)
        for seconds in (STUCK_SECONDS + 1, STUCK_SECONDS - 1):
            clock.advance(seconds)
            await clock.until_read_again()
        await own_postgres.start()
        await eventually(lambda: _reachable(apart), bool)
        clock.advance(WATCH_SECONDS)  # the first look at which PostgreSQL answers again says nothing of the reader
        await apart.until_applied(400, deadline_seconds=60)


async def test_only_time_in_which_postgresql_answered_makes_a_reader_stuck(
    apart: Bench, own_postgres: Postgres
) -> None:
    clock, client, assignment = StoppedClock(), ClientAnswers(), Assignment()
    subscription = apart.consumer(apart.database, monotonic=clock).subscription
    partition = TopicPartition(apart.topic, 0)
    client.answers[partition] = (10, 1_000)
    assignment.add(partition, OwnedPartition(subscription.place("a cluster", *partition), 1, expected=7, stored=7))
    watch = Watchdog(
        subscription, assignment, PartitionAcquirer(subscription, assignment, client), client, asking=lambda: True
    )
    await own_postgres.kill()
    clock.advance(STUCK_SECONDS - 1)
    await watch.check_progress()
    await own_postgres.start()
    await eventually(lambda: _reachable(apart), bool)
    clock.advance(WATCH_SECONDS)
    await watch.check_progress()
    clock.advance(STUCK_SECONDS - WATCH_SECONDS + 1)
    with pytest.raises(Stuck, match=f"no progress for {STUCK_SECONDS + 1} s"):
        await watch.check_progress()


async def test_a_holder_frozen_inside_its_transaction_does_not_block_its_successor(bench: Bench) -> None:
    await bench.publish([order(1, n) for n in range(50)])
    async with bench.consuming():
        await bench.until_applied(50)
    # A holder that swapped the offset and then froze: its locks end with its session, by the server's own timeout.
    async with bench.database.engine.connect() as frozen:
        await frozen.begin()
        await frozen.execute(text("UPDATE consumer_offsets SET next_offset = next_offset + 1"))
        await bench.publish([order(1, n) for n in range(50, 100)])
        async with bench.consuming():
            await bench.until_applied(100, deadline_seconds=45)
        await frozen.invalidate()


def refused_of_many_sources(count: int) -> list[Event]:
    """Events that the handler refuses, of as many sources as make it the reader's fault."""
    return [event(CustomEvent(name="refuse"), user(1), source_id=str(UUID(int=100 + n % 5))) for n in range(count)]


def replace_stamp(one: Any, **changes: Any) -> Any:
    """The same event, owned and stamped."""
    return msgspec.structs.replace(one, **changes)


def _client(consumer: Consumer) -> Any:
    """aiokafka's, of the session that reads now."""
    assert consumer.session is not None
    return consumer.session.client


async def _now(value: Any) -> Any:
    return value


async def _reachable(bench: Bench) -> bool:
    try:
        await bench.database.ping()
    except (DBAPIError, OSError, TimeoutError):
        return False
    return True


async def _published(bench: Bench, start: int, end: int) -> bool:
    try:
        await bench.publish([replace_stamp(order(n, n), event_id=uuid5_of(n)) for n in range(start, end)])
    except BrokerAway:
        return False
    return True


def uuid5_of(number: int) -> UUID:
    """The same id for the same number."""
    return uuid5(NAMESPACE_OID, str(number))


async def _stopped(bench: Bench) -> list[str]:
    async with bench.database.work() as work:
        rows = await work.rows("SELECT stopped FROM consumer_offsets WHERE stopped IS NOT NULL")
    return [row.stopped for row in rows]


async def _dead_letters(bench: Bench) -> list[dict[str, Any]]:
    """All dead letters of the bench's service, deduped by their place."""
    topic = topics.dead_letters(bench.service)
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bench.bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=10
    )
    await consumer.start()
    try:
        found: dict[bytes, dict[str, Any]] = {}
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    headers = {
                        name: value.decode() for name, value in record.headers if name in ("dlq_reason", "dlq_topic")
                    }
                    found[record.key] = {**headers, "value": record.value}
        return list(found.values())
    finally:
        await consumer.stop()
