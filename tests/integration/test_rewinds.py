"""A database that was rewound is found out by what its consumer had copied to Kafka, before anything is applied."""

from collections.abc import AsyncIterator, Sequence

import pytest
from aiokafka.errors import KafkaError

from deploy.local.broker import Broker
from shared.contracts import topics
from shared.contracts.events import CustomEvent
from shared.database.database import Work
from shared.kafka.consumer import pace, rewinds
from shared.kafka.consumer import session as session
from shared.kafka.consumer.consumer import Consumer
from shared.kafka.consumer.offsets import Place
from shared.kafka.consumer.rewinds import Rewind
from tests.conftest import DatabaseFactory
from tests.support.consuming import Bench, tally
from tests.support.events import order
from tests.support.running import eventually, session_milliseconds


class Heard:
    """What `on_rewound` was told, and how many events had been applied when it was."""

    def __init__(self) -> None:
        self.rewinds: list[Rewind] = []
        self.applied: list[int] = []

    async def __call__(self, work: Work, found: Sequence[Rewind]) -> None:
        self.rewinds += found
        self.applied.append(len(await work.rows("SELECT 1 FROM tally")))


@pytest.fixture
async def bench(broker: Broker, database_factory: DatabaseFactory) -> AsyncIterator[Bench]:
    """A bench on the session's broker."""
    session = session_milliseconds(broker)
    made = Bench(broker.bootstrap, await database_factory("feedback"), session_timeout_ms=session)
    await made.start()
    yield made
    await made.close()


async def compared(consumer: Consumer) -> None:
    """Returns once the consumer has its partitions and has compared."""

    async def held() -> bool:
        return consumer.assignment.compared and len(consumer.assignment.held) == topics.PARTITIONS

    await eventually(held, bool)


async def reached(bench: Bench, consumer: Consumer) -> dict[Place, int]:
    """What Kafka knows of the bench's group."""
    places = [
        consumer.subscription.place(consumer.assignment.cluster_id, bench.topic, number)
        for number in range(topics.PARTITIONS)
    ]
    return await rewinds.reached(bench.bootstrap, f"rapport-{bench.service}", places)


async def stored(bench: Bench) -> dict[int, int]:
    """What the database knows, by partition."""
    async with bench.database.work() as work:
        return {row.partition: row.next_offset for row in await work.rows("SELECT * FROM consumer_offsets")}


async def rewind(bench: Bench, statement: str) -> None:
    """Forgets everything that was taken in, as a restore does, and what the statement says of the offsets."""
    async with bench.database.work() as work:
        await work.run("DELETE FROM tally")
        await work.run(statement)


async def take_in(bench: Bench, heard: Heard, events: int) -> None:
    """Runs a consumer until so many events are applied."""
    async with bench.consuming(on_rewound=heard) as consumer:
        await compared(consumer)
        await bench.until_applied(events)


async def test_a_first_start_and_a_restart_are_no_rewind(bench: Bench) -> None:
    heard = Heard()
    await bench.publish([order(n, n) for n in range(100)])
    for _ in range(3):
        await take_in(bench, heard, 100)
    assert heard.rewinds == []


@pytest.mark.parametrize(
    ("statement", "left"),
    [("UPDATE consumer_offsets SET next_offset = 1 WHERE next_offset > 1", 1), ("DELETE FROM consumer_offsets", 0)],
    ids=["an older database", "an empty database"],
)
async def test_a_rewind_is_told_once_and_before_anything_is_applied(bench: Bench, statement: str, left: int) -> None:
    heard = Heard()
    await bench.publish([order(n, n) for n in range(200)])
    await take_in(bench, heard, 200)
    before = await stored(bench)
    await rewind(bench, statement)
    async with bench.consuming(on_rewound=heard) as consumer:
        await compared(consumer)
    # What lies before the offsets that are left is lost for this database, as it would be in a backup's tally.
    again = sum(next_offset - min(left, next_offset) for next_offset in before.values())
    await take_in(bench, heard, again)
    assert heard.applied == [0]
    assert {one.place.partition: (one.stored, one.reached) for one in heard.rewinds} == {
        partition: (left, next_offset) for partition, next_offset in before.items() if next_offset > left
    }


async def test_while_it_cannot_be_told_nothing_is_applied(bench: Bench) -> None:
    await bench.publish([order(n, n) for n in range(50)])
    await take_in(bench, Heard(), 50)
    await rewind(bench, "DELETE FROM consumer_offsets")
    tries = 0

    async def unable(work: Work, found: Sequence[Rewind]) -> None:
        nonlocal tries
        tries += 1
        await work.run("SELECT 1 / 0")

    async def asked() -> int:
        return tries

    async with bench.consuming(on_rewound=unable) as consumer:
        await eventually(asked, lambda count: count >= 2)
        assert (consumer.assignment.held, consumer.assignment.compared) == ({}, False)
    assert await bench.times() == {}
    heard = Heard()
    await take_in(bench, heard, 50)
    assert sum(one.reached for one in heard.rewinds) == 50


class Unreadable:
    """A coordinator that is only starting."""

    def __init__(self) -> None:
        self.asked = 0

    async def reached(self, *_: object) -> dict[Place, int]:
        self.asked += 1
        raise KafkaError("the coordinator is loading")

    async def times(self) -> int:
        return self.asked


async def test_who_must_know_of_a_rewind_reads_nothing_until_it_can_be_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.publish([order(n, n) for n in range(50)])
    heard, unreadable = Heard(), Unreadable()
    await take_in(bench, heard, 50)
    await rewind(bench, "DELETE FROM consumer_offsets")
    with monkeypatch.context() as away:
        away.setattr(rewinds, "reached", unreadable.reached)
        async with bench.consuming(on_rewound=heard) as consumer:
            await eventually(unreadable.times, lambda times: times >= 3)
            assert (consumer.assignment.held, consumer.assignment.compared, await bench.times()) == ({}, False, {})
            away.undo()
            await bench.until_applied(50)
    # A group that forms anew before it has committed is told again, and has still applied nothing.
    assert set(heard.applied) == {0}
    assert sum({one.place: one.reached for one in heard.rewinds}.values()) == 50


async def test_offsets_that_cannot_be_read_stop_nobody_else_and_are_not_written_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.publish([order(n, n) for n in range(50)])
    heard = Heard()
    await take_in(bench, heard, 50)
    await rewind(bench, "DELETE FROM consumer_offsets")
    monkeypatch.setattr(session, "COMMIT_SECONDS", 0)
    with monkeypatch.context() as away:
        away.setattr(rewinds, "reached", Unreadable().reached)
        async with bench.consuming() as consumer:
            await bench.until_applied(50)
            assert not consumer.assignment.compared
        await rewind(bench, "UPDATE consumer_offsets SET next_offset = 0, stopped = 'by hand'")
        async with bench.consuming() as consumer:

            async def held() -> int:
                return len(consumer.assignment.held)

            await eventually(held, lambda count: count == topics.PARTITIONS)
    await rewind(bench, "UPDATE consumer_offsets SET stopped = NULL")
    await take_in(bench, heard, 50)
    assert sum(one.reached for one in heard.rewinds) == 50


async def test_what_is_copied_to_kafka_never_runs_ahead_of_what_is_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Records that nobody handles are passed over at once and stored later; here much later, and never at the end.
    monkeypatch.setattr(pace, "NOTE_SECONDS", 3_600)
    monkeypatch.setattr(session, "COMMIT_SECONDS", 0)
    await bench.publish([order(n, n) for n in range(100)])
    async with bench.consuming(handlers={CustomEvent: tally}) as consumer:
        await compared(consumer)

        async def passed() -> int:
            return sum(held.expected for held in consumer.assignment.held.values())

        await eventually(passed, lambda count: count == 100)
    assert sum((await reached(bench, consumer)).values()) == sum((await stored(bench)).values()) == 0
    heard = Heard()
    await take_in(bench, heard, 100)
    assert heard.rewinds == []


@pytest.mark.needs_kafka  # the embedded broker does not keep what is written beside an offset
async def test_what_was_reached_in_another_generation_says_nothing(bench: Bench) -> None:
    heard = Heard()
    await bench.publish([order(n, n) for n in range(50)])
    await take_in(bench, heard, 50)
    await rewind(bench, "DELETE FROM consumer_offsets")
    async with bench.consuming(on_rewound=heard, generation=2) as consumer:
        await compared(consumer)
        await bench.until_applied(50)
    assert heard.rewinds == []
