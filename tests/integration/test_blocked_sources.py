"""A sender's records stop no partition: its source is blocked in the reader that saw them, and our faults stop it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from operator import eq
from typing import Any
from uuid import UUID

import msgspec
import pytest

from deploy.local.broker import Broker
from shared.contracts.envelope import Event
from shared.contracts.events import CustomEvent, OrderPlaced
from shared.contracts.wire import Message
from shared.database.database import Work
from shared.dlq import command as dlq
from shared.kafka.consumer import offsets
from shared.kafka.consumer.consumer import Consumer
from shared.kafka.dead_letters import breaker, sources
from tests.conftest import DatabaseFactory
from tests.support.consuming import Bench, tally
from tests.support.events import event, message, order, user
from tests.support.running import eventually, session_milliseconds
from tests.support.unreadable import produce_with_a_bad_name

SHOP, PAGE = str(UUID(int=7)), str(UUID(int=8))  # a source that is well, and one in a stranger's hands
FLOOD = 260  # more than the breaker's sample
FEW = 30  # refusals of a source that is blocked: each is retried in a transaction of its own


@pytest.fixture
async def bench(broker: Broker, database_factory: DatabaseFactory) -> AsyncIterator[Bench]:
    """A bench on the session's broker."""
    made = Bench(broker.bootstrap, await database_factory("feedback"), session_timeout_ms=session_milliseconds(broker))
    await made.start()
    yield made
    await made.close()


def refused(count: int, source: str = PAGE) -> list[Event]:
    return [event(CustomEvent(name="refuse"), user(1), source_id=source) for _ in range(count)]


async def test_refusals_of_one_source_block_it_and_the_partition_goes_on(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench.consuming() as consumer:
        await bench.publish([*(order(1, n) for n in range(100)), *refused(breaker.MIN_SAMPLE - 100 + FEW)])
        await eventually(lambda: blocked(bench), lambda found: found == [PAGE])
        # From here on nothing of it is taken in, and nothing of it counts; of others all is.
        before = await counts(bench)
        await bench.publish([*refused(FEW), order(1, "good", source_id=PAGE), order(1, "other")])
        await bench.until_applied(101)
        await eventually(lambda: dead(bench, "is blocked"), lambda letters: letters >= FEW + 1)
        after = await counts(bench)
        assert after[0] <= before[0] + 1
        assert after[1] <= before[1]
        assert consumer.stopped() == []
        # It is taken in again once it is let, without a restart; what died meanwhile is retried.
        assert await dlq.run(consumer.subscription, ["list"]) == 0
        assert "blocked source" in capsys.readouterr().out
        assert await dlq.run(consumer.subscription, ["unblock", PAGE]) == 0
        assert await dlq.run(consumer.subscription, ["unblock", PAGE]) == 1
        await bench.publish([order(1, "back", source_id=PAGE)])
        await bench.until_applied(102)
        assert await dlq.run(consumer.subscription, ["retry", "--reason", f"{PAGE} is blocked"]) == 1
        await bench.until_applied(103)


@pytest.mark.any_broker
async def test_garbage_of_nobody_is_blocked_as_one_source_whatever_names_it_gives(bench: Bench) -> None:
    names = [[], [("ce_source", b"/erp/%d")], [("ce_source", b"/rapport/sources/no-id-%d")], [("ce_source", b"\xff%d")]]
    key = message(bench.topic, order(1, 0)).key
    garbage = [
        Message(
            topic=bench.topic,
            key=key,
            value=b"{",
            headers=[(name, value.replace(b"%d", b"%d" % n)) for name, value in names[n % 4]],
        )
        for n in range(FLOOD)
    ]
    async with bench.consuming() as consumer:
        await bench.producer.send(garbage)
        await eventually(lambda: blocked(bench), lambda found: found == [sources.UNKNOWN])
        await bench.publish([order(1, n) for n in range(20)])
        await bench.until_applied(20)
        assert consumer.stopped() == []


@pytest.mark.any_broker
async def test_refusals_of_most_sources_stop_the_partition_and_accepting_them_opens_it(bench: Bench) -> None:
    many = [event(CustomEvent(name="refuse"), user(1), source_id=str(UUID(int=n % 9))) for n in range(FLOOD)]
    async with bench.consuming() as consumer:
        await bench.publish(many)
        await eventually(lambda: stopped(consumer), lambda found: len(found) == 1 and "9 sources" in found[0])
        assert await blocked(bench) == []
    async with bench.database.work() as work:
        assert await offsets.resume(work.connection, accept=FLOOD) == 1
    async with bench.consuming() as consumer:
        await bench.publish([order(1, 1)])
        await bench.until_applied(1)
        assert consumer.stopped() == []


@pytest.mark.any_broker
async def test_undecodable_records_of_many_sources_stop_the_partition_as_the_fault_drill_has_it(bench: Bench) -> None:
    key = message(bench.topic, order(1, 0)).key
    sources_of = [f"/rapport/sources/{UUID(int=1 + n % 8)}".encode() for n in range(260)]
    flood = [Message(topic=bench.topic, key=key, value=b"flood", headers=[("ce_source", one)]) for one in sources_of]
    for earlier in (0, len(flood)):  # the operator accepts one flood at a time
        async with bench.consuming() as consumer:
            await eventually(lambda: dead(bench, "ce_type"), partial(eq, earlier))
            await bench.producer.send(flood)
            await eventually(lambda: stopped(consumer), bool)
        async with bench.database.work() as work:
            assert await offsets.resume(work.connection, accept=len(flood)) == 1
    async with bench.consuming() as consumer:
        await bench.publish([order(1, 1)])
        await bench.until_applied(1)
        assert await dead(bench, "ce_type") == 2 * len(flood)
        assert (consumer.stopped(), await blocked(bench)) == ([], [])


@pytest.mark.any_broker
async def test_an_error_of_ours_with_one_record_is_that_record_s_end_alone(bench: Bench) -> None:
    async with bench.consuming(handlers={OrderPlaced: fails_at("bad"), CustomEvent: tally}) as consumer:
        await bench.publish(
            [*(order(1, n) for n in range(150)), order(1, "bad"), *(order(1, n) for n in range(150, 200))]
        )
        await bench.until_applied(200)
        assert await dead(bench, "TypeError: on purpose (tests/integration/test_blocked_sources.py:") == 1
        assert consumer.stopped() == []


@pytest.mark.any_broker
async def test_an_error_of_ours_with_every_record_stops_the_partition_loudly(bench: Bench) -> None:
    async with bench.consuming(handlers={OrderPlaced: fails_at("")}) as consumer:
        await bench.publish([order(1, n) for n in range(FLOOD)])
        found = await eventually(lambda: stopped(consumer), bool)
        assert "records in a row failed: the last: TypeError: on purpose" in found[0]
    assert await dead(bench, "TypeError") < breaker.MIN_SAMPLE
    assert await bench.times() == {}


@pytest.mark.parametrize("error", [TimeoutError, ConnectionResetError, asyncio.TimeoutError])
@pytest.mark.any_broker
async def test_an_error_of_the_surroundings_is_nobody_s_end(bench: Bench, error: type[Exception]) -> None:
    tries = 0

    async def away_at_first(work: Work, events: Sequence[Event]) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise error("away")
        await tally(work, events)

    async with bench.consuming(handlers={OrderPlaced: away_at_first}):
        await bench.publish([order(1, n) for n in range(10)])
        await bench.until_applied(10)
    assert await dead(bench, "") == 0


@pytest.mark.parametrize(
    "header",
    [("ce_origin", b"9" * 30), ("ce_sequence", b"9" * 30), ("ce_sequence", b"%d" % 2**62), ("ce_depth", b"-1")],
)
@pytest.mark.any_broker
async def test_a_number_that_no_lane_can_reach_is_a_dead_letter_and_silences_nothing(
    bench: Bench, header: tuple[str, bytes]
) -> None:
    good = [stamped(n) for n in range(4)]
    bad = message(bench.topic, stamped(1))
    headers = [*((name, value) for name, value in bad.headers if name != header[0]), header]
    async with bench.consuming():
        await bench.publish(good[:2])
        await bench.producer.send([msgspec.structs.replace(bad, headers=headers)])
        await bench.publish(good[2:])
        await bench.until_applied(4)
        assert await dead(bench, header[0]) == 1


@pytest.mark.any_broker
async def test_a_sequence_that_leaps_is_refused_and_what_follows_is_no_double(bench: Bench) -> None:
    leap = stamped(offsets.MAX_GAP + 3)
    async with bench.consuming():
        await bench.publish([stamped(0), stamped(1), leap, stamped(2), stamped(offsets.MAX_GAP)])
        await bench.until_applied(4)
        assert await dead(bench, "lies more than") == 1


async def test_a_header_whose_name_is_no_text_ends_nothing(bench: Bench) -> None:
    async with bench.consuming() as consumer:
        await bench.publish([order(n, n) for n in range(300)])
        await produce_with_a_bad_name(bench.bootstrap, bench.topic)
        await bench.publish([order(n, n) for n in range(300, 600)])
        await produce_with_a_bad_name(bench.bootstrap, bench.topic)
        await bench.publish([order(n, n) for n in range(600, 700)])
        await bench.until_applied(700)
        await eventually(lambda: dead(bench, "the client can't read a header's name"), lambda letters: letters == 2)
        assert consumer.stopped() == []
    async with bench.consuming():
        await bench.publish([order(1, "after")])
        await bench.until_applied(701)


def stamped(sequence: int) -> Event:
    return order(1, sequence, profile_id=UUID(int=1), origin=3, sequence=sequence)


def fails_at(order_id: str) -> Any:
    async def handle(work: Work, events: Sequence[Event]) -> None:
        for one in events:
            assert isinstance(one.body, OrderPlaced)
            if order_id in ("", one.body.order_id):
                raise TypeError("on purpose")
        await tally(work, events)

    return handle


async def blocked(bench: Bench) -> list[str]:
    async with bench.database.work() as work:
        return [one.source for one in await sources.blocked_sources(work)]


async def counts(bench: Bench) -> tuple[int, int]:
    """How many records were seen, and how many of them died, in all partitions."""
    async with bench.database.work() as work:
        row = await work.row("SELECT sum(seen) AS seen, sum(dead) AS dead FROM consumer_offsets")
    assert row is not None
    return int(row.seen), int(row.dead)


async def dead(bench: Bench, reason: str) -> int:
    async with bench.database.work() as work:
        row = await work.row(
            "SELECT count(*) AS letters FROM dead_letter_decisions WHERE strpos(note, :reason) > 0", reason=reason
        )
    assert row is not None
    return int(row.letters)


async def stopped(consumer: Consumer) -> list[str]:
    return consumer.stopped()
