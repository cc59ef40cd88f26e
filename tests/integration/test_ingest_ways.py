"""The typed routes and CloudEvents, on the whole service: what is answered, what is published, what is kept."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from services.ingest.api.examples import CLOUDEVENT
from services.ingest.domain.catalogue.registry import TYPED_ROUTES
from services.ingest.domain.errors import Reason
from services.ingest.domain.formats import cloudevents
from shared.contracts import wire
from shared.contracts.events import CustomEvent, OrderPlaced
from shared.contracts.identity import Identity, Namespace
from tests.conftest import DatabaseFactory
from tests.support.ingest import Ingest, bearer, ingesting
from tests.support.typed import TYPED
from tests.unit.ingest.test_ingest_typed import ANN, MEANT

BODIES = {**TYPED, "cloudevents": CLOUDEVENT}
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
EVENT: dict[str, Any] = CLOUDEVENT
BINARY = {
    "Content-Type": "application/json",
    **{f"ce-{name}": EVENT[name] for name in ("specversion", "id", "source", "type", "time", "subject")},
}


@pytest.fixture
async def ingest(database_factory: DatabaseFactory) -> AsyncIterator[Ingest]:
    async with ingesting(await database_factory("ingest")) as made:
        yield made


def key(text: str = "k-1") -> dict[str, str]:
    return {"Idempotency-Key": text}


def problem_of(response: httpx2.Response, status: int, type_: str) -> str:
    """Returns the detail of a response that is a problem."""
    problem = response.json()
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert (problem["status"], problem["type"].rpartition("/")[2]) == (status, type_)
    assert problem["title"]
    return str(problem["detail"])


async def nothing_came_of_it(ingest: Ingest) -> bool:
    return ingest.publisher.messages == [] and await ingest.quarantined() == []


# The typed routes


@pytest.mark.parametrize("kind", sorted(TYPED_ROUTES))
async def test_each_typed_route_takes_its_example_and_names_the_event(ingest: Ingest, kind: str) -> None:
    responses = [await ingest.post(kind, TYPED[kind], headers=key()) for _ in range(2)]
    first, again = ingest.publisher.events
    for response in responses:
        assert (response.status_code, response.json()) == (202, {"event_id": str(first.event_id), "status": "accepted"})
    assert first.event_id == again.event_id
    assert (first.body, first.source_id) == (MEANT[kind], str(ingest.ids["server"]))


async def test_a_fact_that_is_refused_says_what_is_wrong_in_the_words_of_its_body_and_is_kept(ingest: Ingest) -> None:
    line = {"sku": "TEA-1", "unit_price": "29.955"}
    response = await ingest.post("orders", {**TYPED["orders"], "items": [line]})
    detail = problem_of(response, 422, "refused")
    assert detail.startswith("items[0].unit_price: more decimals than EUR has (2)")
    [kept] = await ingest.quarantined()
    assert (kept["way"], kept["reason_code"], kept["state"]) == ("typed", "amount", "held")
    assert json.loads(kept["raw"])["items"] == [line]
    assert ingest.publisher.messages == []


async def test_a_misspelt_field_and_a_missing_key_are_told_at_once(ingest: Ingest) -> None:
    misspelt = await ingest.post("deliveries", {**TYPED["deliveries"], "oder_id": "A-1"})
    assert problem_of(misspelt, 422, "refused") == "body: Object contains unknown field `oder_id`"
    keyless = await ingest.post("events", TYPED["events"])
    assert problem_of(keyless, 422, "refused").startswith("Idempotency-Key: this header is required")
    moment = {name: value for name, value in TYPED["carts"].items() if name != "occurred_at"}
    assert problem_of(await ingest.post("carts", moment), 422, "refused").startswith("occurred_at: required")
    too_long = await ingest.post("events", TYPED["events"], headers=key("x" * 201))
    assert too_long.status_code == 422


async def test_a_refused_fact_is_released_as_the_same_event_that_it_would_have_been(ingest: Ingest) -> None:
    body = {**TYPED["refunds"], "currency": "EURO"}
    await ingest.post("refunds", body, headers=key())
    [kept] = await ingest.quarantined()
    released = await ingest.http.post(
        f"/v1/quarantine/{kept['id']}/release",
        headers=bearer("ingest:write"),
        json={"repair": {"set": {"currency": {"value": "EUR"}}}},
    )
    assert (released.json()["released"], released.json()["events"]) == (True, 1)
    right = await ingest.post("refunds", TYPED["refunds"], headers=key())
    async with ingest.service.database.work() as work:
        [event] = await work.outbox.waiting("rapport.events.v1")
    assert (str(event.event_id), event.body) == (right.json()["event_id"], MEANT["refunds"])


@pytest.mark.parametrize("path", ["orders", "cloudevents"])
async def test_a_writer_is_known_by_its_key_in_any_of_three_places(ingest: Ingest, path: str) -> None:
    known = ingest.keys["server"]
    places: tuple[dict[str, Any], ...] = (
        {"auth": httpx2.BasicAuth(known, "")},
        {"headers": {"Authorization": f"Bearer {known}"}},
        {"params": {"writeKey": known}},
    )
    for place in places:
        # Of some routes each request is a statement of its own, but for this header.
        one = STRUCTURED if path == "cloudevents" else {"Idempotency-Key": "one fact"}
        response = await ingest.post(
            path, BODIES[path], key=None, **{**place, "headers": {**place.get("headers", {}), **one}}
        )
        assert response.status_code == 202
    assert len({event.event_id for event in ingest.publisher.events}) == 1


@pytest.mark.parametrize("path", [*sorted(TYPED_ROUTES), "cloudevents"])
async def test_nobody_writes_without_a_key_of_a_source(ingest: Ingest, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer rk_nobody"}, bearer("ingest:admin"), {"Authorization": "Basic ???"}):
        response = await ingest.post(path, BODIES[path], key=None, headers={**key(), **STRUCTURED, **headers})
        assert problem_of(response, 401, "unknown-key").startswith("write key: send a valid one")
        assert response.headers["www-authenticate"] == 'Basic realm="write key"'
    assert await nothing_came_of_it(ingest)


async def test_a_public_key_claims_orders_gives_no_consent_and_verifies_no_address(ingest: Ingest) -> None:
    for kind in ("orders", "customers", "events"):
        assert (await ingest.post(kind, TYPED[kind], key="public", headers=key())).status_code == 202
    order, customer, custom = ingest.publisher.events
    assert [one.unverified for one in (order, customer, custom)] == [True, False, False]
    assert {one.identities for one in (order, customer, custom)} == {ANN[:1]}
    assert getattr(customer.body, "consent", None) == {}


async def test_a_body_that_is_too_large_or_broken_is_400_and_nothing_is_kept(ingest: Ingest) -> None:
    large = await ingest.post("events", {**TYPED["events"], "properties": {"text": "x" * 32_768}}, headers=key())
    assert problem_of(large, 400, "not-readable").startswith("body: larger than 32768 bytes")
    packed = await ingest.post("events", b"\x1f\x8b broken", headers=key())
    assert problem_of(packed, 400, "not-readable") == "body: not valid gzip"
    assert await nothing_came_of_it(ingest)


async def test_another_method_than_post_is_told_so_where_a_browser_shows_it(ingest: Ingest) -> None:
    for path in ("track", "t", "batch", "import/", "m"):
        for method in ("GET", "PUT", "DELETE"):
            response = await ingest.http.request(method, f"/v1/{path}")
            assert (response.status_code, response.headers["allow"]) == (405, "OPTIONS, POST"), path
            assert response.headers["access-control-allow-origin"] == "*"
            assert response.json() == {"code": "method", "message": "events: send them by POST"}


# CloudEvents


async def test_a_cloudevent_is_the_same_event_structured_binary_and_in_a_batch(ingest: Ingest) -> None:
    structured = await ingest.post("cloudevents", EVENT, headers=STRUCTURED)
    binary = await ingest.post("cloudevents", EVENT["data"], headers=BINARY)
    batch = await ingest.post("cloudevents", [EVENT], headers=BATCH)
    assert [one.status_code for one in (structured, binary, batch)] == [202] * 3
    assert structured.json() == binary.json()
    assert batch.json() == {"accepted": 1, "refused": []}
    first, *others = ingest.publisher.events
    assert structured.json()["event_id"] == str(first.event_id)
    assert first.body == OrderPlaced(order_id="A-1001", currency="EUR", total_minor=5990)
    for other in others:
        assert (other.event_id, other.body, other.identities) == (first.event_id, first.body, first.identities)


async def test_a_bad_event_in_the_middle_of_a_batch_fails_no_other(ingest: Ingest) -> None:
    bad = {**EVENT, "id": "2", "data": {"order_id": "A-2", "currency": "EUR", "total_minor": -1}}
    batch = [{**EVENT, "id": "1"}, bad, {**EVENT, "id": "3"}, 7]
    response = await ingest.post("cloudevents", batch, headers=BATCH)
    taken = response.json()
    assert (response.status_code, taken["accepted"]) == (202, 2)
    assert [(one["index"], one["reason_code"]) for one in taken["refused"]] == [(1, "amount"), (3, "malformed")]
    assert taken["refused"][0]["reason"].startswith("data.total_minor: -1; ")
    assert len(ingest.publisher.events) == 2
    kept = await ingest.quarantined()
    assert sorted(json.loads(one["raw"])["id"] if one["raw"] != "7" else "7" for one in kept) == ["2", "7"]
    assert {one["way"] for one in kept} == {"cloudevents"}


async def test_a_cloudevent_that_is_refused_says_what_is_wrong_and_is_kept(ingest: Ingest) -> None:
    response = await ingest.post("cloudevents", {**EVENT, "specversion": "0.3"}, headers=STRUCTURED)
    assert problem_of(response, 422, "refused") == "specversion: '0.3'; send CloudEvents 1.0"
    [kept] = await ingest.quarantined()
    assert (kept["reason_code"], kept["way"], kept["state"]) == ("format", "cloudevents", "held")


async def test_a_header_of_the_binary_mode_is_percent_encoded(ingest: Ingest) -> None:
    headers = {**BINARY, "ce-type": "com.example.t%C3%A4st", "ce-userid": "%E5%BC%A0%E4%BC%9F", "ce-subject": ""}
    assert (await ingest.post("cloudevents", {}, headers=headers)).status_code == 202
    [event] = ingest.publisher.events
    assert isinstance(event.body, CustomEvent)
    assert (event.body.name, event.identities[0].value) == ("com.example.täst", "张伟")


async def test_a_header_of_the_binary_mode_may_be_utf_8_as_it_is(ingest: Ingest) -> None:
    """As the SDKs of Go and Java send it."""
    raw = {name.encode(): value.encode() for name, value in {**BINARY, "ce-subject": "user_id:Zoë"}.items()}
    assert (await ingest.post("cloudevents", EVENT["data"], headers=raw)).status_code == 202
    structured = {**EVENT, "id": "other", "subject": "user_id:Zoë"}
    assert (await ingest.post("cloudevents", structured, headers=STRUCTURED)).status_code == 202
    one, other = ingest.publisher.events
    assert one.identities == other.identities == (Identity(Namespace.USER_ID, "Zoë"),)


async def test_what_is_no_cloudevent_at_all_is_refused_and_nothing_is_kept(ingest: Ingest) -> None:
    bare = await ingest.post("cloudevents", EVENT, headers={"Content-Type": "application/json"})
    assert problem_of(bare, 422, "refused").startswith("ce-specversion: required in the binary mode; ")
    for broken in (b"{", b"{}", b"7", b"[" * 100_000):
        assert problem_of(await ingest.post("cloudevents", broken, headers=BATCH), 400, "not-readable")
    injected = await ingest.post("cloudevents", b'{}, "subject": "user_id:43"', headers=BINARY)
    assert problem_of(injected, 400, "not-readable").startswith("body: ")
    assert await nothing_came_of_it(ingest)


async def test_a_batch_may_be_empty_and_may_not_be_too_large(ingest: Ingest) -> None:
    assert (await ingest.post("cloudevents", [], headers=BATCH)).json() == {"accepted": 0, "refused": []}
    small = {"specversion": "1.0", "source": "/a", "type": "b", "subject": "user_id:1"}
    many = [{**small, "id": str(n)} for n in range(2_501)]
    response = await ingest.post("cloudevents", many, headers=BATCH)
    assert problem_of(response, 400, "not-readable") == "body: 2501 events; at most 2500 in one batch"
    assert (await ingest.post("cloudevents", many[1:], headers=BATCH)).json()["accepted"] == 2_500


async def test_an_event_in_the_binary_mode_says_who_it_is_about_in_an_extension(ingest: Ingest) -> None:
    headers = {**BINARY, "ce-type": "com.example.waved", "ce-subject": "order:7", "ce-userid": "42"}
    assert (await ingest.post("cloudevents", {"hand": "left"}, headers=headers)).status_code == 202
    [event] = ingest.publisher.events
    assert event.body == CustomEvent(name="com.example.waved", properties={"hand": "left"})
    assert event.identities == ANN[:1]


async def test_an_event_of_ours_that_only_our_services_say_is_refused(ingest: Ingest) -> None:
    response = await ingest.post("cloudevents", {**EVENT, "type": "rapport.message_sent.v1"}, headers=STRUCTURED)
    detail = problem_of(response, 422, "refused")
    assert all(wire.TYPE_NAMES[body].removeprefix("rapport.") in detail for body in cloudevents.TYPES.values())


# The description


async def test_the_description_shows_every_fact_with_its_schema_and_an_example(ingest: Ingest) -> None:
    paths = (await ingest.http.get("/openapi.json")).json()["paths"]
    for kind in TYPED_ROUTES:
        content = paths[f"/v1/{kind}"]["post"]["requestBody"]["content"]["application/json"]
        assert content["example"] == TYPED[kind]
        assert content["schema"]["additionalProperties"] is False
        assert set(content["schema"]["properties"]) >= {"customer", "occurred_at", "historical"}


@pytest.mark.parametrize("year", ["0001", "1601", "2200", "9999"])
async def test_an_order_of_a_year_that_nobody_can_mean_reaches_no_reader(ingest: Ingest, year: str) -> None:
    moment = f"{year}-01-01T00:00:00Z"
    await ingest.post("orders", {**TYPED["orders"], "placed_at": moment})
    await ingest.post("track", track_order(placed_at=moment))
    await ingest.post("track", {**track_order(), "timestamp": moment}, key="public")
    assert ingest.publisher.messages == []
    assert {one["reason_code"] for one in await ingest.quarantined()} == {Reason.TIME.value}


def track_order(**more: Any) -> dict[str, Any]:
    properties = {"order_id": "o-1", "currency": "EUR", "total": "5.00", **more}
    return {"type": "track", "event": "Order Completed", "userId": "42", "properties": properties}
