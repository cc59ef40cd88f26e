"""Ingest as its operators use it: sources and their keys, plans, the quarantine, figures, looking on."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random
from typing import Any

import httpx2
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.ingest.worker import StatsWriter
from shared.contracts import topics
from shared.contracts.events import CustomEvent, OrderPlaced
from shared.contracts.identity import Namespace
from shared.database.database import Work
from tests.conftest import DatabaseFactory
from tests.support.ingest import NOW, Ingest, bearer, ingesting, keep_published
from tests.support.running import eventually

ADMIN = bearer("ingest:admin")
PLAN = {
    "events": {"Sized": {"properties": {"required": ["size"], "properties": {"size": {"type": "integer"}}}}},
    "unplanned": "observe",
}


@pytest.fixture
async def ingest(database_factory: DatabaseFactory) -> AsyncIterator[Ingest]:
    async with ingesting(await database_factory("ingest")) as made:
        yield made


async def ask(ingest: Ingest, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
    return await ingest.http.request(method, f"/v1/{path}", json=body, headers={**ADMIN, **headers})


async def asked(ingest: Ingest, method: str, path: str, body: Any = None, **headers: str) -> Any:
    response = await ask(ingest, method, path, body, **headers)
    assert response.is_success, response.text
    return response.json() if response.content else None


async def edit(ingest: Ingest, source: str, **changes: Any) -> Any:
    path = f"sources/{ingest.ids[source]}"
    tag = (await ask(ingest, "GET", path)).headers["etag"]
    made = await asked(ingest, "PATCH", path, changes, **{"If-Match": tag})
    ingest.clock.moment += timedelta(seconds=10)  # what is kept in memory is older than that now
    return made


def track(event: str = "Sized", message_id: str = "m-1", **properties: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": "42", "messageId": message_id, "properties": properties}


async def write_down(ingest: Ingest) -> None:
    """What the stats_writer does every few seconds."""
    intake = ingest.intake
    stats_writer = StatsWriter(ingest.service.database, intake.stats, timedelta(days=90), lambda: None)
    stop = asyncio.Event()
    stop.set()
    await stats_writer.run(stop)


# Sources


async def test_a_source_is_made_read_changed_and_deleted(ingest: Ingest) -> None:
    made = await asked(
        ingest,
        "POST",
        "sources",
        {"name": "shopify", "format": "shopify", "secret": "shh, a secret", "ce_source": "/erp"},
    )
    read = await ask(ingest, "GET", f"sources/{made['id']}")
    assert read.headers["etag"] == '"1"'
    source = read.json()
    assert (source["format"], source["has_secret"], source["ce_source"]) == ("shopify", True, "/erp")
    assert "secret" not in json.dumps(source).replace("has_secret", "")
    changed = await asked(ingest, "PATCH", f"sources/{made['id']}", {"name": "shop 2"}, **{"If-Match": '"1"'})
    assert (changed["name"], changed["has_secret"], changed["version"]) == ("shop 2", True, 2)
    changed = await asked(ingest, "PATCH", f"sources/{made['id']}", {"secret": None}, **{"If-Match": '"2"'})
    assert changed["has_secret"] is False
    assert (await ask(ingest, "DELETE", f"sources/{made['id']}")).status_code == 204
    assert (await ask(ingest, "GET", f"sources/{made['id']}")).status_code == 404


async def test_a_source_has_a_country_by_which_its_phone_numbers_are_read(ingest: Ingest) -> None:
    path = f"sources/{ingest.ids['server']}"

    async def linked(message_id: str) -> list[str]:
        """By which numbers a call with one in national form names its customer."""
        call = {"type": "identify", "userId": "42", "messageId": message_id, "traits": {"phone": "030 901820"}}
        assert (await ingest.post("identify", call)).status_code == 200
        return [one.value for one in ingest.publisher.events[-1].identities if one.namespace is Namespace.PHONE]

    def unread() -> float:
        source = {"source": str(ingest.ids["server"])}
        return REGISTRY.get_sample_value("rapport_phones_unread_total", source) or 0

    assert (await asked(ingest, "GET", path))["country"] is None
    assert (await linked("m-1"), unread()) == ([], 1)
    assert (await edit(ingest, "server", country="de"))["country"] == "DE"
    assert (await linked("m-2"), unread()) == (["+4930901820"], 1)
    assert (await edit(ingest, "server", country=None))["country"] is None
    assert (await linked("m-3"), unread()) == ([], 2)
    log = (await asked(ingest, "GET", "audit"))["entries"]
    assert [one["change"]["source"]["country"] for one in log[:2]] == [["DE", None], [None, "DE"]]


async def test_an_edit_says_which_version_it_is_of(ingest: Ingest) -> None:
    path = f"sources/{ingest.ids['server']}"
    assert (await ask(ingest, "PATCH", path, {"name": "x"})).status_code == 428
    assert (await ask(ingest, "PATCH", path, {"name": "x"}, **{"If-Match": '"7"'})).status_code == 412
    assert (await ask(ingest, "PATCH", path, {"name": "x"}, **{"If-Match": "nonsense"})).status_code == 412
    assert (await ask(ingest, "PATCH", path, {"name": "public"}, **{"If-Match": '"1"'})).status_code == 409
    taken = {"name": "other", "ce_source": "/erp"}
    await asked(ingest, "POST", "sources", taken)
    response = await ask(ingest, "PATCH", path, {"ce_source": "/erp"}, **{"If-Match": '"1"'})
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ({"renaming": {"a": {"event": "A", "properties": {"x": "y["}}}}, "not a JMESPath expression"),
        ({"renaming": {"a": {}}}, "renaming: Object missing required field `event`"),
        ({"mapping": {"rules": []}}, "rules: 0; from 1 to 50"),
        (
            {"country": "UK"},
            "country: 'UK' is not a country whose phone numbers are known; give an ISO 3166-1 alpha-2 code",
        ),
        ({"mapping": {"rules": [{"event": "x", "fields": {"a": {"from": "b", "as": "mood"}}}]}}, "Invalid enum value"),
    ],
)
async def test_a_definition_that_cant_be_used_says_where_and_why(
    ingest: Ingest, definition: dict[str, Any], reason: str
) -> None:
    response = await ask(ingest, "POST", "sources", {"name": "x", **definition})
    assert response.status_code == 422
    assert reason in response.json()["detail"]


async def test_a_rotated_key_works_at_once_and_the_old_one_for_a_while(ingest: Ingest) -> None:
    path, old = f"sources/{ingest.ids['server']}", ingest.keys["server"]
    made = (await asked(ingest, "POST", f"{path}/keys", {"grace_hours": 1}))["write_key"]
    for key in (old, made):
        assert (await ingest.post("track", {**track(size=1), "writeKey": key}, key=None)).status_code == 200
    keys = (await asked(ingest, "GET", path))["keys"]
    assert [one["expires_at"] is None for one in keys] == [False, True]
    ingest.clock.moment += timedelta(hours=1)
    assert (await ingest.post("track", {**track(size=1), "writeKey": old}, key=None)).status_code == 401
    assert (await ingest.post("track", {**track(size=1), "writeKey": made}, key=None)).status_code == 200


async def test_a_disabled_source_is_enabled_again(ingest: Ingest) -> None:
    path = f"sources/{ingest.ids['server']}"
    await asked(ingest, "POST", f"{path}/disable")
    assert (await ingest.post("track", track(size=1))).status_code == 401
    await asked(ingest, "POST", f"{path}/enable")
    ingest.clock.moment += timedelta(seconds=10)
    assert (await ingest.post("track", track(size=1))).status_code == 200


async def test_a_page_at_an_origin_that_is_not_allowed_is_refused(ingest: Ingest) -> None:
    await edit(ingest, "public", allowed_origins=["https://shop.example"])
    good = await ingest.post("track", track(size=1), key="public", headers={"Origin": "https://shop.example"})
    bad = await ingest.post("track", track(size=1), key="public", headers={"Origin": "https://evil.example"})
    assert (good.status_code, bad.status_code, bad.json()["code"]) == (200, 403, "origin")
    assert (await ingest.post("track", track(size=1), key="public")).status_code == 200


async def test_a_sources_own_words_become_typed_events(ingest: Ingest) -> None:
    await edit(
        ingest,
        "server",
        renaming={"Purchase": {"event": "Order Completed", "properties": {"order_id": "tx", "total": "sum"}}},
    )
    await ingest.post("track", track("Purchase", tx="A-1", sum="9.50", currency="EUR"))
    assert [event.body for event in ingest.publisher.events] == [
        OrderPlaced(order_id="A-1", currency="EUR", total_minor=950, state="placed", extra={"tx": "A-1", "sum": "9.50"})
    ]


async def test_without_a_secrets_key_no_secret_is_kept(database_factory: DatabaseFactory) -> None:
    async with ingesting(await database_factory("ingest"), secrets_key="") as ingest:
        response = await ask(ingest, "POST", "sources", {"name": "x", "secret": "long enough"})
        assert (response.status_code, "SECRETS_KEY" in response.json()["detail"]) == (409, True)


# Figures, and looking on


async def test_figures_say_what_became_of_each_event(ingest: Ingest) -> None:
    for _ in range(2):
        await ingest.post("batch", {"batch": [track(size=1), track(message_id="m-2"), {"type": "track"}]})
    await write_down(ingest)
    found = (await asked(ingest, "GET", f"sources/{ingest.ids['server']}/figures"))["figures"]
    assert [(one["outcome"], one["reason"], one["events"]) for one in found] == [
        ("accepted", "", 2),
        ("duplicate", "", 2),
        ("quarantined", "required", 2),
    ]
    source = await asked(ingest, "GET", f"sources/{ingest.ids['server']}")
    assert source["last_seen_at"] == "2026-01-31T12:00:00Z"


async def test_figures_that_could_not_be_written_are_written_later(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ingest.post("track", track(size=1))
    engine = type(ingest.service.database.engine)

    def away(_: Any) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr(engine, "connect", away)
        await write_down(ingest)
    await ingest.post("track", track(message_id="m-2", size=1))
    await write_down(ingest)
    found = (await asked(ingest, "GET", f"sources/{ingest.ids['server']}/figures"))["figures"]
    assert [(one["outcome"], one["events"]) for one in found] == [("accepted", 2)]


async def test_whoever_looks_on_sees_what_came_and_what_was_made_of_it(ingest: Ingest) -> None:
    source_id = ingest.ids["server"]
    ingest.service.app.state.health.draining = False  # type: ignore[union-attr]
    seen: list[dict[str, Any]] = []

    async def look() -> None:
        url = f"/v1/sources/{source_id}/tail"
        async with ingest.http.stream("GET", url, headers=ADMIN) as response:
            lines = [line async for line in response.aiter_lines() if line.startswith("data: ")]
        seen.extend(json.loads(line.removeprefix("data: ")) for line in lines)

    stream = asyncio.create_task(look())  # noqa: TID251 # ended below
    try:
        await eventually(lambda: _now(ingest.intake.stats.watched), lambda watched: source_id in watched)
        await ingest.post("track", track("Order Completed", order_id="A-1", total="9.50", currency="EUR"))
        await ingest.post("track", track("Order Completed", message_id="m-2", order_id="A-2"))
        await write_down(ingest)
        ingest.service.app.state.health.draining = True  # type: ignore[union-attr]
        async with asyncio.timeout(20):
            await stream
    finally:
        stream.cancel()
    assert [one["outcome"] for one in seen] == ["accepted", "quarantined"]
    assert seen[0]["made"]["body"] == {"order_id": "A-1", "currency": "EUR", "total_minor": 950, "state": "placed"}
    assert json.loads(seen[0]["came"])["properties"]["order_id"] == "A-1"
    assert seen[1]["reason"].startswith("currency: required")


async def _now(value: Any) -> Any:
    return value


# Tracking plans


async def test_a_plan_is_written_put_in_force_and_taken_back(ingest: Ingest) -> None:
    path = f"sources/{ingest.ids['server']}/plan"
    assert (await ask(ingest, "GET", path)).status_code == 404
    assert await asked(ingest, "PUT", path, PLAN) == {"version": 1}
    enforced = {**PLAN, "events": {"Sized": {**PLAN["events"]["Sized"], "mode": "enforce"}}}  # type: ignore[index]
    assert await asked(ingest, "PUT", path, enforced) == {"version": 2}
    assert (await ingest.post("track", track())).status_code == 200
    assert [one["reason_code"] for one in await ingest.quarantined()] == ["plan"]
    await asked(ingest, "PUT", f"{path}/in-force", {"version": 1})
    assert (await asked(ingest, "GET", path))["version"] == 1
    ingest.clock.moment += timedelta(seconds=10)
    await ingest.post("track", track(message_id="m-2"))
    assert len(ingest.publisher.events) == 1
    await asked(ingest, "PUT", f"{path}/in-force", {"version": None})
    versions = await asked(ingest, "GET", f"{path}/versions")
    assert (versions["in_force"], [one["version"] for one in versions["versions"]]) == (None, [2, 1])
    assert (await asked(ingest, "GET", f"{path}/versions/2"))["document"]["events"]["Sized"]["mode"] == "enforce"
    assert (await ask(ingest, "PUT", f"{path}/in-force", {"version": 9})).status_code == 404
    broken = {"events": {"Sized": {"properties": {"type": "sausage"}}}}
    assert (await ask(ingest, "PUT", path, broken)).status_code == 422


async def test_violations_are_counted_and_listed_with_what_was_said(ingest: Ingest) -> None:
    await asked(ingest, "PUT", f"sources/{ingest.ids['server']}/plan", PLAN)
    for n in range(3):
        await ingest.post("track", track(message_id=f"m-{n}", size="large"))
    await ingest.post("track", track(message_id="m-9"))
    await ingest.post("track", track("Weighed", message_id="m-8"))
    await write_down(ingest)
    found = (await asked(ingest, "GET", f"sources/{ingest.ids['server']}/violations"))["violations"]
    assert [(one["event"], one["rule"], one["mode"], one["events"]) for one in found] == [
        ("Sized", "properties/size/type", "warn", 3),
        ("Sized", "required", "warn", 1),
    ]
    assert found[0]["said"] == 'properties.size: "large" is not of type "integer"'
    assert len(ingest.publisher.events) == 5


async def test_a_plan_is_inferred_from_what_was_seen_and_everything_seen_fits_it(ingest: Ingest) -> None:
    path = f"sources/{ingest.ids['server']}/plan"
    assert (await ask(ingest, "POST", f"{path}/infer")).status_code == 404
    for n in range(4):
        await ingest.post("track", track(message_id=f"m-{n}", size=n, **({"note": "x"} if n else {})))
    await write_down(ingest)
    inferred = await asked(ingest, "POST", f"{path}/infer")
    assert inferred["events"]["Sized"]["properties"] == {
        "type": "object",
        "properties": {"note": {"type": "string"}, "size": {"type": "integer"}},
        "required": ["size"],
    }
    await asked(ingest, "PUT", path, inferred)
    ingest.clock.moment += timedelta(seconds=10)
    await ingest.post("track", track(message_id="m-9", size=7))
    await write_down(ingest)
    assert (await asked(ingest, "GET", f"sources/{ingest.ids['server']}/violations"))["violations"] == []


# The quarantine


async def spooled(work: Work) -> list[Any]:
    return await work.outbox.waiting(topics.EVENTS)


async def waiting(ingest: Ingest) -> list[Any]:
    async with ingest.service.database.work() as work:
        return await spooled(work)


async def test_a_refused_event_is_one_line_of_the_log_that_says_where_it_is_kept(ingest: Ingest) -> None:
    order = track("Order Completed", order_id="ann@example.com", amount="9.50")
    with capture_logs() as lines:
        await ingest.post("batch", {"batch": [order], "sentAt": NOW.isoformat()})
    [held] = await ingest.quarantined()
    [line] = [one for one in lines if one["event"] == "event.refused"]
    assert (line["quarantine"], line["reason"], line["log_level"]) == (held["id"], "currency", "warning")
    assert line["source"] == held["source_id"]
    assert "ann@" not in str(lines)


async def test_a_repaired_payload_is_released_once_as_of_the_time_it_came(ingest: Ingest) -> None:
    order = track("Order Completed", order_id="A-1", amount="9.50")
    await ingest.post("batch", {"batch": [order], "context": {"locale": "de-DE"}, "sentAt": NOW.isoformat()})
    [held] = await ingest.quarantined()
    path = f"quarantine/{held['id']}"
    ingest.clock.moment += timedelta(days=3)
    repair = {"set": {"properties.currency": {"value": "EUR"}, "properties.total": "properties.amount"}}
    tried = await asked(ingest, "POST", f"{path}/release", {"repair": repair, "dry_run": True})
    assert (tried["released"], tried["events"]) == (True, 1)
    assert await waiting(ingest) == []
    still = await asked(ingest, "POST", f"{path}/release", {})
    assert (still["released"], still["reason"][:18]) == (False, "currency: required")
    for _ in range(2):
        assert (await asked(ingest, "POST", f"{path}/release", {"repair": repair}))["released"]
    [event] = await waiting(ingest)
    assert event.body == OrderPlaced(
        order_id="A-1", currency="EUR", total_minor=950, state="placed", extra={"amount": "9.50"}
    )
    assert (event.received_at, event.context.locale) == (NOW, "de-DE")
    assert (await ask(ingest, "POST", f"{path}/drop", {"note": "no"})).status_code == 409
    shown = await asked(ingest, "GET", path)
    assert (shown["state"], shown["decided_by"]) == ("released", "operator")


async def test_many_payloads_are_released_by_reason_once_the_rule_has_changed(ingest: Ingest) -> None:
    path = f"sources/{ingest.ids['server']}/plan"
    strict = {"events": {}, "unplanned": "enforce"}
    await asked(ingest, "PUT", path, strict)
    await ingest.post("batch", {"batch": [track(message_id=f"m-{n}", size=n) for n in range(5)]})
    await ingest.post("track", {"type": "track"})
    assert (await asked(ingest, "GET", "quarantine/reasons"))["reasons"] == {"plan": 5, "required": 1}
    await asked(ingest, "PUT", f"{path}/in-force", {"version": None})
    released = (await asked(ingest, "POST", "quarantine/release", {"reason": "plan"}))["released"]
    assert [one["released"] for one in released] == [True] * 5
    assert sorted(event.body.properties["size"] for event in await waiting(ingest)) == [0, 1, 2, 3, 4]
    assert (await asked(ingest, "GET", "quarantine/reasons"))["reasons"] == {"required": 1}
    assert len((await asked(ingest, "GET", "quarantine?state=released"))["events"]) == 5


async def test_a_dropped_payload_stays_to_be_seen_and_is_held_again_when_it_comes_again(ingest: Ingest) -> None:
    await ingest.post("track", {"type": "track", "userId": "42"})
    [held] = await ingest.quarantined()
    path = f"quarantine/{held['id']}"
    for _ in range(2):
        await asked(ingest, "POST", f"{path}/drop", {"note": "a test of ours"})
    shown = await asked(ingest, "GET", path)
    assert (shown["state"], shown["note"]) == ("dropped", "a test of ours")
    await ingest.post("track", {"type": "track", "userId": "42"})
    assert (await asked(ingest, "GET", path))["state"] == "held"


async def test_payloads_are_forgotten_after_some_days(ingest: Ingest) -> None:
    await ingest.post("track", {"type": "track"})
    for days, left in ((89, 1), (2, 0)):
        ingest.clock.moment += timedelta(days=days)
        stats_writer = StatsWriter(ingest.service.database, ingest.intake.stats, timedelta(days=90), lambda: None)
        await stats_writer._forget()
        assert len(await ingest.quarantined()) == left


@pytest.mark.parametrize(
    ("repair", "reason"),
    [
        ({"set": {"a": "b["}}, "not a JMESPath"),
        ({"colour": "red"}, "unknown field"),
        ({"remove": "a"}, "Expected `array`"),
    ],
)
async def test_a_repair_that_cant_be_used_says_why(ingest: Ingest, repair: dict[str, Any], reason: str) -> None:
    await ingest.post("track", {"type": "track"})
    [held] = await ingest.quarantined()
    response = await ask(ingest, "POST", f"quarantine/{held['id']}/release", {"repair": repair})
    assert (response.status_code, reason in response.json()["detail"]) == (422, True), response.text


async def test_a_payload_that_is_no_json_stays_and_says_so(ingest: Ingest) -> None:
    await ingest.post("batch", b'{"batch": [7]}')
    [held] = await ingest.quarantined()
    body = {"repair": {"set": {"type": {"value": "track"}}}}
    response = await asked(ingest, "POST", f"quarantine/{held['id']}/release", body)
    assert (response["released"], "only a JSON object can be repaired" in response["reason"]) == (False, True)


# The spool


async def test_while_the_broker_is_away_events_are_spooled_and_one_probe_ends_it(ingest: Ingest) -> None:
    ingest.publisher.away = True
    for n in range(4):
        assert (await ingest.post("track", track(message_id=f"m-{n}", size=n))).status_code == 200
    assert ingest.publisher.attempts == 1
    assert [event.body for event in await waiting(ingest)] == [
        CustomEvent(name="Sized", properties={"size": n}) for n in range(4)
    ]
    ingest.clock.moment += timedelta(seconds=2)
    assert (await ingest.post("track", track(message_id="m-5", size=5))).status_code == 200
    assert ingest.publisher.attempts == 2
    ingest.publisher.away = False
    ingest.clock.moment += timedelta(seconds=2)
    for n in (6, 7):
        assert (await ingest.post("track", track(message_id=f"m-{n}", size=n))).status_code == 200
    assert len(ingest.publisher.events) == 2
    assert len(await waiting(ingest)) == 5


async def test_a_full_spool_is_503_and_nothing_is_acknowledged(database_factory: DatabaseFactory) -> None:
    async with ingesting(await database_factory("ingest"), spool_megabytes=1) as ingest:
        ingest.publisher.away = True
        big = "x" * 30_000
        statuses = []
        for n in range(60):
            ingest.clock.moment += timedelta(seconds=1.1)  # so that the spool is measured each time
            statuses.append((await ingest.post("track", track(message_id=f"m-{n}", note=big))).status_code)
        assert set(statuses) == {200, 503}
        assert statuses == sorted(statuses)
        assert len(await waiting(ingest)) == statuses.count(200)


async def test_what_a_broker_that_keeps_nothing_has_counts_for_the_spool_until_it_was_read(
    database_factory: DatabaseFactory,
) -> None:
    async with ingesting(await database_factory("ingest"), spool_megabytes=1, kafka_volatile=True) as ingest:
        await keep_published(ingest.service.database, octets=1 << 20)
        assert (await ingest.post("track", track(message_id="m-1", size=1))).status_code == 503
        assert await waiting(ingest) == []
        async with ingest.service.database.work() as work:
            await work.run("DELETE FROM published")  # every reader has it
        ingest.clock.moment += timedelta(seconds=1.1)  # so that the spool is measured again
        assert (await ingest.post("track", track(message_id="m-1", size=1))).status_code == 200
        assert len(await waiting(ingest)) == 1
        assert ingest.publisher.messages == []


async def test_with_postgresql_away_too_it_is_503(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await ingest.post("track", track(size=1))).status_code == 200
    ingest.publisher.away = True

    def away(_: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(type(ingest.service.database.engine), "connect", away)
    response = await ingest.post("track", track(message_id="m-2", size=1))
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")


async def test_while_postgresql_is_away_known_keys_work_on(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await ingest.post("track", track(size=1))).status_code == 200

    def away(_: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(type(ingest.service.database.engine), "connect", away)
    for minutes, status in ((1, 200), (8, 200), (2, 503)):
        ingest.clock.moment += timedelta(minutes=minutes)
        assert (await ingest.post("track", track(size=1))).status_code == status


async def test_a_name_that_is_too_long_for_an_index_costs_nobody_the_figures(ingest: Ingest) -> None:
    name = "".join(Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))  # so that it can't be packed
    await ingest.post("track", track(name))
    await ingest.post("track", track(message_id="m-2", size=5))
    await write_down(ingest)
    figures = await asked(ingest, "GET", f"sources/{ingest.ids['server']}/figures")
    assert sum(day.get("events", 0) for day in figures["figures"]) == 2, figures


async def test_what_was_refused_of_a_customer_is_erased_and_what_was_refused_of_others_stays(ingest: Ingest) -> None:
    def refused(who: str) -> dict[str, Any]:
        return {"type": "track", "event": "", "userId": who, "messageId": f"m-{who}", "properties": {}}

    for who in ("canary-1", "bob"):
        await ingest.post("batch", {"batch": [refused(who)]})
    held = (await asked(ingest, "GET", "quarantine"))["events"]
    assert len(held) == 2
    whom = {"identities": [{"namespace": "user_id", "value": "canary-1"}]}

    assert await asked(ingest, "POST", "erasures", whom) == {"quarantined": 1, "rejected": 0, "orders": 0}

    (left,) = (await asked(ingest, "GET", "quarantine"))["events"]
    assert "bob" in left["raw"]
    assert await asked(ingest, "POST", "erasures", whom) == {"quarantined": 0, "rejected": 0, "orders": 0}
    (entry, *_) = (await asked(ingest, "GET", "audit"))["entries"]
    assert "canary" not in json.dumps(entry)
