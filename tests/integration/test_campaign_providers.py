"""A provider that takes nothing from us, and addresses that take no mail: what is held, tried again, and suppressed."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.campaign.domain.delivery import Message, Reply, Undeliverable, Withheld, meaning
from services.campaign.domain.replies import ProviderReply, Stage, read
from services.campaign.service import providers, suppressing
from shared.errors import NotFound
from tests.conftest import DatabaseFactory
from tests.support.actors import OPERATOR
from tests.support.applications import asking, build, token
from tests.support.campaign import DeafDatabase, Provider, StoppedClock, World, all_in, profile, rise, stage
from tests.support.running import eventually

SECOND: Final = timedelta(seconds=1)
QUOTA: Final = read(Stage.MAIL, 550, "5.4.5 Daily user sending limit exceeded")
GREYLISTED: Final = read(Stage.RCPT, 451, "4.7.1 come back later")
NO_SUCH_USER: Final = read(Stage.RCPT, 550, "5.1.1 No such user")


class Choosy(Provider):
    """Refuses everything with one reply while it has one; and some addresses each with its own."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.refusal: ProviderReply | None = None
        self.by_address: dict[str, ProviderReply] = {}

    async def _answer(self, message: Message) -> Reply:
        refused = self.refusal or self.by_address.get(message.to)
        return await super()._answer(message) if refused is None else meaning(refused)


class Shop(World):
    """A world whose provider is choosy."""

    def __init__(self, database: DeafDatabase, clock: StoppedClock, provider: Choosy) -> None:
        super().__init__(database, clock, provider)
        self.choosy = provider

    async def asked(self) -> int:
        return len(self.provider.asked)

    async def attempts(self) -> list[int]:
        async with self.database.work() as work:
            return [row.attempts for row in await work.rows("SELECT attempts FROM messages")]

    async def probe_at(self) -> datetime | None:
        async with self.database.work() as work:
            return next((one.probe_at for one in await providers.stops(work)), None)

    async def waiting(self) -> set[tuple[str, bool]]:
        """The states of all messages, and whether they are due."""
        async with self.database.work() as work:
            rows = await work.rows("SELECT DISTINCT state, due_at <= :now AS due FROM messages", now=work.now)
            return {(row.state, row.due) for row in rows}

    async def until_asked(self, least: int) -> None:
        """Until so many messages were handed over in all, or more."""
        await eventually(self.asked, lambda asked: asked >= least)

    async def until_held(self) -> int:
        """Until every message waits and none is due. Returns how many were handed over in all."""
        await eventually(self.waiting, lambda states: states == {("pending", False)})
        return await self.asked()


@pytest.fixture
async def shop(database_factory: DatabaseFactory, tmp_path: Path) -> AsyncIterator[Shop]:
    clock = StoppedClock()
    database = DeafDatabase(await database_factory("campaign"), application="test", clock=clock)
    yield Shop(database, clock, Choosy(tmp_path / "taken.ndjson"))
    await database.close()


async def entered(shop: Shop, count: int) -> list[UUID]:
    customers = [uuid4() for _ in range(count)]
    await shop.hear(*(profile(one, f"{number}@example.com") for number, one in enumerate(customers)))
    await shop.hear(*(rise(one) for one in customers))
    return customers


async def test_while_a_provider_refuses_us_messages_are_held_and_one_at_a_time_tries(shop: Shop) -> None:
    customers = await entered(shop, 30)
    shop.choosy.refusal = QUOTA
    with capture_logs() as lines:
        async with shop.sending(senders=2):
            await eventually(shop.probe_at, lambda at: at is not None)
            before = await shop.until_held()
            assert before < len(customers)  # what was on its way when the first reply came, and no more
            for probes, seconds in enumerate((30, 60, 120), start=1):
                shop.move(seconds * SECOND)
                await shop.until_asked(before + probes)
                assert await shop.until_held() == before + probes
            assert set(await shop.attempts()) == {0}
            assert paused() == 1
            shop.choosy.refusal = None
            shop.move(timedelta(minutes=4))
            await eventually(shop.probe_at, lambda at: at is None)
            shop.move(20 * SECOND)
            await shop.settled(all_in("sent"))
    assert sorted(one["X-Rapport-Profile"] for one in shop.provider.taken) == sorted(map(str, customers))
    assert all(one != other for one, other in pairwise(shop.provider.asked[before : before + 4]))
    told = [line for line in lines if line["event"].startswith("provider.")]
    assert [line["event"] for line in told] == [
        "provider.stopped",
        *["provider.still_stopped"] * 3,
        "provider.takes_mail_again",
    ]
    assert (told[0]["log_level"], told[0]["code"], told[0]["trouble"]) == ("error", 550, "limit")
    assert paused() == 0


async def test_an_operator_lets_one_message_try_at_once(shop: Shop) -> None:
    await entered(shop, 3)
    shop.choosy.refusal = QUOTA
    async with shop.sending():
        await eventually(shop.probe_at, lambda at: at is not None)
        before = await shop.until_held()
        shop.move(SECOND)
        async with shop.database.work() as work:
            await providers.try_again(work, "email", by=OPERATOR)
        await shop.until_asked(before + 1)
        assert await shop.until_held() == before + 1
        shop.choosy.refusal = None
        async with shop.database.work() as work:
            await providers.try_again(work, "email", by=OPERATOR)
        await eventually(shop.probe_at, lambda at: at is None)
        shop.move(10 * SECOND)
        await shop.settled(all_in("sent"))


async def test_a_probe_that_is_refused_for_its_address_shows_that_the_provider_listens_again(shop: Shop) -> None:
    (ann,) = await entered(shop, 1)
    shop.choosy.refusal = QUOTA
    async with shop.sending():
        await eventually(shop.probe_at, lambda at: at is not None)
        shop.choosy.refusal = GREYLISTED
        shop.move(41 * SECOND)
        await eventually(shop.probe_at, lambda at: at is None)
        shop.choosy.refusal = None
        shop.move(10 * SECOND)
        await shop.settled(all_in("sent"))
    assert [outcome for outcome, _ in await shop.decisions(ann)] == ["entered", "held", "held", "sent"]


async def test_an_address_that_takes_no_mail_is_suppressed_until_it_is_lifted_or_another_one_comes(shop: Shop) -> None:
    (ann,) = await entered(shop, 1)
    shop.choosy.by_address["0@example.com"] = NO_SUCH_USER
    async with shop.sending():
        await shop.settled(all_in("failed"))
        shop.choosy.by_address.clear()
        await shop.hear(stage(ann))
        await shop.settled(all_in("failed", "refused"))
        assert ("refused", "suppressed") in await shop.decisions(ann)
        async with shop.database.work() as work:
            (found,) = await suppressing.page(work, address="0@Example.COM", after=None, limit=10)
        assert (found.address, found.reason) == ("0@example.com", "550 5.1.1 at RCPT TO: No such user")

        await shop.hear(profile(ann, "new@example.com", version=2), stage(ann, version=2))
        await shop.settled(lambda states: states.count("sent") == 1)

        await shop.hear(profile(ann, "0@example.com", version=3))
        async with shop.database.work() as work:
            await suppressing.lift(work, found.id, by=OPERATOR)
        shop.move(timedelta(days=2))
        await shop.hear(rise(ann, version=2, current="diamond", at=shop.clock.now()))
        await shop.settled(lambda states: states.count("sent") == 2)
    async with shop.database.work() as work:
        with pytest.raises(NotFound):
            await suppressing.lift(work, found.id, by=OPERATOR)


@pytest.mark.parametrize("refusal", [QUOTA, GREYLISTED, read(Stage.CONNECT, 421, "busy")])
async def test_a_reply_that_is_not_about_the_address_suppresses_none(shop: Shop, refusal: ProviderReply) -> None:
    await entered(shop, 1)
    shop.choosy.by_address["0@example.com"] = refusal
    async with shop.sending():
        await shop.until_asked(1)
        await shop.settled(all_in("pending"))
    async with shop.database.work() as work:
        assert await suppressing.page(work, address=None, after=None, limit=10) == []


async def test_health_and_the_api_say_that_a_provider_refuses_us_and_what_to_do(
    database_factory: DatabaseFactory,
) -> None:
    made = build("campaign", await database_factory("campaign"))
    async with asking(made, token("carol", scope="campaign:admin")) as client:
        ready = (await client.get("/health/ready")).json()
        assert ready["alarms"] == (await client.get("/health/lag")).json()["alarms"] == []
        async with made.database.work() as work:
            await providers.withheld(work, "email", Withheld(QUOTA), probe=False, replied_at=work.now)
        ready = await client.get("/health/ready")
        assert ready.json()["alarms"] == ["provider_stop"]
        (alarm,) = (await client.get("/health/lag")).json()["alarms"]
        assert alarm["reply"] == "550 5.4.5 at MAIL FROM: Daily user sending limit exceeded"
        assert "quota" in alarm["advice"]
        (stop,) = (await client.get("/v1/provider-stops")).json()["stops"]
        assert (stop["trouble"], stop["reply"]["code"], stop["advice"]) == ("limit", 550, alarm["advice"])
        shown = (await client.get("/v1/send-stop")).json()
        assert (shown["stopped"], shown["providers"]) == (False, [stop])
        (tried,) = (await client.post("/v1/provider-stops/email/retry")).json()["stops"]
        assert tried["tries_again_at"] < stop["tries_again_at"]
        assert (await client.post("/v1/provider-stops/pigeon/retry")).status_code == 404
        entries = (await client.get("/v1/audit")).json()["entries"]
        assert [(one["subject"], one["action"]) for one in entries] == [("carol", "provider.tried")]


async def test_suppressions_are_listed_by_pages_and_lifted_with_an_entry_in_the_audit_log(
    database_factory: DatabaseFactory,
) -> None:
    made = build("campaign", await database_factory("campaign"))
    addresses = [f"{number}@example.com" for number in range(3)]
    async with asking(made, token("carol", scope="campaign:admin")) as client:
        for address in addresses:
            async with made.database.work() as work:
                await suppressing.suppress(work, uuid4(), "email", address, Undeliverable(NO_SUCH_USER))
        first = (await client.get("/v1/suppressions?limit=2")).json()
        rest = (await client.get("/v1/suppressions", params={"limit": 2, "cursor": first["next"]})).json()
        assert [one["address"] for one in first["suppressions"] + rest["suppressions"]] == addresses[::-1]
        (one,) = (await client.get("/v1/suppressions", params={"address": "1@example.com"})).json()["suppressions"]
        assert (await client.delete(f"/v1/suppressions/{one['id']}")).status_code == 204
        assert (await client.delete(f"/v1/suppressions/{one['id']}")).status_code == 404
        entries = (await client.get("/v1/audit")).json()["entries"]
        assert [(entry["action"], entry["object_id"]) for entry in entries] == [("suppression.lifted", one["id"])]
        assert "@" not in str(entries)


def paused() -> float | None:
    return REGISTRY.get_sample_value("rapport_sending_paused", {"reason": "provider_stop"})
