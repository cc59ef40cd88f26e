"""Webhooks on the whole service: signed deliveries become events, and no other does anything."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from services.ingest.service import source_stats
from shared.contracts import topics
from shared.contracts.envelope import Event
from shared.contracts.events import OrderPlaced, OrderRefunded
from shared.contracts.identity import Identity, user_ids_of
from tests.conftest import DatabaseFactory
from tests.integration.test_ingest_ways import nothing_came_of_it, problem_of
from tests.support.ingest import Ingest, bearer, ingesting
from tests.support.webhooks import TILL, signed
from tests.unit.ingest import test_ingest_shopify as shopify
from tests.unit.ingest import test_ingest_stripe as stripe
from tests.unit.ingest import test_ingest_woocommerce as woocommerce

ADMIN = bearer("ingest:admin", "ingest:read", "ingest:write")
SECRETS = {
    "shopify": "shpss_a secret",
    "woocommerce": "w$c secret",
    "stripe": "whsec_of_stripe",
    "standard-webhooks": "whsec_" + base64.b64encode(b"a key of 24 random bytes").decode(),
    "json": "a shared secret",
}
SALE: dict[str, Any] = {"kind": "sale", "receipt": "R-7", "card": "42", "sum": "1.059,90"}
SOLD = OrderPlaced(order_id="R-7", currency="EUR", total_minor=105990, state="placed")
DELIVERIES: dict[str, tuple[dict[str, str], Any, str]] = {
    "shopify": ({"x-shopify-topic": "orders/create", "x-shopify-event-id": "e-1"}, shopify.ORDER, "450001"),
    "woocommerce": (
        {"x-wc-webhook-topic": "order.created", "x-wc-webhook-delivery-id": "d-1"},
        woocommerce.ORDER,
        "7300",
    ),
    "stripe": ({}, stripe.wrapped("charge.succeeded", stripe.CHARGE), "A-77"),
    "standard-webhooks": ({}, SALE, "R-7"),
    "json": ({}, SALE, "R-7"),
}


@pytest.fixture
async def ingest(database_factory: DatabaseFactory) -> AsyncIterator[Ingest]:
    async with ingesting(await database_factory("ingest")) as made:
        yield made


async def make(ingest: Ingest, form: str, **fields: Any) -> UUID:
    """A source of webhooks, made as an operator makes it, of the common space; its key is kept under the format's
    name.
    """
    mapping = {"mapping": TILL} if form in ("json", "standard-webhooks") else {}
    body = {"name": form, "format": form, "secret": SECRETS[form], "id_space": "", **mapping, **fields}
    response = await ingest.http.post("/v1/sources", headers=ADMIN, json=body)
    assert response.status_code == 201, response.text
    ingest.keys[form] = response.json()["write_key"]
    return UUID(response.json()["id"])


async def edit(ingest: Ingest, source_id: UUID, **changes: Any) -> None:
    path = f"/v1/sources/{source_id}"
    tag = (await ingest.http.get(path, headers=ADMIN)).headers["etag"]
    response = await ingest.http.patch(path, headers={**ADMIN, "If-Match": tag}, json=changes)
    assert response.status_code == 200, response.text
    ingest.clock.moment += timedelta(seconds=10)  # what is kept in memory is older than that now


async def deliver(
    ingest: Ingest, source_id: UUID, form: str, body: Any, headers: dict[str, str] | None = None, secret: str = ""
) -> httpx2.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = signed(form, secret or SECRETS[form], raw, at=ingest.clock.now())
    return await ingest.http.post(
        f"/v1/webhooks/{source_id}",
        content=raw,
        headers={"Content-Type": "application/json", **(headers or {}), **signature},
    )


async def delivered(ingest: Ingest, *delivery: Any) -> dict[str, Any]:
    response = await deliver(ingest, *delivery)
    assert response.status_code == 200, response.text
    taken: dict[str, Any] = response.json()
    return taken


async def release(ingest: Ingest, payload: dict[str, Any]) -> dict[str, Any]:
    response = await ingest.http.post(f"/v1/quarantine/{payload['id']}/release", headers=ADMIN, json={})
    released: dict[str, Any] = response.json()
    return released


async def waiting(ingest: Ingest) -> list[Event]:
    async with ingest.service.database.work() as work:
        return list(await work.outbox.waiting(topics.EVENTS))


@pytest.mark.parametrize("form", sorted(DELIVERIES))
async def test_a_signed_delivery_of_each_format_is_its_order_once(ingest: Ingest, form: str) -> None:
    headers, body, order_id = DELIVERIES[form]
    source_id = await make(ingest, form)
    for _ in range(2):
        assert await delivered(ingest, source_id, form, body, headers) == {
            "events": 1,
            "quarantined": 0,
            "ignored": None,
        }
    first, again = ingest.publisher.events
    assert isinstance(first.body, OrderPlaced)
    assert (first.body.order_id, first.source_id, first.unverified) == (order_id, str(source_id), False)
    assert (again.event_id, again.body) == (first.event_id, first.body)


@pytest.mark.parametrize("form", sorted(DELIVERIES))
async def test_a_bad_signature_is_401_and_nothing_is_kept(ingest: Ingest, form: str) -> None:
    headers, body, _ = DELIVERIES[form]
    source_id = await make(ingest, form)
    raw = json.dumps(body).encode()
    right = {**headers, **signed(form, SECRETS[form], raw)}
    other = "whsec_" + base64.b64encode(b"another key").decode() if form == "standard-webhooks" else "another secret"
    for sent, wrong in (
        (raw + b" ", right),
        (raw, headers),
        (raw, {**headers, **signed(form, other, raw)}),
        (b"", right),
    ):
        response = await ingest.http.post(f"/v1/webhooks/{source_id}", content=sent, headers=wrong)
        assert problem_of(response, 401, "badly-signed")
        assert response.headers["www-authenticate"] == "Signature"
    assert await nothing_came_of_it(ingest)


@pytest.mark.parametrize("form", ["stripe", "standard-webhooks"])
async def test_a_signed_delivery_that_is_sent_again_much_later_is_401(ingest: Ingest, form: str) -> None:
    headers, body, _ = DELIVERIES[form]
    source_id, raw = await make(ingest, form), json.dumps(body).encode()
    old = {**headers, **signed(form, SECRETS[form], raw)}
    ingest.clock.moment += timedelta(minutes=5, seconds=1)
    response = await ingest.http.post(f"/v1/webhooks/{source_id}", content=raw, headers=old)
    assert "more than 5 minutes from now" in problem_of(response, 401, "badly-signed")
    assert await nothing_came_of_it(ingest)


async def test_a_changed_secret_is_in_force_within_ten_seconds(ingest: Ingest) -> None:
    headers, body, _ = DELIVERIES["shopify"]
    source_id = await make(ingest, "shopify")
    await delivered(ingest, source_id, "shopify", body, headers)
    await edit(ingest, source_id, secret="the new secret")
    assert (await deliver(ingest, source_id, "shopify", body, headers)).status_code == 401
    assert (await deliver(ingest, source_id, "shopify", body, headers, "the new secret")).status_code == 200
    await edit(ingest, source_id, secret=None)
    response = await deliver(ingest, source_id, "shopify", body, headers, "the new secret")
    assert "no secret yet" in problem_of(response, 401, "badly-signed")


async def test_a_refund_before_its_order_waits_for_it_and_goes_to_the_orders_owner(ingest: Ingest) -> None:
    source_id = await make(ingest, "shopify")

    async def tell(topic: str, body: Any, event_id: str) -> dict[str, Any]:
        headers = {"x-shopify-topic": topic, "x-shopify-event-id": event_id}
        return await delivered(ingest, source_id, "shopify", body, headers)

    assert await tell("refunds/create", shopify.REFUND, "e-1") == {"events": 0, "quarantined": 1, "ignored": None}
    [held] = await ingest.quarantined()
    assert (held["way"], held["reason_code"]) == ("webhook", "identity")
    too_early = await release(ingest, held)
    assert (too_early["released"], too_early["reason"][:26]) == (False, "identity: nobody is named;")

    await tell("orders/create", shopify.ORDER, "e-2")  # and it finds its order by itself
    [refunded] = await waiting(ingest)
    assert refunded.body == OrderRefunded(order_id="450001", refund_id="9001", currency="EUR", amount_minor=3150)
    assert refunded.identities == shopify.MINA
    assert (await release(ingest, held))["released"]

    await tell("refunds/create", {**shopify.REFUND, "id": 9002}, "e-3")  # now its owner is known
    placed, second = ingest.publisher.events
    assert second.identities == placed.identities == shopify.MINA
    await tell("refunds/create", shopify.REFUND, "e-1")  # the first one, which the shop sends again
    assert ingest.publisher.events[-1].event_id == refunded.event_id


async def test_a_refund_finds_an_order_that_another_source_of_its_space_told(ingest: Ingest) -> None:
    shop = await make(ingest, "shopify", id_space="shop-a")
    other = await make(ingest, "shopify", name="the shop's other app", id_space="shop-a")
    stranger = await make(ingest, "shopify", name="another shop", id_space="shop-b")
    headers = {"x-shopify-topic": "refunds/create"}
    for source_id in (other, stranger):
        assert (await delivered(ingest, source_id, "shopify", shopify.REFUND, headers))["quarantined"] == 1
    await delivered(ingest, shop, "shopify", shopify.ORDER, {"x-shopify-topic": "orders/create"})

    [refunded] = await waiting(ingest)
    assert (refunded.source_id, refunded.space) == (str(other), "shop-a")
    assert Identity(user_ids_of("shop-a"), shopify.MINA[0].value) in refunded.identities
    assert [one["source"] for one in await ingest.quarantined() if one["state"] == "held"] == ["another shop"]


async def test_an_order_of_nobody_known_is_passed_over_and_so_is_all_that_is_about_it(ingest: Ingest) -> None:
    source_id = await make(ingest, "shopify")
    nobody = {"customer": None, "email": "", "contact_email": None, "phone": None}
    till = {name: value for name, value in shopify.ORDER.items() if name not in ("billing_address", "shipping_address")}
    for topic, body in (("orders/create", {**till, **nobody}), ("refunds/create", shopify.REFUND)):
        found = await delivered(ingest, source_id, "shopify", body, {"x-shopify-topic": topic})
        assert (found["events"], found["quarantined"]) == (0, 0)
        assert "nobody known" in found["ignored"]
    assert await ingest.quarantined() == []


async def test_a_new_source_of_a_shops_webhooks_has_a_space_of_its_own(ingest: Ingest) -> None:
    async def space(source_id: UUID) -> str:
        found = await ingest.http.get(f"/v1/sources/{source_id}", headers=ADMIN)
        return str(found.json()["id_space"])

    for form in ("stripe", "json"):
        assert await space(await make(ingest, form, id_space=None)) == ""
    for form in ("shopify", "woocommerce"):
        source_id = await make(ingest, form, id_space=None)
        assert await space(source_id) == f"{form}-{source_id.hex[-8:]}"
        await edit(ingest, source_id, id_space="shop-a")
        assert await space(source_id) == "shop-a"


async def test_stripes_refund_finds_the_order_that_its_payment_stands_for(ingest: Ingest) -> None:
    source_id = await make(ingest, "stripe")
    charged = stripe.wrapped("charge.succeeded", stripe.CHARGE)
    assert (await delivered(ingest, source_id, "stripe", charged))["events"] == 1
    for n, names in enumerate(({}, {"payment_intent": None})):
        refunded = stripe.wrapped("refund.created", {**stripe.REFUND, **names}, f"evt_refund_{n}")
        assert (await delivered(ingest, source_id, "stripe", refunded))["events"] == 1
        placed, refund = ingest.publisher.events[0], ingest.publisher.events[-1]
        assert isinstance(refund.body, OrderRefunded)
        assert (refund.body.order_id, refund.body.refund_id, refund.body.amount_minor) == ("A-77", "re_1", 1050)
        assert refund.identities == placed.identities == stripe.NELE


async def test_an_order_that_is_released_has_its_owner_too(ingest: Ingest) -> None:
    source_id = await make(ingest, "shopify")
    strict = {"events": {"Order Completed": {"mode": "enforce", "properties": {"required": ["nothing has it"]}}}}
    assert (await ingest.http.put(f"/v1/sources/{source_id}/plan", headers=ADMIN, json=strict)).status_code == 200
    headers = {"x-shopify-topic": "orders/create", "x-shopify-event-id": "e-1"}
    assert (await delivered(ingest, source_id, "shopify", shopify.ORDER, headers))["quarantined"] == 1
    await ingest.http.put(f"/v1/sources/{source_id}/plan", headers=ADMIN, json={"events": {}})
    ingest.clock.moment += timedelta(seconds=10)
    [held] = await ingest.quarantined()
    assert (await release(ingest, held))["events"] == 1
    headers = {"x-shopify-topic": "refunds/create", "x-shopify-event-id": "e-2"}
    assert (await delivered(ingest, source_id, "shopify", shopify.REFUND, headers))["events"] == 1
    assert ingest.publisher.events[-1].identities == shopify.MINA


async def test_the_same_bytes_about_another_topic_are_kept_beside_each_other(ingest: Ingest) -> None:
    source_id = await make(ingest, "shopify")
    for n, topic in enumerate(("orders/create", "orders/updated", "orders/create")):
        headers = {"x-shopify-topic": topic, "x-shopify-triggered-at": f"2026-01-31T12:00:0{n}Z"}
        await delivered(ingest, source_id, "shopify", {**shopify.ORDER, "currency": "Euro"}, headers)
    assert len(await ingest.quarantined()) == 2


async def test_a_source_of_webhooks_may_send_the_other_ways_too(ingest: Ingest) -> None:
    await make(ingest, "shopify")
    small = {"specversion": "1.0", "source": "/a", "type": "b", "subject": "user_id:1"}
    batch = [{**small, "id": str(n)} for n in range(3)]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    responses = [await ingest.post("cloudevents", body, key="shopify", headers=headers) for body in (batch, [])]
    assert [one.json()["accepted"] for one in responses] == [3, 0]
    assert len(ingest.publisher.messages) == 3


async def test_an_orders_owner_is_the_same_sources_and_the_last_that_was_said(ingest: Ingest) -> None:
    source_id = await make(ingest, "woocommerce", id_space="shop-a")
    other_id = await make(ingest, "woocommerce", name="another shop", id_space="shop-b")

    async def tell(to: UUID, topic: str, body: Any) -> dict[str, Any]:
        return await delivered(ingest, to, "woocommerce", body, {"x-wc-webhook-topic": topic})

    await tell(source_id, "order.created", {**woocommerce.ORDER, "customer_id": 0})
    await tell(source_id, "order.updated", {**woocommerce.ORDER, "customer_id": 88})
    assert await tell(other_id, "order.deleted", {"id": 7300}) == {"events": 0, "quarantined": 1, "ignored": None}
    assert (await tell(source_id, "order.deleted", {"id": 7300}))["events"] == 1
    user, *others = woocommerce.TOMAS
    assert ingest.publisher.events[-1].identities == (Identity(user_ids_of("shop-a"), user.value), *others)


async def test_a_delivery_that_cant_be_understood_is_200_and_kept_without_its_signature(ingest: Ingest) -> None:
    source_id = await make(ingest, "shopify")
    headers = {"x-shopify-topic": "orders/create", "x-shopify-event-id": "e-1"}
    for body in (b"no JSON", {**shopify.ORDER, "currency": "Euro"}):
        taken = await delivered(ingest, source_id, "shopify", body, headers)
        assert taken == {"events": 0, "quarantined": 1, "ignored": None}
    assert sorted(one["reason_code"] for one in await ingest.quarantined()) == ["currency", "malformed"]
    async with ingest.service.database.work() as work:
        rows = await work.rows("SELECT around FROM quarantine")
    assert [row.around["headers"] for row in rows] == [{"content-type": "application/json", **headers}] * 2
    assert ingest.publisher.messages == []


async def test_what_is_nothing_to_us_is_200_and_says_why(ingest: Ingest) -> None:
    source_id = await make(ingest, "shopify")
    for topic, body, why in (
        ("products/update", {"id": 7}, "topic products/update"),
        ("orders/create", {**shopify.ORDER, "test": True}, "orders/create: an order of a test"),
    ):
        taken = await delivered(ingest, source_id, "shopify", body, {"x-shopify-topic": topic})
        assert taken == {"events": 0, "quarantined": 0, "ignored": why}
    till = await make(ingest, "json")
    assert (await delivered(ingest, till, "json", {"kind": "refund"}))["ignored"] == "no rule of the mapping applies"
    assert await nothing_came_of_it(ingest)


async def test_a_shops_page_says_which_of_the_topics_that_it_needs_never_came(ingest: Ingest) -> None:
    source_id = await make(ingest, "woocommerce")
    for topic, body in (("order.created", woocommerce.ORDER), ("order.updated", {}), ("product.updated", {"id": 7})):
        await delivered(ingest, source_id, "woocommerce", body, {"x-wc-webhook-topic": topic})
    async with ingest.service.database.work() as work:
        await source_stats.write(work, ingest.intake.stats.take())
    page = (await ingest.http.get(f"/v1/sources/{source_id}", headers=ADMIN)).json()
    assert page["missing_topics"] == ["order.deleted", "order.restored", "customer.created", "customer.updated"]
    every = (await ingest.http.get("/v1/sources", headers=ADMIN)).json()["sources"]
    assert {one["id"]: one["missing_topics"] for one in every} == {
        **{str(one): [] for one in ingest.ids.values()},
        str(source_id): page["missing_topics"],
    }
    figures = (await ingest.http.get(f"/v1/sources/{source_id}/figures", headers=ADMIN)).json()["figures"]
    came = [(one["reason"], one["events"]) for one in figures if one["outcome"] == "topic"]
    assert came == [("order.created", 1), ("order.updated", 1)]  # a delivery that was refused came, too


async def test_woocommerces_trial_of_a_new_webhook_is_answered_200(ingest: Ingest) -> None:
    source_id = await make(ingest, "woocommerce")
    response = await ingest.http.post(f"/v1/webhooks/{source_id}", data={"webhook_id": "17"})
    assert (response.status_code, response.json()["ignored"]) == (200, "topic (none)")
    assert await nothing_came_of_it(ingest)


async def test_an_address_of_no_source_of_webhooks_is_404(ingest: Ingest) -> None:
    source_id = await make(ingest, "json")
    for nobody in (uuid4(), ingest.ids["server"]):
        response = await deliver(ingest, nobody, "json", SALE)
        assert problem_of(response, 404, "unknown-source") == f"no source of webhooks {nobody}"
    await ingest.http.post(f"/v1/sources/{source_id}/disable", headers=ADMIN)
    assert (await deliver(ingest, source_id, "json", SALE)).status_code == 404
    assert (await ingest.http.post("/v1/webhooks/no-id", content=b"{}")).status_code == 422
    assert await nothing_came_of_it(ingest)


async def test_a_delivery_may_be_larger_than_a_batch_and_not_larger_than_two_megabytes(ingest: Ingest) -> None:
    source_id = await make(ingest, "json")
    assert (await delivered(ingest, source_id, "json", {**SALE, "scan": "x" * 1_900_000}))["events"] == 1
    large = await deliver(ingest, source_id, "json", {**SALE, "scan": "x" * 2_000_000})
    assert problem_of(large, 400, "not-readable").startswith("body: larger than 2000000 bytes")
