"""Double opt-in and unsubscribing: what a mail asks, what its link does, and how often a mailbox is asked."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import msgspec
import pytest

from services.campaign.domain import links
from services.campaign.domain.confirmation import CAP, CONFIRM, MAX_ASKED
from services.campaign.domain.delivery import Accepted, Deferred, Lost
from services.campaign.domain.links import Links
from services.campaign.service import confirming, contacts, operations
from services.campaign.service.confirming import Asking
from services.campaign.service.rules import Rules
from shared.contracts import wire
from shared.contracts.changes import ConfirmationRequested, ProfileChanged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import ConsentChanged
from shared.contracts.identity import Identity, Namespace
from shared.database.database import Work
from shared.service import process
from tests.conftest import DatabaseFactory
from tests.support.applications import build
from tests.support.events import NOON

ADDRESS: Final = "ann@example.com"
SECOND: Final = timedelta(seconds=1)


@pytest.fixture
async def service(database_factory: DatabaseFactory) -> AsyncIterator[process.Service]:
    """Campaign, whose links lead to http://test."""
    made = build("campaign", await database_factory("campaign"), public_url="http://test")
    yield made
    await made.database.close()


def rules_of(service: process.Service) -> Rules:
    assert service.app is not None
    found: Rules = service.app.state.rules
    return found


def links_of(service: process.Service) -> Links:
    found = rules_of(service).links
    assert found is not None
    return found


def request(address: str = ADDRESS, *, purpose: str = "newsletter", language: str = "zh-CN", **changes: Any) -> Event:
    at = changes.pop("at")
    body = ConfirmationRequested(
        profile_id=UUID(int=1),
        address=address,
        channel="email",
        purpose=purpose,
        requested_by=uuid4(),
        language=language,
    )
    fields: dict[str, Any] = {
        "event_id": uuid4(),
        "source_id": "profile",
        "source_kind": SourceKind.SERVICE,
        "occurred_at": at,
        "received_at": at,
        "profile_id": body.profile_id,
        "body": body,
    }
    return Event(**(fields | changes))


async def asked(service: process.Service, *events: dict[str, Any], rules: Rules | None = None) -> list[Asking]:
    """What leaves when these requests came in one after the other, and not a minute later."""
    for one in events:
        async with service.database.work() as work:
            await confirming.ask(work, [request(**{"at": work.now, **one})])
    return await leaving(service, rules)


async def leaving(service: process.Service, rules: Rules | None = None) -> list[Asking]:
    async with service.database.work() as work:
        _, found = await confirming.claim(work, rules or rules_of(service), claim_id=uuid4(), limit=50)
    return found


async def decisions(service: process.Service) -> list[tuple[str, str]]:
    async with service.database.work() as work:
        found = await operations.decisions(work, UUID(int=1), limit=100)
    return sorted((one.outcome, one.reason) for one in found)


async def facts(service: process.Service) -> list[Event]:
    async with service.database.work() as work:
        rows = await work.rows("SELECT headers::text AS headers, value FROM outbox ORDER BY id")
    return [wire.decode([(k, v.encode()) for k, v in _headers(row.headers)], row.value) for row in rows]


def _headers(text: str) -> Iterator[tuple[str, str]]:
    yield from msgspec.json.decode(text, type=dict[str, str]).items()


def link_in(asking_mail: Asking) -> str:
    found = re.search(r"http://test(/v1/confirm/[\w-]+)", asking_mail.handover.part("text"))
    assert found is not None
    return found[1]


@asynccontextmanager
async def customer(service: process.Service) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody with a browser, and no token."""
    assert service.app is not None
    transport = httpx2.ASGITransport(app=service.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_a_mailbox_is_asked_and_only_its_button_makes_consent_of_it(service: process.Service) -> None:
    [mail] = await asked(service, {})
    assert (mail.handover.to, mail.handover.part("subject"), mail.handover.transactional) == (
        ADDRESS,
        "请确认订阅我们的邮件",
        True,
    )
    async with customer(service) as client:
        page = await client.get(link_in(mail))
        assert (page.status_code, 'lang="zh"' in page.text, '<form method="post">' in page.text) == (200, True, True)
        assert "form-action 'self'" in page.headers["content-security-policy"]
        assert await facts(service) == []  # a mail program that looks at the link changes nothing

        for _ in range(2):
            assert (await client.post(link_in(mail))).status_code == 200

    [fact] = await facts(service)
    assert isinstance(fact.body, ConsentChanged)
    assert (fact.body.channel, fact.body.purpose, fact.body.granted) == ("email", "newsletter", True)
    assert fact.body.evidence["kind"] == "confirmation"
    assert fact.body.evidence["requested_by"] == str(mail.asked.requested_by)
    assert (fact.source_kind, fact.profile_id) == (SourceKind.SERVICE, None)
    assert fact.identities == (Identity(Namespace.EMAIL, ADDRESS),)  # and not the visitor's device


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("kind", ["confirm", "unsubscribe"])
async def test_a_link_that_is_not_ours_is_not_found_and_says_nothing(
    service: process.Service, kind: str, method: str
) -> None:
    foreign = Links("http://test", b"another secret of 32 characters or more")
    others = [foreign.url(links.confirm(uuid4(), "en", NOON)).rpartition("/")[2], "x", "a" * 599]
    async with customer(service) as client:
        for token in others:
            answer = await client.request(method, f"/v1/{kind}/{token}")
            assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert await facts(service) == []


async def test_a_link_of_what_was_forgotten_confirms_nothing(service: process.Service) -> None:
    async with service.database.work() as work:
        url = links_of(service).url(links.confirm(uuid4(), "en", work.now))
    async with customer(service) as client:
        assert (await client.post(url)).status_code == 404
    assert await facts(service) == []


async def test_a_mailbox_is_asked_for_one_thing_once_and_for_a_few_a_day(service: process.Service) -> None:
    once = await asked(service, {}, {})
    assert len(once) == 1
    more = await asked(service, *({"purpose": f"p{n}"} for n in range(MAX_ASKED + 5)))
    assert len(once) + len(more) == CAP.messages
    assert ("capped", "customer_cap") in await decisions(service)
    async with service.database.work() as work:
        row = await work.row("SELECT count(*) AS kept FROM confirmations")
    assert row is not None
    assert row.kept == MAX_ASKED
    assert len(await asked(service, {"address": "ben@example.com"})) == 1


async def test_requests_that_come_at_once_are_bounded_as_those_that_follow_each_other(
    service: process.Service,
) -> None:
    async with service.database.work() as work:
        await confirming.ask(work, [request(at=work.now, purpose=f"p{n:02}") for n in range(MAX_ASKED + 20)])
        row = await work.row("SELECT count(*) AS kept FROM confirmations")
    assert row is not None
    assert row.kept == MAX_ASKED


async def test_while_as_many_wait_as_may_further_requests_are_not_written_down(
    service: process.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirming, "MAX_WAITING", 3)
    async with service.database.work() as work:
        await confirming.ask(work, [request(f"{n}@example.com", at=work.now) for n in range(2)])
        await confirming.ask(work, [request(f"{n}@example.com", at=work.now) for n in range(2, 9)])
        row = await work.row("SELECT count(*) AS kept FROM confirmations")
    assert row is not None
    assert row.kept == 3


async def test_what_a_visitors_browser_says_of_its_language_stands_in_no_link(service: process.Service) -> None:
    [asking] = await asked(service, {"language": "買" * 200})
    async with customer(service) as client:
        assert (await client.get(link_in(asking))).status_code == 200


async def test_above_so_many_an_hour_the_rest_waits(service: process.Service) -> None:
    few = rules_of(service)._replace(confirmations_per_hour=2)
    found = await asked(service, *({"address": f"{n}@example.com"} for n in range(4)), rules=few)
    assert len(found) == 2
    assert ("held", "confirmations_per_hour") in await decisions(service)


async def test_old_and_historical_requests_ask_nobody(service: process.Service) -> None:
    async with service.database.work() as work:
        old = work.now - CONFIRM.max_age - SECOND
        await confirming.ask(work, [request(at=old), request("b@example.com", at=work.now, historical=True)])
    assert await leaving(service) == []


async def test_a_send_stop_holds_them_and_without_a_public_address_nobody_is_asked(service: process.Service) -> None:
    async with service.database.work() as work:
        await work.run("INSERT INTO send_stop (stopped_at, stopped_by) VALUES (:now, 'test')", now=work.now)
    assert await asked(service, {}) == []
    assert await decisions(service) == [("held", "send_stop")]
    nowhere = rules_of(service)._replace(links=None)
    assert await asked(service, {"address": "ben@example.com"}, rules=nowhere) == []
    assert ("refused", "no_public_url") in await decisions(service)


async def test_what_the_provider_answers_is_noted_and_a_mail_leaves_once(service: process.Service) -> None:
    [first] = await asked(service, {})
    assert await leaving(service) == []
    async with service.database.work() as work:
        await confirming.settle(work, first, Deferred("busy"), replied_at=work.now - timedelta(hours=1))
    [again] = await leaving(service)
    assert again.attempt == 2
    async with service.database.work() as work:
        await confirming.settle(work, first, Accepted(), replied_at=work.now)  # of an attempt that is over
        await confirming.settle(work, again, Lost("silence"), replied_at=work.now)
    assert await leaving(service) == []
    assert [outcome for outcome, _ in await decisions(service)] == ["held", "unknown"]


async def test_what_a_dead_sender_had_in_hand_is_unknown_by_a_decision_and_asks_nobody_again(
    service: process.Service,
) -> None:
    assert len(await asked(service, {})) == 1
    async with service.database.work() as work:
        assert await confirming.give_up_lost(work, rules_of(service)) == 0, "its lease is not over"
        await work.run("UPDATE confirmations SET sending_since = :long_ago", long_ago=work.now - timedelta(days=1))
        assert await confirming.give_up_lost(work, rules_of(service)) == 1
    async with service.database.work() as work:
        assert await confirming.give_up_lost(work, rules_of(service)) == 0
    assert await leaving(service) == []
    assert await decisions(service) == [("unknown", "sender_lost")]


# Unsubscribing

MESSAGE, ANN = UUID(int=7), UUID(int=9)


async def _known(work: Work) -> None:
    state = ProfileChanged(profile_id=ANN, version=1, first_seen=NOON, last_seen=NOON, identities={"email": (ADDRESS,)})
    event = Event(
        event_id=uuid4(),
        source_id="profile",
        source_kind=SourceKind.SERVICE,
        occurred_at=NOON,
        received_at=NOON,
        body=state,
    )
    await contacts.follow(work, [event], partition_secret=b"secret")


async def test_one_click_withdraws_what_the_message_was_for_and_a_look_withdraws_nothing(
    service: process.Service,
) -> None:
    async with service.database.work() as work:
        await _known(work)
        url = links_of(service).url(links.unsubscribe(MESSAGE, ANN, "email:newsletter", "en", work.now))
    async with customer(service) as client:
        page = await client.get(url)
        assert (page.status_code, "newsletter" in page.text) == (200, True)
        assert await facts(service) == []
        for _ in range(2):  # as a mail program sends it: RFC 8058, section 3.1
            answer = await client.post(url, data={"List-Unsubscribe": "One-Click"})
            assert answer.status_code == 200
    [fact] = await facts(service)
    assert isinstance(fact.body, ConsentChanged)
    assert (fact.body.channel, fact.body.purpose, fact.body.granted) == ("email", "newsletter", False)
    assert fact.body.evidence == {"kind": "unsubscribe link", "message_id": str(MESSAGE)}
    assert (fact.profile_id, fact.identities) == (ANN, (Identity(Namespace.EMAIL, ADDRESS),))
    assert fact.source_kind is SourceKind.SERVICE
