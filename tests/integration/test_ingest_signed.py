"""What a signature, a key or an origin vouches for, and what it does not: over HTTP, as a stranger would try it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from services.ingest.service.fact_keys import KEYS_KEPT
from services.ingest.worker import StatsWriter
from shared.contracts.events import PageViewed
from tests.conftest import DatabaseFactory
from tests.integration.test_ingest_desk import ask, asked, edit
from tests.integration.test_ingest_desk import write_down as let_the_clerk_run
from tests.integration.test_ingest_ways import key, problem_of
from tests.integration.test_ingest_webhooks import DELIVERIES, SALE, delivered, make
from tests.support.ingest import Ingest, ingesting
from tests.support.typed import TYPED

UNNAMED = {"rules": [{"event": "Till Opened", "fields": {"userId": "card"}}]}


@pytest.fixture
async def ingest(database_factory: DatabaseFactory) -> AsyncIterator[Ingest]:
    async with ingesting(await database_factory("ingest")) as made:
        yield made


# Webhooks


@pytest.mark.parametrize("form", ["shopify", "woocommerce", "json"])
async def test_one_captured_delivery_stays_one_event_whatever_its_unsigned_headers_say(
    ingest: Ingest, form: str
) -> None:
    _, body, _ = DELIVERIES[form]
    source_id = await make(ingest, form, **({"mapping": UNNAMED} if form == "json" else {}))
    topics = {"shopify": ("orders/create", "orders/paid"), "woocommerce": ("order.created", "order.updated")}
    for topic in topics.get(form, ("", "")):
        for n in range(3):
            headers = {f"{name}-id": f"{n}" for name in ("webhook", "x-shopify-event", "x-wc-webhook-delivery")}
            headers |= {"x-shopify-topic": topic, "x-wc-webhook-topic": topic, "x-shopify-webhook-id": f"{n}"}
            assert (await delivered(ingest, source_id, form, body, headers))["events"] == 1
    assert len({event.event_id for event in ingest.publisher.events}) == 1


async def test_an_order_that_comes_again_as_a_customer_is_kept_and_means_nothing(ingest: Ingest) -> None:
    source_id = await make(ingest, "shopify")
    _, body, _ = DELIVERIES["shopify"]
    taken = await delivered(ingest, source_id, "shopify", body, {"x-shopify-topic": "customers/update"})
    assert (taken["events"], taken["quarantined"]) == (0, 1)
    [held] = await ingest.quarantined()
    assert (held["reason_code"], held["reason"]) == (
        "format",
        "X-Shopify-Topic: 'customers/update' is about Customer, and the body is Order",
    )


async def test_an_id_counts_where_the_signature_or_the_write_key_vouches_for_it(ingest: Ingest) -> None:
    signs = await make(ingest, "standard-webhooks", mapping=UNNAMED)
    keyed = await make(ingest, "json", mapping=UNNAMED, secret=None)
    for n in range(2):
        ingest.clock.moment += timedelta(seconds=1)
        await delivered(ingest, signs, "standard-webhooks", {**SALE, "n": n}, {})
        response = await ingest.post(f"webhooks/{keyed}", SALE, key="json", headers={"webhook-id": f"w-{n}"})
        assert response.json()["events"] == 1
    by_source: dict[str, set[UUID]] = {}
    for event in ingest.publisher.events:
        by_source.setdefault(event.source_id, set()).add(event.event_id)
    assert {source: len(ids) for source, ids in by_source.items()} == {str(signs): 1, str(keyed): 2}


# The pixel


async def pixel(ingest: Ingest, source: str = "public", **headers: str) -> int:
    """Shows the image once; how many events came of it."""
    before = len(ingest.publisher.messages)
    parameters = {"writeKey": ingest.keys[source], "anonymousId": "a-1", "event": "Letter Opened"}
    response = await ingest.http.get("/v1/pixel.gif", params=parameters, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/gif")
    return len(ingest.publisher.messages) - before


async def test_the_pixel_takes_no_key_of_a_server(ingest: Ingest) -> None:
    assert await pixel(ingest) == 1
    assert await pixel(ingest, "server") == 0


async def test_the_pixel_counts_only_on_pages_that_its_source_allows(ingest: Ingest) -> None:
    assert await pixel(ingest, Referer="https://anywhere.example/") == 1
    await edit(ingest, "public", allowed_origins=["https://shop.example"])
    assert await pixel(ingest, Referer="https://shop.example/tea?x=1") == 1
    assert await pixel(ingest, Referer="https://SHOP.example") == 1
    assert await pixel(ingest, Origin="https://shop.example") == 1
    for headers in (
        {"Referer": "https://evil.example/"},
        {"Referer": "https://shop.example.evil.example/"},
        {"Referer": "https://shop.example@evil.example/"},
        {"Referer": "http://[shop.example/"},
        {"Referer": "about:blank"},
        {"Origin": "null"},
        {"Origin": "https://evil.example", "Referer": "https://shop.example/"},
        {},
    ):
        assert await pixel(ingest, **headers) == 0, headers


# Write keys


async def test_no_more_than_two_keys_of_a_source_work_at_one_time(ingest: Ingest) -> None:
    path = f"sources/{ingest.ids['server']}"
    await asked(ingest, "POST", f"{path}/keys", {"grace_hours": 24})
    third = await ask(ingest, "POST", f"{path}/keys", {"grace_hours": 24})
    assert problem_of(third, 409, "keys-in-use").startswith("wait until 2026-02-01 12:00Z, when one of them ends")
    assert len((await asked(ingest, "GET", path))["keys"]) == 2
    await asked(ingest, "POST", f"{path}/keys", {"grace_hours": 0})  # a key that leaked is taken away at any time
    assert len((await asked(ingest, "GET", path))["keys"]) == 1
    await asked(ingest, "POST", f"{path}/keys", {"grace_hours": 1})
    ingest.clock.moment += timedelta(hours=1)
    await asked(ingest, "POST", f"{path}/keys", {"grace_hours": 1})


# Idempotency keys


async def taken(ingest: Ingest, kind: str, body: Any, key_: str = "k-1", source: str = "server") -> httpx2.Response:
    return await ingest.post(kind, body, headers=key(key_), key=source)


async def test_another_body_under_a_used_key_is_422_and_the_first_one_stands(ingest: Ingest) -> None:
    body = TYPED["page-views"]
    first = await taken(ingest, "page-views", body)
    assert (await taken(ingest, "page-views", dict(reversed(body.items())))).json() == first.json()
    other = await taken(ingest, "page-views", {**body, "path": "/elsewhere"})
    assert problem_of(other, 422, "key-used") == (
        "Idempotency-Key: used before with another body; send one key for each fact"
    )
    assert {type(event.body) for event in ingest.publisher.events} == {PageViewed}
    assert len({event.event_id for event in ingest.publisher.events}) == 1
    assert await ingest.quarantined() == []


async def test_a_key_is_of_its_source_and_its_kind_of_fact(ingest: Ingest) -> None:
    for kind, source in (("page-views", "server"), ("page-views", "public"), ("events", "server")):
        assert (await taken(ingest, kind, TYPED[kind], source=source)).status_code == 202
    assert len({event.event_id for event in ingest.publisher.events}) == 3


async def test_a_key_whose_fact_was_refused_can_be_used_again(ingest: Ingest) -> None:
    wrong = {**TYPED["refunds"], "currency": "Euro"}
    assert problem_of(await taken(ingest, "refunds", wrong), 422, "refused")
    assert (await taken(ingest, "refunds", TYPED["refunds"])).status_code == 202


async def test_a_key_whose_fact_could_not_be_published_is_sent_again_with_the_same_body(ingest: Ingest) -> None:
    ingest.publisher.away = True
    first = await taken(ingest, "page-views", TYPED["page-views"])
    ingest.publisher.away = False
    assert (await taken(ingest, "page-views", TYPED["page-views"])).json() == first.json()


async def test_while_postgresql_is_away_facts_are_taken_and_not_compared(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await taken(ingest, "page-views", TYPED["page-views"], "k-0")).status_code == 202

    def away() -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(ingest.service.database, "statement", away)
    assert (await taken(ingest, "page-views", TYPED["page-views"])).status_code == 202


async def test_what_was_said_under_a_key_is_forgotten_after_a_while(ingest: Ingest) -> None:
    await taken(ingest, "page-views", TYPED["page-views"])
    await let_the_clerk_run(ingest)
    assert (await taken(ingest, "page-views", {**TYPED["page-views"], "path": "/x"})).status_code == 422
    ingest.clock.moment += KEYS_KEPT + timedelta(seconds=1)
    stats_writer = StatsWriter(ingest.service.database, ingest.intake.stats, timedelta(days=90), lambda: None)
    assert await stats_writer._forget()
    assert (await taken(ingest, "page-views", {**TYPED["page-views"], "path": "/x"})).status_code == 202
