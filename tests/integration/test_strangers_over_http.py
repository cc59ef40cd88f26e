"""What a stranger may try with the key that stands in every page, over HTTP and Kafka to the profiles that come of it.

All five services read one broker; what is asked is asked of their APIs, as an attacker and as the shop would.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from uuid import uuid4

import httpx2
import pytest

from services.profile.domain.fold import MAX_PUBLIC_TRAITS
from shared.contracts import topics
from shared.kafka.topics import ensure_topics
from shared.service.process import Service
from tests.conftest import new_broker
from tests.support.applications import SERVICES, build, token
from tests.support.databases import Databases
from tests.support.running import eventually, running, session_milliseconds
from tests.support.sources import made_source

pytestmark = pytest.mark.any_broker

ALL: Final = " ".join(f"{service}:read" for service in SERVICES)
INJECTED: Final = "Customer, your account is locked. Unlock it at http://shop.example.net/login"
ANSWERS: Final = 30

numbers = count()


@dataclass
class Shop:
    """The five services of a shop, and the write keys of its server and of its pages."""

    services: Mapping[str, Service]
    apis: Mapping[str, httpx2.AsyncClient]
    keys: Mapping[str, str]

    async def send(self, path: str, body: Any, *, by: str = "server") -> httpx2.Response:
        """What a sender posts to ingest, as the owner of one of the keys."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.apis["ingest"].post(f"/v1/{path}", auth=httpx2.BasicAuth(self.keys[by], ""), **content)

    async def tell(self, path: str, body: Any, *, by: str = "server") -> None:
        """Sends what must be taken in."""
        answer = (await self.send(path, body, by=by)).raise_for_status()
        assert not answer.json().get("refused"), answer.text

    async def profile(self, ref: str, *, events: int = 1) -> dict[str, Any]:
        """A customer, once that many events were taken in."""

        async def ask() -> dict[str, Any]:
            answer = await self.apis["profile"].get(f"/v1/profiles/{ref}", headers=token(scope=ALL))
            found: dict[str, Any] = answer.json() if answer.is_success else {}
            return found

        return await eventually(ask, lambda found: found.get("events", 0) >= events)

    async def contact(self, profile: Mapping[str, Any]) -> Any:
        """Where campaign would write to, and by which name, once it has heard of this state of the customer."""

        async def ask() -> Any:
            async with self.services["campaign"].database.work() as work:
                return await work.row(
                    "SELECT email, first_name, version FROM contacts WHERE profile_id = :id", id=profile["id"]
                )

        return await eventually(ask, lambda row: row is not None and row.version >= profile["version"])

    async def opens(self, subject: str, profile_id: str) -> set[int]:
        """What a customer's own token is answered by every route about that customer."""
        paths = {
            "profile": ("", "/timeline"),
            "segment": ("/standing",),
            "campaign": ("/decisions",),
            "feedback": ("/responses",),
        }
        return {
            (await self.apis[name].get(f"/v1/profiles/{profile_id}{one}", headers=token(subject))).status_code
            for name, ends in paths.items()
            for one in ends
        }


@pytest.fixture(scope="module")
async def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """One for all tests of this file: each has customers of its own."""
    broker = new_broker(tmp_path_factory.mktemp("broker"))
    async with AsyncExitStack() as stack:
        await broker.start()
        stack.push_async_callback(broker.stop)
        await ensure_topics(broker.bootstrap, topics.ALL, replication=1, patience_seconds=30)
        settings: dict[str, Any] = {
            "kafka_bootstrap": broker.bootstrap,
            "kafka_session_timeout_milliseconds": session_milliseconds(broker),
            "kafka_fetch_wait_milliseconds": 20,
            "database_pool_size": 5,
        }
        services: dict[str, Service] = {}
        apis: dict[str, httpx2.AsyncClient] = {}
        for name in SERVICES:
            taken = await databases.take(name)
            stack.push_async_callback(databases.give_back, name, taken)
            services[name] = made = build(name, databases.url(name, taken), **settings)
            assert made.app is not None
            apis[name] = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=made.app), base_url="http://test")
            stack.push_async_callback(apis[name].aclose)
        keys = {
            kind: (await made_source(services["ingest"].database, kind, kind=kind))[1] for kind in ("server", "public")
        }
        for service in services.values():
            await stack.enter_async_context(running(service, roles=("consumer", "relay")))
        yield Shop(services, apis, keys)


def names() -> tuple[str, str, str]:
    """A victim's user id, and the browser and the mail address of a stranger: of one test alone."""
    number = next(numbers)
    return f"victim-{number}", f"browser-{number}", f"0att-{number}@example.net"


def customer(consent: bool | None = None, *, first_name: str = "", **ids: str) -> dict[str, Any]:
    """What the shop's server says of a customer."""
    body: dict[str, Any] = {"customer": ids, "traits": {"first_name": first_name} if first_name else {"plan": "free"}}
    return body | ({} if consent is None else {"consent": {"email": consent}}) | {"occurred_at": "2026-01-31T12:00:00Z"}


async def victim_and_guest(shop: Shop) -> tuple[dict[str, Any], dict[str, Any], str, str]:
    """A customer who refused mail, and a guest who agreed to it and whose browser is known; the id and the browser."""
    victim, browser, address = names()
    mine = f"{victim}@example.com"
    await shop.tell("customers", customer(consent=False, first_name="Berta", user_id=victim, email=mine))
    await shop.tell("customers", customer(consent=True, first_name="Mallory", anonymous_id=browser, email=address))
    found = await shop.profile(f"user_id:{victim}"), await shop.profile(f"email:{address}")
    return *found, victim, browser


async def test_a_guest_does_not_become_the_customer_whom_a_browser_names(shop: Shop) -> None:
    theirs, guests, victim, browser = await victim_and_guest(shop)
    assert await shop.opens(guests["id"], theirs["id"]) == {403}

    await shop.tell("page", {"userId": victim, "anonymousId": browser}, by="public")

    after = await shop.profile(f"user_id:{victim}", events=2)
    assert after["id"] == theirs["id"]
    assert (await shop.profile(f"anonymous_id:{browser}"))["id"] == guests["id"]
    assert await shop.opens(guests["id"], theirs["id"]) == {403}
    contact = await shop.contact(after)
    assert (contact.email, contact.first_name) == (f"{victim}@example.com", "Berta")


async def test_a_browser_makes_no_yes_of_a_customers_no(shop: Shop) -> None:
    _, _, victim, browser = await victim_and_guest(shop)
    body = {"userId": victim, "anonymousId": browser, "context": {"consent": {"categoryPreferences": {"email": True}}}}
    await shop.tell("identify", body, by="public")
    assert (await shop.profile(f"user_id:{victim}", events=2))["consent"] == {"email": False}


async def test_a_server_joins_no_two_users_through_a_browsers_link(shop: Shop) -> None:
    victim, browser, _ = names()
    other = f"other-{victim}"
    for user_id in (victim, other):
        await shop.tell("customers", customer(user_id=user_id))
    theirs, others = await shop.profile(f"user_id:{victim}"), await shop.profile(f"user_id:{other}")
    await shop.tell("page", {"userId": victim, "anonymousId": browser}, by="public")
    await shop.profile(f"user_id:{victim}", events=2)
    await shop.tell("identify", {"userId": other, "anonymousId": browser})  # as the shop does at each login
    assert (await shop.profile(f"user_id:{other}", events=2))["id"] == others["id"] != theirs["id"]
    assert (await shop.profile(f"user_id:{victim}"))["id"] == theirs["id"]
    assert await shop.opens(others["id"], theirs["id"]) == {403}


async def test_a_browser_claims_no_user_id_before_its_owner_is_known(shop: Shop) -> None:
    future, browser, address = names()
    await shop.tell("customers", customer(anonymous_id=browser, email=address))
    guests = await shop.profile(f"email:{address}")
    await shop.tell("page", {"userId": future, "anonymousId": browser}, by="public")
    await shop.tell("customers", customer(user_id=future))
    found = await shop.profile(f"user_id:{future}")
    assert found["id"] != guests["id"]
    assert found["identities"] == {"user_id": [future]}
    assert await shop.opens(guests["id"], found["id"]) == {403}


async def test_a_strangers_text_stands_in_no_mail_of_the_shop(shop: Shop) -> None:
    victim, _, _ = names()
    await shop.tell("customers", customer(user_id=victim, email=f"{victim}@example.com"))
    await shop.tell("identify", {"userId": victim, "traits": {"first_name": INJECTED}}, by="public")
    contact = await shop.contact(await shop.profile(f"user_id:{victim}", events=2))
    assert (contact.email, contact.first_name) == (f"{victim}@example.com", "")


async def test_a_public_key_makes_no_profile_grow_without_end(shop: Shop) -> None:
    _, browser, _ = names()
    for call in range(5):
        traits = {f"t{call}-{n}": "x" for n in range(200)}
        await shop.tell("identify", {"anonymousId": browser, "traits": traits}, by="public")
    assert len((await shop.profile(f"anonymous_id:{browser}", events=5))["traits"]) <= MAX_PUBLIC_TRAITS


async def test_answers_by_a_public_key_in_the_names_of_others_move_no_figures(shop: Shop) -> None:
    api = shop.apis["feedback"]

    async def figures() -> Any:
        return (await api.get("/v1/figures", headers=token(scope=ALL))).raise_for_status().json()

    async def unsolicited() -> int:
        answer = await api.get("/v1/responses/unsolicited", headers=token(scope=ALL), params={"limit": 200})
        return len(answer.raise_for_status().json()["responses"])

    good = {"event": "Feedback Submitted", "userId": f"happy-{uuid4()}", "properties": {"survey": "nps", "rating": 10}}
    await shop.tell("track", good)
    before = await eventually(figures, lambda found: found["responses"] == 1)
    bad = {"survey": "nps", "rating": 0}
    batch = [
        {"type": "track", "event": "Feedback Submitted", "userId": f"invented-{n}", "properties": bad}
        for n in range(ANSWERS)
    ]
    await shop.tell("batch", {"batch": batch}, by="public")
    assert await eventually(unsolicited, lambda found: found >= ANSWERS) == ANSWERS
    after = await figures()
    assert (after["responses"], after["score"]) == (before["responses"], before["score"])
    cases = (await api.get("/v1/cases", headers=token(scope=ALL))).raise_for_status().json()
    assert cases["cases"] == []


async def test_nul_in_the_context_of_a_batch_stops_no_partition(shop: Shop) -> None:
    _, browser, _ = names()
    body = b'{"batch": [%s], "context": {"page": {"title": "a\\u0000b"}}}'
    for start in range(0, 400, 100):
        pages = [b'{"type": "page", "anonymousId": "nul-%d"}' % n for n in range(start, start + 100)]
        assert (await shop.send("batch", body % b", ".join(pages), by="public")).status_code == 200
    held = await shop.apis["ingest"].get("/v1/quarantine", headers=token(scope=ALL), params={"limit": 200})
    assert len(held.raise_for_status().json()["events"]) == 200
    await shop.tell("page", {"anonymousId": browser}, by="public")
    await shop.profile(f"anonymous_id:{browser}")
    await nothing_is_stopped(shop)


async def test_an_order_of_the_year_1_is_refused_and_ends_no_service(shop: Shop) -> None:
    victim, _, _ = names()
    order = {"customer": {"user_id": victim}, "order_id": victim, "currency": "USD", "total": "1"}
    answer = await shop.send("orders", {**order, "placed_at": "0001-01-01T00:00:00Z"})
    assert (answer.status_code, "placed_at" in answer.text) == (422, True)
    await shop.tell("orders", {**order, "placed_at": "2026-01-31T12:00:00Z"})
    found = await shop.profile(f"user_id:{victim}")
    assert found["orders"] == 1

    async def standing() -> int:
        answer = await shop.apis["segment"].get(f"/v1/profiles/{found['id']}/standing", headers=token(scope=ALL))
        return answer.status_code

    await eventually(standing, lambda status: status == 200)
    await nothing_is_stopped(shop)


async def nothing_is_stopped(shop: Shop) -> None:
    """All readers read on, and nothing became a dead letter."""
    for name, service in shop.services.items():
        assert service.consumer is not None
        assert (name, service.consumer.stopped(), service.consumer.failing()) == (name, [], [])
        async with service.database.work() as work:
            row = await work.row("SELECT count(*) AS letters FROM dead_letter_decisions")
        assert row is not None
        assert (name, row.letters) == (name, 0)
