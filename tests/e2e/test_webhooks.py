"""Each vendor's signed deliveries, from a source that an operator made through to a customer's profile."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import httpx2
import pytest

from deploy.local.stack import Stack
from shared.service.clock import SystemClock
from tests.support.profiles import Profiles
from tests.support.webhooks import TILL, signed

pytestmark = pytest.mark.any_broker

SECRET: Final = "whsec_c2l4dGVlbiByYW5kb20gYnl0ZXM="
Said = tuple[Mapping[str, str], Any]


@dataclass(frozen=True)
class Shop:
    """What a vendor delivers of one customer: an order of 52.47 of which 12.49 went back, and what else it tells."""

    form: str
    deliveries: Sequence[Said]
    types: Sequence[str]  # of the events in the profile
    spend_minor: int
    mapping: Mapping[str, Any] | None = None


def _shopify(who: str) -> Shop:
    customer = {
        "id": who,
        "email": f"{who}@example.com",
        "first_name": "Zoë",
        "updated_at": "2026-03-01T10:00:00+01:00",
    }
    order = {
        "id": f"{who}-1",
        "currency": "EUR",
        "total_price": "52.47",
        "created_at": "2026-03-01T11:00:00+01:00",
        "customer": customer,
        "line_items": [
            {"sku": "sencha", "title": "Sencha", "quantity": 2, "price": "19.99"},
            {"sku": "whisk", "title": "Whisk", "quantity": 1, "price": "12.49"},
        ],
    }
    fulfillment = {"id": 7, "order_id": f"{who}-1", "status": "success", "created_at": "2026-03-02T11:00:00+01:00"}
    refund = {
        "id": 8,
        "order_id": f"{who}-1",
        "created_at": "2026-03-03T11:00:00+01:00",
        "transactions": [{"kind": "refund", "status": "success", "amount": "12.49", "currency": "EUR"}],
    }
    told = {"customers/create": customer, "orders/create": order, "fulfillments/create": fulfillment}
    return Shop(
        "shopify",
        [
            ({"x-shopify-topic": topic, "x-shopify-event-id": f"{who}-{topic}"}, body)
            for topic, body in {**told, "refunds/create": refund}.items()
        ],
        ("customer_identified", "order_placed", "order_shipped", "order_refunded"),
        39_98,
    )


def _woocommerce(who: str) -> Shop:
    billing = {"email": f"{who}@example.com", "first_name": "Zoë"}
    customer = {
        "id": who,
        "email": f"{who}@example.com",
        "first_name": "Zoë",
        "date_created_gmt": "2026-03-01T09:00:00",
    }
    order = {
        "id": f"{who}-1",
        "status": "processing",
        "currency": "EUR",
        "total": "52.47",
        "customer_id": who,
        "billing": billing,
        "date_created_gmt": "2026-03-01T10:00:00",
        "line_items": [{"sku": "sencha", "name": "Sencha", "quantity": 2, "total": "52.47"}],
    }
    later = {"date_modified_gmt": "2026-03-03T10:00:00", "refunds": [{"id": 9, "total": "-12.49"}]}
    told = [("customer.created", customer), ("order.created", order), ("order.updated", {**order, **later})]
    return Shop(
        "woocommerce",
        [({"x-wc-webhook-topic": topic, "x-wc-webhook-delivery-id": f"{who}-{topic}"}, body) for topic, body in told],
        ("customer_identified", "order_placed", "order_placed", "order_refunded"),
        39_98,
    )


def _stripe(who: str) -> Shop:
    customer = {"id": who, "created": 1_772_355_600, "email": f"{who}@example.com", "name": "Zoë"}
    charge = {
        "id": f"ch_{who}",
        "amount": 52_47,
        "currency": "eur",
        "created": 1_772_359_200,
        "customer": who,
        "payment_intent": f"pi_{who}",
        "metadata": {"order_id": f"{who}-1"},
    }
    refund = {
        "id": f"re_{who}",
        "amount": 12_49,
        "currency": "eur",
        "created": 1_772_532_000,
        "payment_intent": f"pi_{who}",
        "status": "succeeded",
    }
    told = {"customer.created": customer, "charge.succeeded": charge, "refund.created": refund}
    return Shop(
        "stripe",
        [
            ({}, {"id": f"evt_{who}_{n}", "type": kind, "created": body["created"], "data": {"object": body}})
            for n, (kind, body) in enumerate(told.items())
        ],
        ("customer_identified", "order_placed", "order_refunded"),
        39_98,
    )


def _standard(who: str) -> Shop:
    receipts = [
        {"kind": "sale", "receipt": f"{who}-1", "card": who, "sum": "52,47"},
        {"kind": "sale", "receipt": f"{who}-2", "card": who, "sum": "1.059,90"},
    ]
    deliveries = [({"webhook-id": f"{who}-{n}"}, one) for n, one in enumerate(receipts)]
    return Shop("standard-webhooks", deliveries, ("order_placed", "order_placed"), 1_112_37, TILL)


def _json(who: str) -> Shop:
    receipt = {"kind": "sale", "receipt": f"{who}-1", "card": who, "sum": "52,47"}
    return Shop("json", [({}, receipt)], ("order_placed",), 52_47, TILL)


SHOPS: Final = pytest.mark.parametrize("shop_of", [_shopify, _woocommerce, _stripe, _standard, _json])


@pytest.fixture
async def ingest(front: Stack) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=front.url("ingest"), trust_env=False) as http:
        yield http


async def _made(ingest: httpx2.AsyncClient, front: Stack, shop: Shop, who: str) -> str:
    # In the common space, as the marker that the front sends after them is.
    said = {"name": f"{shop.form} of {who}", "format": shop.form, "secret": SECRET, "id_space": ""}
    answer = await ingest.post(
        "/v1/sources",
        headers={"Authorization": f"Bearer {front.admin_token}"},
        json=said if shop.mapping is None else {**said, "mapping": shop.mapping},
    )
    assert answer.status_code == httpx2.codes.CREATED, answer.text
    return str(answer.json()["id"])


async def _deliver(
    ingest: httpx2.AsyncClient, source: str, shop: Shop, said: Said, *, secret: str = SECRET
) -> httpx2.Response:
    headers, body = said
    raw = json.dumps(body).encode()
    signature = signed(shop.form, secret, raw, at=SystemClock().now(), webhook_id=headers.get("webhook-id", "msg_1"))
    return await ingest.post(
        f"/v1/webhooks/{source}",
        content=raw,
        headers={"Content-Type": "application/json", **headers, **signature},
    )


@SHOPS
async def test_what_a_vendor_delivers_reaches_its_customers_profile_and_once_however_often_it_comes(
    shop_of: Any, front: Stack, ingest: httpx2.AsyncClient, profiles: Profiles
) -> None:
    who = f"u-{uuid4().hex[:8]}"
    shop: Shop = shop_of(who)
    source = await _made(ingest, front, shop, who)
    for _ in range(2):  # vendors deliver again what they believe was not taken
        for said in shop.deliveries:
            answer = await _deliver(ingest, source, shop, said)
            assert answer.status_code == httpx2.codes.OK, answer.text
            assert answer.json()["events"] > 0, answer.text
            assert answer.json()["quarantined"] == 0, answer.text
    marker = {"userId": who, "type": "track", "event": "All Delivered", "messageId": f"{who}-last"}
    sent = await ingest.post("/v1/track", json=marker, auth=(front.write_key, ""))
    assert sent.status_code == httpx2.codes.OK, sent.text  # it lies behind all others in its partition
    profile = await profiles.with_events(who, len(shop.types) + 1)
    timeline = [event for event in await profiles.timeline(who) if event["body"].get("name") != "All Delivered"]
    types = [event["type"].removeprefix("rapport.").rpartition(".")[0] for event in timeline]
    assert sorted(types) == sorted(shop.types)
    assert profile["events"] == len(shop.types) + 1
    assert profile["identities"]["user_id"] == [who]
    assert profile["spend_minor"] == {"EUR": shop.spend_minor}
    assert {event["source_id"] for event in timeline} == {source}


@SHOPS
async def test_a_delivery_with_another_secrets_signature_is_401_and_nobodys_event(
    shop_of: Any, front: Stack, ingest: httpx2.AsyncClient, profiles: Profiles
) -> None:
    who = f"u-{uuid4().hex[:8]}"
    shop: Shop = shop_of(who)
    source = await _made(ingest, front, shop, who)
    answer = await _deliver(ingest, source, shop, shop.deliveries[0], secret="whsec_YW5vdGhlciBvbmUncyBzZWNyZXQh")
    assert answer.status_code == httpx2.codes.UNAUTHORIZED, answer.text
    assert await profiles.of(who) == {}
