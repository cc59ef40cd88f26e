"""Dead letters by hand, on a real broker and a real PostgreSQL: looked at, applied again once, given up."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import pytest

from deploy.local.broker import Broker
from services.feedback.settings import FeedbackSettings
from services.profile.main import build as build_profile
from services.profile.settings import ProfileSettings
from shared.audit import log as audit_log
from shared.contracts import topics, wire
from shared.contracts.envelope import Event
from shared.contracts.events import CustomEvent, FeedbackSubmitted, OrderPlaced
from shared.contracts.wire import Message
from shared.database.database import Database, Work
from shared.dlq import command
from shared.errors import Refused
from shared.kafka import log
from shared.kafka.consumer import offsets
from shared.kafka.consumer.batch import Handlers
from shared.kafka.consumer.offsets import Place
from shared.kafka.dead_letters import dead_letter, decisions
from shared.kafka.dead_letters.dead_letter import DeadLetter, Record, place_of, place_text
from shared.kafka.producer import Producer
from shared.kafka.topics import admin, cluster_id, ensure
from shared.service import process
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.commands import run_command
from tests.support.consuming import Bench, tally
from tests.support.events import SECRET, event, message, order, user
from tests.support.logs import log_end
from tests.support.running import environment_of, eventually, running, session_milliseconds
from tests.support.unreadable import produce_with_a_bad_name

REFUSED: Final = "asked to be refused"
BLOCKED_SECONDS: Final = 2  # longer than the command takes with nobody in its way


@pytest.fixture
async def bench(broker: Broker, database_factory: DatabaseFactory) -> AsyncIterator[Bench]:
    """A bench on the session's broker."""
    session = session_milliseconds(broker)
    made = Bench(broker.bootstrap, await database_factory("feedback"), session_timeout_ms=session)
    await made.start()
    yield made
    await made.close()


class Desk:
    """Runs the command as an operator would, on a bench's dead letters."""

    def __init__(self, bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
        self._bench = bench
        self._capsys = capsys

    async def __call__(self, *arguments: str, handlers: Handlers | None = None) -> tuple[int, str]:
        """The exit status, and what was printed. Handlers are those of a mended release, unless said."""
        mended: Handlers = {OrderPlaced: tally, CustomEvent: mended_tally}
        consumer = self._bench.consumer(self._bench.database, handlers=mended if handlers is None else handlers)
        self._capsys.readouterr()
        status = await command.run(consumer.subscription, arguments)
        printed = self._capsys.readouterr()
        return status, printed.out + printed.err

    async def places(self) -> list[str]:
        """The open letters' places."""
        _, printed = await self("list")
        return [line.split()[0] for line in printed.splitlines() if line.startswith("rapport.")]


@pytest.fixture
def desk(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Desk:
    """The command on the bench."""
    return Desk(bench, capsys)


async def mended_tally(work: Work, events: Sequence[Event]) -> None:
    """Takes what `tally` refuses."""
    await tally(work, [msgspec.structs.replace(one, body=CustomEvent(name="mended")) for one in events])


def refusing(reason: str) -> Handlers:
    async def refuse(work: Work, events: Sequence[Event]) -> None:
        raise Refused(reason)

    return {CustomEvent: refuse}


def bad(**changes: Any) -> Event:
    """An event that `tally` refuses."""
    return event(CustomEvent(name="refuse"), user(1), **changes)


async def die(bench: Bench, *messages: Message) -> None:
    """Lets a consumer read these records, each of which becomes a dead letter."""
    before = len(await decided(bench.database))
    await bench.producer.send(messages)
    async with bench.consuming():
        await eventually(lambda: decided(bench.database), lambda found: len(found) == before + len(messages))


async def decided(database: Database) -> Mapping[str, decisions.Decision]:
    async with database.work() as work:
        return await decisions.every(work)


async def plant(bench: Bench, record: Record, *, service: str = "", refused: bool = True, cluster: str = "") -> str:
    """A dead letter as a consumer leaves it, and unless its batch is to be one that was rolled back, its row."""
    service = service or bench.service
    async with admin(bench.bootstrap) as client:
        await ensure(client, [topics.dead_letters(service)], replication=1)
        place = Place(cluster or await cluster_id(client), 1, bench.topic, 0)
    async with bench.database.work() as work:
        if refused:
            await decisions.refuse(work, {place_text(place, record.offset): "planted"})
        await dead_letter.write(bench.producer, service, place, [DeadLetter(record, "planted")], now=work.now)
    return place_text(place, record.offset)


def record_of(one: Event, offset: int = 0, *, kind: bytes | None = None) -> Record:
    headers, value = wire.encode(one)
    changed = [(name, kind if kind and name == "ce_type" else raw) for name, raw in headers]
    return Record(offset, b"key", changed, value, 0)


async def outbox_and_marks(database: Database) -> list[Any]:
    async with database.work() as work:
        return [
            *await work.rows("SELECT topic, origin, sequence FROM stream_marks ORDER BY 1, 2"),
            *await work.rows("SELECT id FROM outbox"),
        ]


# Looking


@pytest.mark.any_broker
async def test_a_letter_that_was_written_several_times_is_listed_once(bench: Bench, desk: Desk) -> None:
    one = bad()
    await die(bench, message(bench.topic, one))
    [(name, _)] = (await decided(bench.database)).items()
    place, offset = place_of(name)
    again = [DeadLetter(record_of(one, offset), REFUSED)]
    await dead_letter.write(bench.producer, bench.service, place, again * 3, now=bench.clock.now())
    status, printed = await desk("list")
    assert status == 0
    assert printed.count(f"{bench.topic}/{place.partition}/{offset} ") == 1
    assert str(one.event_id) in printed
    assert "rapport.custom.v1" in printed
    assert any(line.split() == ["1", *REFUSED.split()] for line in printed.splitlines()), "counts by reason"


async def audited(bench: Bench) -> list[str]:
    """What the audit log says was done."""
    async with bench.database.work() as work:
        return [entry.action for entry in await audit_log.page(work, before=None, limit=10)]


@pytest.mark.any_broker
async def test_letters_are_listed_by_reason_and_by_topic(bench: Bench, desk: Desk) -> None:
    await die(bench, message(bench.topic, bad()), message(bench.topic, event(CustomEvent(name="x" * 41), user(2))))
    assert len(await desk.places()) == 2
    assert "asked" not in (await desk("list", "--reason", "too long"))[1]
    assert (await desk("list", "--topic", "rapport.other.v1"))[1] == "no dead letters\n"


async def test_poison_that_is_no_event_can_be_shown_and_dropped(bench: Bench, desk: Desk) -> None:
    poison = Message(topic=bench.topic, key=b"\x00key", value=b"\xff{\x1b[2J", headers=[("x", b"\x1b]0;")])
    await die(bench, poison)
    [place] = await desk.places()
    status, printed = await desk("show", place)
    assert status == 0
    assert "\x1b" not in printed
    assert "\\xff{\\x1b[2J" in printed
    assert "header ce_type: missing" in printed
    assert (await desk("drop", place, "--note", "noise of a test"))[0] == 0
    assert await desk.places() == []
    assert await audited(bench) == ["dead_letter.dropped"]
    assert "noise of a test" in (await desk("show", place))[1]


@pytest.mark.any_broker
async def test_a_letter_with_an_event_is_shown_whole(bench: Bench, desk: Desk) -> None:
    await plant(bench, record_of(bad()))
    [place] = await desk.places()
    full = next(iter(await decided(bench.database)))
    for name in (place, full):
        status, printed = await desk("show", name)
        assert status == 0
        assert '    "name": "refuse"' in printed
        assert "ce_type" in printed
        assert "planted" in printed


@pytest.mark.any_broker
async def test_a_place_that_is_none_or_unknown_gives_one_clear_line(bench: Bench, desk: Desk) -> None:
    assert await desk("show", f"{bench.topic}/0/99") == (1, f"There is no such dead letter. {bench.topic}/0/99\n")
    status, printed = await desk("retry", "one/two")
    assert (status, printed.count("\n")) == (1, 1)
    assert printed.startswith("A place is topic/partition/offset")
    for wrong in (["retry"], ["retry", "--every", "--reason", "x"], ["drop", "--every"], ["peek"]):
        with pytest.raises(SystemExit) as ended:
            await desk(*wrong)
        assert ended.value.code == 2


# Applying again


async def test_a_letter_is_applied_once_however_often_it_is_retried(bench: Bench, desk: Desk) -> None:
    await die(bench, message(bench.topic, bad()))
    [place] = await desk.places()
    first, second = await asyncio.gather(desk("retry", place), desk("retry", place))
    assert (first[0], second[0]) == (0, 0)
    status, printed = await desk("retry", place)
    assert status == 0
    assert f"{place} was retried at " in printed
    assert await bench.times() == {1: 1}
    assert await desk.places() == []
    assert "retried" in (await desk("list", "--all"))[1]
    assert await audited(bench) == ["dead_letter.retried"]


@pytest.mark.any_broker
async def test_a_dry_run_changes_nothing(bench: Bench, desk: Desk) -> None:
    for offset in range(2):
        await plant(bench, record_of(bad(), offset))
    before = await decided(bench.database)
    status, printed = await desk("retry", "--every", "--dry-run")
    assert status == 0
    assert printed.count("would be applied: rapport.custom.v1") == 2
    assert (await desk("retry", "--every", "--dry-run", handlers=refusing("another")))[0] == 1
    assert "would be dropped" in (await desk("drop", "--every", "--note", "n", "--dry-run"))[1]
    assert await decided(bench.database) == before
    assert await bench.times() == {}
    assert len(await desk.places()) == 2


@pytest.mark.any_broker
async def test_a_letter_that_is_still_refused_stays_open_with_its_new_reason(bench: Bench, desk: Desk) -> None:
    await die(bench, message(bench.topic, bad()), message(bench.topic, event(CustomEvent(name="x" * 41), user(2))))
    status, printed = await desk("retry", "--reason", REFUSED, handlers=refusing("a new\0reason"))
    assert status == 1
    assert "stays open: a new" in printed
    status, printed = await desk("retry", "--reason", "too long", handlers={CustomEvent: tally})
    assert status == 1
    assert "stays open" in printed
    assert "too long" in printed
    _, printed = await desk("list")
    assert "a new\ufffdreason" in printed
    assert REFUSED not in printed
    assert (await desk("retry", "--reason", "a new"))[0] == 0
    assert await bench.times() == {1: 1}


@pytest.mark.any_broker
async def test_a_letter_without_a_handler_and_one_of_a_newer_release_stay_open(bench: Bench, desk: Desk) -> None:
    await plant(bench, record_of(bad(), 1))
    await plant(bench, record_of(bad(), 2, kind=b"rapport.custom.v9"))
    status, printed = await desk("retry", "--every", handlers={OrderPlaced: tally})
    assert status == 1
    assert "has no handler for rapport.custom.v1" in printed
    assert "rapport.custom.v9 is newer than this release; upgrade it" in printed
    assert {one.verdict for one in (await decided(bench.database)).values()} == {decisions.Verdict.REFUSED}


@pytest.mark.any_broker
async def test_a_retry_waits_for_the_batch_that_holds_its_partition(bench: Bench, desk: Desk) -> None:
    place, _ = place_of(await plant(bench, record_of(bad())))
    async with bench.database.work() as work:
        await offsets.acquire(work.connection, msgspec.structs.replace(place, cluster_id="another"), beginning=0)
    async with asyncio.TaskGroup() as tasks, bench.database.work() as work:
        await work.run("UPDATE consumer_offsets SET next_offset = 1")
        retrying = tasks.create_task(desk("retry", "--every"))
        await asyncio.wait([retrying], timeout=BLOCKED_SECONDS)
        assert not retrying.done()
    assert retrying.result()[0] == 0
    assert await bench.times() == {1: 1}


async def test_a_letter_is_applied_although_its_lane_has_passed_it(bench: Bench, desk: Desk) -> None:
    profile = uuid4()
    lane = [order(1, 1), bad(), order(1, 2)]
    stamped = [
        msgspec.structs.replace(one, profile_id=profile, origin=3, sequence=n) for n, one in enumerate(lane, start=5)
    ]
    await bench.publish(stamped)
    async with bench.consuming():
        await bench.until_applied(2)
    before = await outbox_and_marks(bench.database)
    assert (await desk("retry", "--every"))[0] == 0
    assert await bench.times() == {1: 3}
    assert await outbox_and_marks(bench.database) == before


@pytest.mark.any_broker
async def test_the_letter_of_a_batch_that_was_rolled_back_is_none(bench: Bench, desk: Desk) -> None:
    place = await plant(bench, record_of(bad()), refused=False)
    assert await desk.places() == []
    assert "not dead" in (await desk("list", "--all"))[1]
    for arguments in (["retry", place], ["drop", place, "--note", "n"]):
        status, printed = await desk(*arguments)
        assert status == 1
        assert "is no dead letter" in printed
    assert await bench.times() == {}


async def test_of_two_letters_with_one_event_one_is_applied(bench: Bench, desk: Desk, broker: Broker) -> None:
    one = bad()
    await plant(bench, record_of(one, 1))
    await plant(bench, record_of(one, 2), cluster="another")
    status, printed = await desk("retry", "--every")
    assert status == 0
    first = min("another", broker.cluster_id)  # letters are taken in the order of their places
    assert f"holds the same event as {first}/" in printed
    assert await bench.times() == {1: 1}
    assert await desk.places() == []


# Giving up


@pytest.mark.any_broker
async def test_a_dropped_letter_may_still_be_retried_and_a_retried_one_not_dropped(bench: Bench, desk: Desk) -> None:
    await plant(bench, record_of(bad()))
    [place] = await desk.places()
    assert (await desk("drop", "--every", "--note", "by mistake"))[0] == 0
    assert "no such dead letters" in (await desk("retry", "--every"))[1]
    assert (await desk("retry", place))[0] == 0
    status, printed = await desk("drop", place, "--note", "n")
    assert status == 1
    assert "was retried at" in printed
    assert await bench.times() == {1: 1}


# Whole services


async def test_a_retried_event_gets_its_place_in_its_lane_and_reaches_profile_events(
    broker: Broker, database_factory: DatabaseFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ProfileSettings(
        database_url=await database_factory("profile"),
        kafka_bootstrap=broker.bootstrap,
        http_port=1,
        kafka_session_timeout_milliseconds=session_milliseconds(broker),
        partition_secret=SECRET.decode(),
    )
    refused, good = order("lane", uuid4()), order("lane", uuid4())

    async def refuse(work: Work, events: Sequence[Event]) -> None:
        if refused.event_id in {one.event_id for one in events}:
            raise Refused("an error of this release")

    broken = process.assemble(
        "profile", settings, SystemClock(), reads=(topics.EVENTS,), handlers={OrderPlaced: refuse}
    )
    producer = Producer(broker.bootstrap, client_id="test")
    async with running(broken):
        await producer.send([message(topics.EVENTS, refused)])
        await eventually(lambda: _refusals(settings.database_url.get_secret_value()), lambda found: found == 1)
    service = build_profile(settings)
    async with running(service):
        assert service.consumer is not None
        await producer.send([message(topics.EVENTS, good)])
        await eventually(lambda: _published(broker.bootstrap, good.event_id), bool)
        # By its reason: what other tests published is there, too, and some of it is poison to profile.
        retry = ["retry", "--reason", "an error of this release"]
        assert await command.run(service.consumer.subscription, retry) == 0
        [last] = await eventually(lambda: _published(broker.bootstrap, refused.event_id), bool)
        assert await command.run(service.consumer.subscription, retry) == 0
    await producer.close()
    [first] = await _published(broker.bootstrap, good.event_id)
    assert first.origin == last.origin
    assert (first.profile_id, first.sequence) == (last.profile_id, (last.sequence or 0) - 1)
    assert "1 of 1 done" in capsys.readouterr().out


async def test_a_retry_that_is_killed_behind_its_commit_is_done(bench: Bench) -> None:
    answer = event(FeedbackSubmitted(survey="nps", rating=9), user(1), profile_id=uuid4())
    place = await plant(bench, record_of(answer), service="feedback")
    killed, _ = await _process(bench, "feedback", "retry", place, failpoint="dlq.after_retry")
    assert killed == -signal.SIGKILL
    status, printed = await _process(bench, "feedback", "retry", place.partition("/")[2])
    assert status == 0
    assert "was retried at" in printed
    async with bench.database.work() as work:
        assert [row.id for row in await work.rows("SELECT id FROM responses")] == [answer.event_id]
    other = await plant(bench, record_of(answer, 1), service="feedback")
    assert (await _process(bench, "feedback", "drop", other, "--note", "n", failpoint="dlq.after_drop"))[0] < 0
    assert (await decided(bench.database))[other].verdict is decisions.Verdict.DROPPED


async def test_a_log_is_read_to_its_end(bench: Bench) -> None:
    assert await log.read(bench.bootstrap, bench.topic) == []
    events = [order(n % 50, n) for n in range(3_000)]
    await bench.publish(events)
    read = [wire.decode(one.headers, one.value).event_id for one in await log.read(bench.bootstrap, bench.topic)]
    assert sorted(read) == sorted(one.event_id for one in events)


async def test_a_log_is_read_past_what_the_client_can_not_read(bench: Bench) -> None:
    events = [order(n % 50, n) for n in range(700)]
    await produce_with_a_bad_name(bench.bootstrap, bench.topic)
    await bench.publish(events[:600])
    await produce_with_a_bad_name(bench.bootstrap, bench.topic)
    await bench.publish(events[600:])
    await produce_with_a_bad_name(bench.bootstrap, bench.topic)
    found = await log.read(bench.bootstrap, bench.topic)
    read = [wire.decode(one.headers, one.value).event_id for one in found if one.value is not None]
    assert sorted(read) == sorted(one.event_id for one in events)
    assert len(found) == len(events) + 3
    assert await log_end(bench.bootstrap, [bench.topic]) == len(found)


async def _refusals(url: str) -> int:
    database = Database(url, application="test", clock=SystemClock(), pool_size=1)
    try:
        return len(await decided(database))
    finally:
        await database.close()


async def _published(bootstrap: str, event_id: UUID) -> list[Event]:
    """The first copy of an event in profile-events: a relay may send it again."""
    wanted = str(event_id).encode()
    records = [one for one in await log.read(bootstrap, topics.PROFILE_EVENTS) if ("ce_id", wanted) in one.headers]
    return [wire.decode(one.headers, one.value) for one in records[:1]]


async def _process(bench: Bench, service: str, *arguments: str, failpoint: str = "") -> tuple[int, str]:
    """The command in a process of its own: its exit status and what it printed."""
    settings = FeedbackSettings(
        database_url=bench.url, kafka_bootstrap=bench.bootstrap, partition_secret=SECRET.decode(), http_port=1
    )
    environment = environment_of(settings)
    env = {**os.environ, **environment, "FAILPOINT": failpoint}
    status, output, errors = await run_command(service, "dlq", *arguments, env=env)
    return status, output + errors
