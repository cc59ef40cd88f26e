"""Campaign after a restore: nothing leaves until the send cutoff is set, and nothing from before it ever does."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import pytest
from aiokafka.errors import KafkaError
from prometheus_client import REGISTRY

from deploy.local.broker import Broker
from deploy.local.mail_sink import MailSink
from deploy.local.placement import data_folder, remove_data, unprivileged_user
from deploy.local.postgres import Postgres
from deploy.local.process import free_port
from services.campaign import commands
from services.campaign.domain.ledger import Ledger
from services.campaign.main import build
from services.campaign.service import send_cutoff as cutoffs
from shared.contracts import topics
from shared.contracts.changes import TierChanged
from shared.contracts.envelope import Event
from shared.database.database import Database
from shared.database.migrate import upgrade
from shared.errors import Conflict, Invalid
from shared.kafka.consumer import rewinds
from shared.kafka.consumer.offsets import Place
from shared.kafka.producer import Producer
from shared.kafka.topics import ensure_topics
from shared.service import process
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory, new_broker
from tests.integration.test_campaign_api import at_risk, client_of, event, hear, profile, settings
from tests.support.actors import OPERATOR
from tests.support.events import message
from tests.support.running import eventually, running, session_milliseconds

MINUTE: Final = timedelta(minutes=1)


def rise(profile_id: UUID, now: datetime, **changes: Any) -> Event:
    """A change of tier that sets off the welcome."""
    body = TierChanged(
        profile_id=profile_id, version=1, previous="bronze", current="gold", direction="up", reason="spend"
    )
    return event(body, profile_id, now, **changes)


class Shop:
    """A mail server that keeps what it took, a broker, and campaign services on one database after the other."""

    def __init__(self, broker: Broker, sink: MailSink, producer: Producer) -> None:
        self.broker = broker
        self.sink = sink
        self.producer = producer
        self.clock = SystemClock()
        self.group = f"rapport-campaign-{uuid4().hex[:8]}"  # every test has a database of its own

    def service(self, url: str) -> process.Service:
        """A campaign service on this database; sign 2 speaks through its consumer."""
        chosen = settings(url, self.broker.bootstrap, self.sink.port)
        session = {"kafka_session_timeout_milliseconds": session_milliseconds(self.broker)}
        service = build(chosen.model_copy(update=session))
        assert service.consumer is not None
        service.consumer.subscription = replace(service.consumer.subscription, group=self.group)
        return service

    @asynccontextmanager
    async def open(self, service: process.Service) -> AsyncIterator[httpx2.AsyncClient]:
        """The service runs inside the block, has read everything when it begins, and answers through the client."""
        async with running(service), client_of(service) as client:
            await self.read_up(service)
            yield client

    async def read_up(self, service: process.Service) -> None:
        async def lag() -> int | None:
            return service.consumer.lag() if service.consumer else None

        await eventually(lag, lambda left: left == 0)

    async def tell(self, *events: Event) -> None:
        """Publishes what profile and segment would."""
        for one in events:
            topic = topics.SEGMENTS if isinstance(one.body, TierChanged) else topics.PROFILES
            await self.producer.send([message(topic, one)])

    def mails(self, profile_id: UUID) -> int:
        """How many mails the customer got."""
        return sum(one.triple is not None and one.triple[0] == str(profile_id) for one in self.sink.messages)

    async def until_sent(self, profile_id: UUID, mails: int = 1) -> None:
        async def sent() -> int:
            return self.mails(profile_id)

        await eventually(sent, lambda found: found >= mails)

    async def until_decided(self, client: httpx2.AsyncClient, profile_id: UUID, outcome: str, reason: str) -> None:
        """Returns once this was decided about the customer."""

        async def decided() -> list[tuple[str, str]]:
            made = (await client.get(f"/profiles/{profile_id}/decisions")).json()["decisions"]
            return [(one["outcome"], one["reason"]) for one in made]

        await eventually(decided, lambda made: (outcome, reason) in made)


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """A broker of these tests' own: campaign reads everything that was ever published, and so would others'."""
    server = new_broker(tmp_path_factory.mktemp("broker"))
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def shop(broker: Broker, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop."""
    await ensure_topics(broker.bootstrap, topics.ALL, replication=1, patience_seconds=10)
    sink = MailSink(tmp_path / "mail", free_port())
    await sink.start()
    producer = Producer(broker.bootstrap, client_id="test")
    yield Shop(broker, sink, producer)
    await producer.close()
    await sink.stop()


Copy = Callable[[str], Awaitable[str]]


@pytest.fixture
async def backup(postgres: Postgres) -> AsyncIterator[Copy]:
    """`await backup(url)` copies a database that nobody is connected to; the copy's URL."""
    made: list[str] = []

    async def copy(url: str) -> str:
        name = f"backup_{uuid4().hex[:12]}"
        made.append(name)
        return await postgres.create_database(name, "rapport_campaign", url.rpartition("/")[2])

    yield copy
    for name in made:
        await postgres.drop_database(name)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database, without a service."""
    database = Database(url, application="test", clock=SystemClock())
    try:
        yield database
    finally:
        await database.close()


async def in_place(url: str) -> None:
    """Makes a restored copy look as if it had been restored into the database that it was taken from."""
    async with opened(url) as database, database.work() as work:
        await work.run(
            "UPDATE ledger SET database_oid = (SELECT oid::bigint FROM pg_database WHERE datname = current_database())"
        )


class Lost:
    """Two customers who were written to after the backup was taken."""

    def __init__(self, url: str, pending: UUID, later: UUID) -> None:
        self.url = url
        self.pending = pending  # her message lay in the backup, ready to leave
        self.later = later  # his trigger came after the backup


async def lose(shop: Shop, database_factory: DatabaseFactory, backup: Copy) -> Lost:
    """A service takes in and sends; then its database is replaced by a backup from before.

    It is stopped and started again between, which is no restore.
    """
    url = await database_factory("campaign")
    ann, ben, cho = (uuid4() for _ in range(3))
    now = shop.clock.now()
    await shop.tell(profile(ann, now), profile(ben, now, "ben@example.com"), profile(cho, now), rise(cho, now))
    service = shop.service(url)
    async with shop.open(service):
        await shop.until_sent(cho)
    service = shop.service(url)
    await hear(service, at_risk(ann, shop.clock.now()))
    await service.database.close()
    copy = await backup(url)
    service = shop.service(url)
    async with shop.open(service):
        await shop.tell(rise(ben, shop.clock.now()))
        await shop.until_sent(ann)
        await shop.until_sent(ben)
    return Lost(copy, ann, ben)


async def test_without_the_send_cutoff_a_restored_service_sends_again(
    shop: Shop, database_factory: DatabaseFactory, backup: Copy
) -> None:
    lost = await lose(shop, database_factory, backup)
    await in_place(lost.url)
    service = shop.service(lost.url)
    assert service.consumer is not None
    service.consumer.subscription = replace(service.consumer.subscription, on_rewound=None)
    async with shop.open(service):
        await shop.until_sent(lost.pending, 2)
        await shop.until_sent(lost.later, 2)


async def test_a_restored_service_sends_nothing_until_the_send_cutoff_and_nothing_before_it(
    shop: Shop, database_factory: DatabaseFactory, backup: Copy
) -> None:
    lost = await lose(shop, database_factory, backup)
    await in_place(lost.url)
    dan, eve = uuid4(), uuid4()
    async with shop.open(shop.service(lost.url)) as client:
        for customer in (lost.pending, lost.later):
            await shop.until_decided(client, customer, "held", "restored")
        state = (await client.get("/send-cutoff")).json()
        assert (state["awaiting"], state["send_cutoff"]) == (True, None)
        assert state["reason"].startswith("rewound: rapport.")  # and nothing else gave it away
        await shop.tell(profile(dan, shop.clock.now(), "dan@example.com"), rise(dan, shop.clock.now()))
        await shop.until_decided(client, dan, "entered", "spend")
        await shop.until_decided(client, dan, "held", "restored")
        assert [shop.mails(one) for one in (lost.pending, lost.later, dan)] == [1, 1, 0]
        assert paused("awaiting_send_cutoff") == 1

        response = await client.post("/send-cutoff", json={"at": shop.clock.now().isoformat()})
        assert (response.status_code, response.json()["awaiting"]) == (200, False)
        for customer in (lost.pending, lost.later, dan):
            await shop.until_decided(client, customer, "refused", "before_send_cutoff")
        await shop.tell(profile(eve, shop.clock.now(), "eve@example.com"), rise(eve, shop.clock.now()))
        await shop.until_sent(eve)
        assert paused("awaiting_send_cutoff") == 0
    # What was found once is not found again, and the send cutoff stays.
    async with shop.open(shop.service(lost.url)) as client:
        state = (await client.get("/send-cutoff")).json()
        assert (state["awaiting"], state["send_cutoff"]) == (False, response.json()["send_cutoff"])
        former = (await client.get("/floor")).json()
        assert (former["awaiting"], former["floor"]) == (False, response.json()["send_cutoff"])
        again = await client.post("/floor", json={"at": former["floor"]})
        assert (again.status_code, again.json()["floor"]) == (200, former["floor"])
    assert [shop.mails(one) for one in (lost.pending, lost.later, dan, eve)] == [1, 1, 0, 1]


async def test_an_empty_database_in_the_place_of_a_lost_one_awaits_a_send_cutoff(
    shop: Shop, database_factory: DatabaseFactory
) -> None:
    ann = uuid4()
    async with shop.open(shop.service(await database_factory("campaign"))):
        await shop.tell(profile(ann, shop.clock.now()), rise(ann, shop.clock.now()))
        await shop.until_sent(ann)
    async with shop.open(shop.service(await database_factory("campaign"))) as client:
        assert (await client.get("/send-cutoff")).json()["awaiting"] is True
        await shop.until_decided(client, ann, "held", "restored")
    assert shop.mails(ann) == 1


async def test_while_nobody_can_tell_whether_it_was_restored_nothing_is_sent(
    shop: Shop, database_factory: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def unreadable(*_: object) -> dict[Place, int]:
        nonlocal asked
        asked += 1
        raise KafkaError("the coordinator is loading")

    async def seen() -> tuple[bool, float | None]:
        return asked >= 3, paused("offsets_unread")  # seconds, in which the sender looks several times

    ann = uuid4()
    service = shop.service(await database_factory("campaign"))
    await hear(service, profile(ann, shop.clock.now()), at_risk(ann, shop.clock.now()))  # and so it is due at once
    with monkeypatch.context() as away:
        away.setattr(rewinds, "reached", unreadable)
        async with running(service):
            assert service.consumer is not None
            await eventually(seen, lambda state: state == (True, 1))
            assert (shop.mails(ann), service.consumer.assignment.held) == (0, {})
            away.undo()
            await shop.until_sent(ann)
            await eventually(seen, lambda state: state[1] == 0)


# Who the database is, and what an operator may say: PostgreSQL alone


@pytest.mark.parametrize("column", ["system_identifier", "timeline_id", "database_oid"])
async def test_a_ledger_that_was_noted_elsewhere_awaits_a_send_cutoff(
    database_factory: DatabaseFactory, column: str
) -> None:
    async with opened(await database_factory("campaign")) as database:
        async with database.work() as work:
            assert (await cutoffs.look(work)).awaiting_since is None
        async with database.work() as work:
            await work.run(f"UPDATE ledger SET {column} = {column} + 1")
        looks = []
        for _ in range(2):
            async with database.work() as work:
                looks.append(await cutoffs.look(work))
        assert looks[0] == looks[1]
        assert (looks[0].reason or "").startswith("restored or promoted: ")
        async with database.work() as work:
            found = await cutoffs.set_send_cutoff(work, work.now, by=OPERATOR)
        assert (found.awaiting_since, found.reason) == (None, None)
        async with database.work() as work:
            assert await cutoffs.look(work) == found


async def test_a_copy_of_the_database_awaits_a_send_cutoff_and_the_database_itself_does_not(
    database_factory: DatabaseFactory, backup: Copy
) -> None:
    url = await database_factory("campaign")

    async def awaits(one: str) -> bool:
        async with opened(one) as database, database.work() as work:
            return (await cutoffs.look(work)).awaiting_since is not None

    assert await awaits(url) is False
    copy = await backup(url)
    assert await awaits(copy) is True
    assert await awaits(url) is False


async def test_a_recovery_begins_a_timeline_and_a_crash_does_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("own-postgres")
    own = Postgres(home, free_port(), durable=False)

    async def look() -> Ledger:
        async with opened(own.database_url("campaign")) as database, database.work() as work:
            return await cutoffs.look(work)

    async def recovering() -> bool:
        async with opened(own.database_url("campaign")) as database, database.statement() as work:
            row = await work.row("SELECT pg_is_in_recovery() AS still")
        assert row is not None
        return bool(row.still)

    await own.start()
    try:
        await own.create_service_databases(["campaign"])
        await upgrade("campaign", own.database_url("campaign"))
        assert (await look()).awaiting_since is None
        await own.kill()
        await own.start()
        assert (await look()).awaiting_since is None
        await own.stop()
        recover(home)
        await own.start()
        await eventually(recovering, lambda still: not still)  # it answers, read-only, before its recovery has ended
        assert (await look()).reason == "restored or promoted: timeline 2, was 1"
    finally:
        await own.stop()
        remove_data(home)


def recover(home: Path) -> None:
    """Lets the server begin with a recovery from an archive, in which there is nothing."""
    data = data_folder(home.resolve(), unprivileged_user()) / "data"
    signal = data / "recovery.signal"
    signal.touch()
    os.chown(signal, data.stat().st_uid, data.stat().st_gid)
    with (data / "postgresql.auto.conf").open("a") as file:
        file.write("restore_command = 'false'\n")


async def test_a_send_cutoff_that_makes_no_sense_is_refused_and_changes_nothing(
    database_factory: DatabaseFactory,
) -> None:
    async with opened(await database_factory("campaign")) as database:
        now = SystemClock().now()
        async with database.work() as work:
            stands = await cutoffs.set_send_cutoff(work, now - MINUTE, by=OPERATOR)  # a drill: nothing is awaited
        for at, error, says in (
            (now + MINUTE, Invalid, "future"),
            (now - 2 * MINUTE, Conflict, "stands at"),
        ):
            with pytest.raises(error, match=says):
                async with database.work() as work:
                    await cutoffs.set_send_cutoff(work, at, by=OPERATOR)
        async with database.work() as work:
            assert await cutoffs.look(work) == stands
            assert await cutoffs.set_send_cutoff(work, now - MINUTE, by=OPERATOR) == stands


async def test_a_send_cutoff_before_what_the_backup_knew_does_not_end_the_wait(
    database_factory: DatabaseFactory,
) -> None:
    async with opened(await database_factory("campaign")) as database:
        now = SystemClock().now()
        ann = uuid4()
        async with database.work() as work:
            await cutoffs.look(work)
            await work.run("UPDATE ledger SET timeline_id = timeline_id - 1")
            await work.run(
                "INSERT INTO messages (id, journey_id, journey_version, profile_id, trigger_id, reached, state, "
                "due_at, created_at, handed_at, cause_occurred_at, cause_received_at, by_time, depth) "
                "VALUES (:id, 'win-back', 1, :id, :trigger, 'at_risk', 'sent', :at, :at, :at, :at, :at, false, 0)",
                id=ann,
                trigger=str(uuid4()),
                at=now - MINUTE,
            )
        with pytest.raises(Invalid, match="before a message that this ledger knows of"):
            async with database.work() as work:
                await cutoffs.set_send_cutoff(work, now - 2 * MINUTE, by=OPERATOR)
        async with database.work() as work:
            assert (await cutoffs.look(work)).awaiting_since is not None
            assert (await cutoffs.set_send_cutoff(work, now - MINUTE, by=OPERATOR)).awaiting_since is None


async def test_the_send_cutoff_is_shown_and_set_from_the_command_line(
    database_factory: DatabaseFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = settings(await database_factory("campaign"), "nowhere:9092", free_port())
    capsys.readouterr()  # the log lines of making the database

    async def send_cutoff(*arguments: str) -> tuple[int, str, str]:
        status = await commands.send_cutoff(chosen, arguments)
        return status, *capsys.readouterr()

    assert await send_cutoff() == (0, "send cutoff: none\n", "")
    async with opened(chosen.database_url.get_secret_value()) as database, database.work() as work:
        await work.run("UPDATE ledger SET timeline_id = 7")
    status, out, _ = await send_cutoff("show")
    assert status == 0
    assert out.splitlines()[-2] == "send cutoff: none"
    assert out.endswith("until a send cutoff is set: restored or promoted: timeline 1, was 7\n")
    status, _, err = await send_cutoff("set", "2999-01-01T00:00:00Z")
    assert (status, "future" in err) == (1, True)
    status, out, _ = await send_cutoff("set", "2026-03-01T13:00:00+01:00")
    assert (status, out.splitlines()[-1]) == (0, "send cutoff: 2026-03-01T12:00:00+00:00")
    status, out, _ = await send_cutoff("set", "now")
    assert status == 0
    assert datetime.fromisoformat(out.splitlines()[-1].removeprefix("send cutoff: ")) > datetime(
        2026, 3, 1, 13, tzinfo=UTC
    )
    for nonsense in ("2026-03-01T12:00:00", "yesterday"):
        with pytest.raises(SystemExit):
            await send_cutoff("set", nonsense)


def paused(reason: str) -> float | None:
    """What the metric says."""
    return REGISTRY.get_sample_value("rapport_sending_paused", {"reason": reason})
