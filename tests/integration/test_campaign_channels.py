"""SMS, webhooks and the inbox: each over a real server or database, from a customer's change to what arrives."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import pytest
import uvicorn

from deploy.local import sms_sink
from deploy.local.process import LOOPBACK, free_port
from deploy.local.sms_sink import SmsSink
from services.campaign.channels.inbox import InboxChannel
from services.campaign.channels.sms import SmsChannel
from services.campaign.channels.webhook import WebhookChannel
from services.campaign.domain.delivery import (
    Accepted,
    Deferred,
    Lost,
    Message,
    Rejected,
    Reply,
    Undeliverable,
    Withheld,
)
from services.campaign.service import inbox, providers, singles, templates
from services.campaign.service.singles import MessageRequest
from services.ingest.domain.formats.webhooks.delivery import Delivery
from services.ingest.domain.formats.webhooks.standard import VENDOR
from shared.contracts.changes import ContactPoint, ProfileChanged
from shared.contracts.envelope import Event
from shared.database import aliases
from shared.service import process
from tests.conftest import DatabaseFactory
from tests.support.actors import OPERATOR
from tests.support.applications import asking, build, token
from tests.support.campaign import NOON, RULES, DeafDatabase, Provider, StoppedClock, World, profile
from tests.support.running import eventually

PHONE: Final = "+861380013"
KEY: Final = bytes(range(32))

App = Callable[[Any, Any, Any], Awaitable[None]]


def message(to: str, number: int = 1, **changes: Any) -> Message:
    parts = {"subject": "Gold", "text": "Welcome to gold.", "sms": "Welcome to gold."}
    fields: dict[str, Any] = {"id": UUID(int=number), "to": to, "parts": parts, "at": NOON}
    return Message(**(fields | changes))


async def has_started(server: uvicorn.Server) -> bool:
    return server.started


@asynccontextmanager
async def served(app: App) -> AsyncIterator[int]:
    """The port of a server of this application."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=port, log_level="error", lifespan="off"))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.serve())
        try:
            await eventually(partial(has_started, server), bool)
            yield port
        finally:
            server.should_exit = server.force_exit = True
            with suppress(asyncio.CancelledError):
                await running


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[tuple[SmsSink, int]]:
    kept = SmsSink(tmp_path / "sms")
    kept.open()
    async with served(sms_sink.create_app(kept)) as port:
        yield kept, port
    kept.close()


@asynccontextmanager
async def sms_to(port: int, *, seconds: float = 10, token: str = sms_sink.TOKEN) -> AsyncIterator[SmsChannel]:
    channel = SmsChannel(f"http://{LOOPBACK}:{port}/messages", token, seconds=seconds, concurrency=4)
    try:
        yield channel
    finally:
        await channel.close()


async def test_an_sms_is_kept_once_whatever_is_handed_over_again(sink: tuple[SmsSink, int]) -> None:
    kept, port = sink
    async with sms_to(port) as channel:
        again = [await channel.send(message(f"{PHONE}8000")) for _ in range(2)]
    assert again == [Accepted(), Accepted()]
    assert [(one.key, one.to, one.text) for one in kept.messages] == [
        (str(UUID(int=1)), f"{PHONE}8000", "Welcome to gold.")
    ]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("0001", Deferred),
        ("0002", Rejected),
        ("0003", Undeliverable),
        ("0005", Deferred),
        ("0006", Withheld),
        ("0007", Undeliverable),
    ],
)
async def test_each_refusal_of_an_sms_is_understood_and_names_no_number(
    sink: tuple[SmsSink, int], end: str, expected: type[Reply]
) -> None:
    kept, port = sink
    async with sms_to(port) as channel:
        reply = await channel.send(message(PHONE + end))
    assert isinstance(reply, expected)
    assert PHONE not in str(reply)
    assert kept.messages == []


async def test_an_sms_that_is_not_answered_may_have_been_sent(sink: tuple[SmsSink, int]) -> None:
    kept, port = sink
    async with sms_to(port, seconds=0.5) as channel:
        assert isinstance(await channel.send(message(f"{PHONE}0004")), Lost)
    assert len(kept.messages) == 1


async def test_a_wrong_token_stops_the_provider_and_a_provider_that_is_away_is_waited_for(
    sink: tuple[SmsSink, int],
) -> None:
    _, port = sink
    async with sms_to(port, token="another") as channel:
        assert isinstance(await channel.send(message(f"{PHONE}8000")), Withheld)
    async with sms_to(free_port()) as channel:
        reply = await channel.send(message(f"{PHONE}8000"))
    assert isinstance(reply, Deferred)
    assert not reply.counted


class Receiver:
    """An endpoint that verifies what it gets as Standard Webhooks has it, and answers as it is told."""

    def __init__(self, status: int = 204) -> None:
        self.status = status
        self.got: list[tuple[Mapping[str, str], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        content, more = b"", True
        while more:
            part = await receive()
            content, more = content + part.get("body", b""), part.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        assert VENDOR.verify is not None
        VENDOR.verify(b"whsec_" + base64.b64encode(KEY), Delivery(raw=content, headers=headers), NOON)
        self.got.append((headers, content))
        headers_out = [(b"location", b"http://127.0.0.1:1/")] if self.status == 302 else []
        await send({"type": "http.response.start", "status": self.status, "headers": headers_out})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def webhook_to(url: str, *, allow_private: bool = True) -> AsyncIterator[WebhookChannel]:
    channel = WebhookChannel(url, KEY, allow_private=allow_private, seconds=10, concurrency=4)
    try:
        yield channel
    finally:
        await channel.close()


async def test_a_webhook_arrives_signed_under_the_messages_own_id_and_host() -> None:
    receiver = Receiver()
    customer = str(uuid4())
    async with served(receiver) as port, webhook_to(f"http://localhost:{port}/hook") as channel:
        assert await channel.send(message(customer, headers={"X-Rapport-Journey": "win-back"})) == Accepted()
    [(headers, content)] = receiver.got
    assert headers["webhook-id"] == str(UUID(int=1))
    assert headers["host"] == f"localhost:{port}"
    assert f'"profile_id":"{customer}"'.encode() in content
    assert b'"context":{"journey":"win-back"}' in content


@pytest.mark.parametrize(
    ("status", "expected"), [(500, Deferred), (503, Deferred), (404, Withheld), (302, Withheld), (422, Rejected)]
)
async def test_a_webhook_that_is_not_taken_is_never_lost_and_follows_no_redirect(
    status: int, expected: type[Reply]
) -> None:
    receiver = Receiver(status)
    async with served(receiver) as port, webhook_to(f"http://{LOOPBACK}:{port}/hook") as channel:
        assert isinstance(await channel.send(message(str(uuid4()))), expected)
    assert len(receiver.got) == 1


async def test_a_webhook_to_a_private_address_leaves_only_where_that_is_allowed() -> None:
    receiver = Receiver()
    async with (
        served(receiver) as port,
        webhook_to(f"https://localhost:{port}/hook", allow_private=False) as channel,
    ):
        reply = await channel.send(message(str(uuid4())))
    assert isinstance(reply, Withheld)
    assert "not public" in str(reply.reply)
    assert receiver.got == []


@pytest.fixture
async def service(database_factory: DatabaseFactory) -> process.Service:
    return build("campaign", await database_factory("campaign"))


async def test_a_customer_lists_reads_and_dismisses_what_is_in_the_inbox(service: process.Service) -> None:
    me, other = uuid4(), uuid4()
    for number in (1, 2, 3):
        assert await inbox.deliver(service.database, message(str(me), number)) == Accepted()
    assert await inbox.deliver(service.database, message(str(me), 3)) == Accepted()  # it is there already
    async with asking(service, token(str(me))) as client:
        page = (await client.get("/v1/inbox", params={"limit": 2})).json()
        rest = (await client.get("/v1/inbox", params={"limit": 2, "cursor": page["next"]})).json()
        found = [one["id"] for one in (*page["messages"], *rest["messages"])]
        assert (sorted(found), page["unread"], rest["next"]) == ([str(UUID(int=n)) for n in (1, 2, 3)], 3, None)
        for _ in range(2):
            assert (await client.post(f"/v1/inbox/{found[0]}/read")).status_code == 204
            assert (await client.post(f"/v1/inbox/{found[1]}/dismiss")).status_code == 204
        left = (await client.get("/v1/inbox")).json()
        assert [(one["id"], one["read_at"] is not None) for one in left["messages"]] == [
            (found[0], True),
            (found[2], False),
        ]
        assert left["unread"] == 1
        foreign = await client.post(f"/v1/inbox/{found[2]}/read", headers=token(str(other)))
        nobodys = (await client.get("/v1/inbox", headers=token(str(other)))).json()
        staff = await client.get("/v1/inbox", headers=token(scope="campaign:admin"))
        nameless = await client.get("/v1/inbox", headers=token("operator"))
        unsigned = await client.get("/v1/inbox", headers={"Authorization": "Bearer nonsense"})
        wrong = await client.get("/v1/inbox", params={"cursor": "nonsense"})
    assert (foreign.status_code, nobodys["messages"], nobodys["unread"]) == (404, [], 0)
    assert (staff.status_code, nameless.status_code, unsigned.status_code, wrong.status_code) == (403, 403, 401, 422)


async def test_a_merged_customer_has_one_inbox_and_a_merge_nobody_vouched_for_opens_none(
    service: process.Service,
) -> None:
    survivor, trusted, strange = uuid4(), uuid4(), uuid4()
    for number, one in enumerate((survivor, trusted, strange), start=1):
        await inbox.deliver(service.database, message(str(one), number))
    async with service.database.work() as work:
        await aliases.lock_merges(work)
        await aliases.note_merges(
            work, [aliases.Merge(trusted, survivor, True), aliases.Merge(strange, survivor, False)]
        )
    async with asking(service) as client:
        seen = {
            one: len((await client.get("/v1/inbox", headers=token(str(one)))).json()["messages"])
            for one in (survivor, trusted, strange)
        }
    assert seen == {survivor: 3, trusted: 3, strange: 1}


DOCUMENT: Final = {
    "languages": {"en": {"subject": "Hi", "text": "Hi", "html": "<p>Hi</p>", "sms": "Hi, {{ first_name }}"}}
}


class Shop(World):
    """A world that asks for single messages."""

    async def ask(self, profile_id: UUID, channel: str) -> None:
        """Asks for a notice, which needs no consent."""
        rules = RULES._replace(channels={"email", "sms", "inbox"})
        async with self.database.work() as work:
            await singles.send(work, rules, MessageRequest(profile_id, "notice", channel, "transactional", {}))

    async def decided(self, profile_id: UUID, reason: str) -> None:
        """Waits until this was decided about a customer."""
        await eventually(partial(self.decisions, profile_id), lambda found: any(reason in one for _, one in found))


@pytest.fixture
async def shop(database_factory: DatabaseFactory, tmp_path: Path) -> AsyncIterator[Shop]:
    clock = StoppedClock()
    made = Shop(
        DeafDatabase(await database_factory("campaign"), application="test", clock=clock),
        clock,
        Provider(tmp_path / "taken.ndjson"),
    )
    async with made.database.work() as work:
        shown, _ = await templates.create(work, "notice", DOCUMENT, by=OPERATOR)
        await templates.publish(work, "notice", revision=shown.revision, by=OPERATOR)
    yield made
    await made.database.close()


def reached_by(profile_id: UUID, phone: str | None) -> Event:
    """A customer with a mail address, and this phone."""
    known = profile(profile_id)
    assert isinstance(known.body, ProfileChanged)
    points = (*(known.body.contact_points or ()), *([ContactPoint(namespace="phone", value=phone)] if phone else []))
    return msgspec.structs.replace(known, body=msgspec.structs.replace(known.body, contact_points=points))


async def test_a_stopped_sms_provider_holds_back_no_mail(shop: Shop, sink: tuple[SmsSink, int]) -> None:
    kept, port = sink
    broke, ann, bob = uuid4(), uuid4(), uuid4()
    await shop.hear(reached_by(broke, f"{PHONE}0006"), reached_by(ann, f"{PHONE}8000"), reached_by(bob, f"{PHONE}8001"))
    async with sms_to(port) as channel:
        shop.channels["sms"] = channel
        async with shop.sending():
            await shop.ask(broke, "sms")
            await shop.decided(broke, "402 no_credit")
            for who in (ann, bob):
                await shop.ask(who, "sms")
                await shop.ask(who, "email")
            for who in (ann, bob):
                await shop.decided(who, "accepted")
                await shop.decided(who, "provider_stop")
            assert (len(shop.provider.taken), kept.messages) == (2, [])
            async with shop.database.work() as work:
                assert [one.channel for one in await providers.stops(work)] == ["sms"]


async def test_an_sms_goes_to_the_phone_and_who_has_none_gets_none(shop: Shop, sink: tuple[SmsSink, int]) -> None:
    kept, port = sink
    ann, bob, gone = uuid4(), uuid4(), uuid4()
    await shop.hear(reached_by(ann, f"{PHONE}8000"), reached_by(bob, None), reached_by(gone, f"{PHONE}0007"))
    async with sms_to(port) as channel:
        shop.channels["sms"] = channel
        async with shop.sending():
            for who in (ann, bob, gone):
                await shop.ask(who, "sms")
            await shop.decided(ann, "accepted")
            await shop.decided(gone, "opted_out")
            await shop.decided(bob, "no_address")
            await shop.ask(gone, "sms")
            await shop.decided(gone, "suppressed")
            await shop.ask(gone, "email")
            await shop.decided(gone, "accepted")
    assert [(one.to, one.text) for one in kept.messages] == [(f"{PHONE}8000", "Hi, Ann")]


async def test_a_channel_that_is_not_set_up_any_more_holds_its_messages(shop: Shop) -> None:
    ann = uuid4()
    await shop.hear(reached_by(ann, f"{PHONE}8000"))
    async with shop.sending():
        await shop.ask(ann, "sms")
        await shop.decided(ann, "no_channel")
    assert await shop.states() == ["pending"]


async def test_a_message_to_the_inbox_is_in_it_once_it_is_sent(shop: Shop) -> None:
    ann = uuid4()
    await shop.hear(reached_by(ann, None))
    shop.channels["inbox"] = InboxChannel(partial(inbox.deliver, shop.database))
    async with shop.sending():
        await shop.ask(ann, "inbox")
        await shop.decided(ann, "accepted")
    async with shop.database.work() as work:
        found = await inbox.page(work, ann, after=None, limit=10)
    assert [(one.subject, one.text) for one in found.messages] == [("Hi", "Hi")]
