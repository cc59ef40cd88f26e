"""Ingest keeps the tracking contract that the SDKs rely on, sentence by sentence.

The sentences stand in docs/tracking-contract.md; a test has the number of its sentence.
"""

import base64
import gzip
import json
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import httpx2
import pytest

from shared.contracts import topics
from shared.contracts.envelope import event_id
from shared.contracts.events import CustomerIdentified, CustomEvent, OrderPlaced, PageViewed
from shared.contracts.identity import Identity, Namespace
from tests.conftest import DatabaseFactory
from tests.support.ingest import NOW, Ingest, bearer, ingesting

LONG_ROUTES = ("identify", "track", "page", "screen", "group", "alias")


@pytest.fixture
async def ingest(database_factory: DatabaseFactory) -> AsyncIterator[Ingest]:
    async with ingesting(await database_factory("ingest")) as made:
        yield made


def track(**extra: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Clicked", "userId": "42", "messageId": "m-1", **extra}


def order(**properties: Any) -> dict[str, Any]:
    return track(
        event="Order Completed", properties={"order_id": "A-1", "total": "59.90", "currency": "EUR", **properties}
    )


def is_success(response: httpx2.Response) -> bool:
    return response.status_code == 200 and response.json() == {"success": True}


@pytest.mark.parametrize("route", LONG_ROUTES)
async def test_01_each_call_has_a_route_that_says_its_type(ingest: Ingest, route: str) -> None:
    body = {"userId": "42", "event": "Clicked", "groupId": "g", "previousId": "p"}
    assert is_success(await ingest.post(route, body))
    assert len(ingest.publisher.events) == 1
    assert await ingest.quarantined() == []


@pytest.mark.parametrize("route", ["batch", "import", "import/"])
async def test_02_import_behaves_as_batch(ingest: Ingest, route: str) -> None:
    assert is_success(await ingest.post(route, {"batch": [track(messageId="a"), track(messageId="b")]}))
    assert len(ingest.publisher.events) == 2


@pytest.mark.parametrize("route", LONG_ROUTES)
async def test_03_one_letter_routes_behave_as_the_long_ones(ingest: Ingest, route: str) -> None:
    body = {"userId": "42", "event": "Clicked", "groupId": "g", "previousId": "p", "messageId": "m-1"}
    for path in (route, route[0]):
        assert is_success(await ingest.post(path, body))
    long, short = ingest.publisher.events
    assert (long.event_id, long.body, long.identities) == (short.event_id, short.body, short.identities)


async def test_04_b_behaves_as_batch(ingest: Ingest) -> None:
    assert is_success(await ingest.post("b", {"batch": [track()]}))
    assert len(ingest.publisher.events) == 1


async def test_05_metrics_of_the_browser_sdk_are_ignored(ingest: Ingest) -> None:
    assert is_success(await ingest.post("m", {"series": []}, key=None))
    assert ingest.publisher.events == []


async def test_06_settings_say_where_to_send_to(ingest: Ingest) -> None:
    key = ingest.keys["public"]
    response = await ingest.http.get(f"/v1/projects/{key}/settings")
    assert response.json() == {"integrations": {"Segment.io": {"apiKey": key, "apiHost": "ingest.example/v1"}}}
    assert response.headers["access-control-allow-origin"] == "*"
    assert (await ingest.http.get("/v1/projects/nobody/settings")).status_code == 401


async def test_07_options_are_answered_everywhere(ingest: Ingest) -> None:
    for path in (*LONG_ROUTES, "batch", "import", "import/", *"tipsgab", "m", "projects/x/settings"):
        response = await ingest.http.options(f"/v1/{path}", headers={"Origin": "https://shop.example"})
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["access-control-allow-headers"] == "Authorization, Content-Type, X-Retry-Count"
        assert "POST" in response.headers["access-control-allow-methods"]


async def test_23_a_preflight_allows_what_sdks_send(ingest: Ingest) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Headers": "authorization, x-retry-count"}
    response = await ingest.http.options("/v1/batch", headers=asked)
    assert response.headers["access-control-allow-headers"] == "Authorization, Content-Type, X-Retry-Count"


async def test_24_every_answer_exposes_retry_after_to_browsers(ingest: Ingest) -> None:
    for response in (await ingest.post("track", track()), await ingest.post("track", b"{")):
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["access-control-expose-headers"] == "Retry-After"


async def test_08_everything_stands_at_the_hosts_root(ingest: Ingest) -> None:
    assert is_success(
        await ingest.http.post("http://ingest.example/v1/track", json=track(writeKey=ingest.keys["server"]))
    )
    assert (await ingest.http.post("http://ingest.example/prefix/v1/track", json=track())).status_code == 404


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


async def test_09_the_key_is_taken_from_basics_user_name(ingest: Ingest) -> None:
    assert is_success(await ingest.post("track", track(), key=None, headers=basic(f"{ingest.keys['server']}:")))
    assert is_success(await ingest.post("track", track(), key=None, headers=basic(f"{ingest.keys['server']}:pass")))


async def test_10_a_user_name_without_its_colon_is_tolerated(ingest: Ingest) -> None:
    assert is_success(await ingest.post("track", track(), key=None, headers=basic(ingest.keys["server"])))


async def test_11_the_key_is_taken_from_the_body(ingest: Ingest) -> None:
    key = ingest.keys["server"]
    assert is_success(await ingest.post("track", track(writeKey=key), key=None))
    assert is_success(await ingest.post("batch", {"batch": [track()], "writeKey": key}, key=None))


async def test_12_the_key_is_taken_from_the_query(ingest: Ingest) -> None:
    assert is_success(await ingest.post("track", track(), key=None, params={"writeKey": ingest.keys["server"]}))


async def test_13_of_several_keys_the_first_that_is_valid_counts(ingest: Ingest) -> None:
    server, public = ingest.keys["server"], ingest.keys["public"]
    for headers, in_body in ((basic("rk_old:"), server), ({"Authorization": "Basic ?"}, server)):
        assert is_success(await ingest.post("track", track(writeKey=in_body), key=None, headers=headers))
    assert is_success(await ingest.post("track", track(writeKey=server), key=None, headers=basic(f"{public}:")))
    kinds = [event.source_kind.value for event in ingest.publisher.events]
    assert kinds == ["server", "server", "public"]


async def test_13_an_unknown_key_is_401_with_code_and_message(ingest: Ingest) -> None:
    for response in (
        await ingest.post("track", track(), key=None),
        await ingest.post("track", track(writeKey="rk_nobody"), key=None),
        await ingest.post("track", track(writeKey=7), key=None),
    ):
        assert response.status_code == 401
        assert set(response.json()) == {"code", "message"}
    assert ingest.publisher.events == []


async def test_13_a_disabled_source_is_unknown_after_ten_seconds(ingest: Ingest) -> None:
    assert is_success(await ingest.post("track", track()))
    source_id = ingest.publisher.events[0].source_id
    disabled = await ingest.http.post(f"/v1/sources/{source_id}/disable", headers=bearer("ingest:admin"))
    assert disabled.json()["disabled_at"] is not None
    ingest.clock.moment += timedelta(seconds=10)
    assert (await ingest.post("track", track())).status_code == 401


async def test_14_a_batch_has_its_events_in_a_list_and_its_time_and_key_beside_it(ingest: Ingest) -> None:
    body = {
        "batch": [track(messageId="a"), {"type": "identify", "userId": "42", "traits": {"plan": "gold"}}],
        "sentAt": NOW.isoformat(),
        "writeKey": ingest.keys["server"],
        "context": {"locale": "de-DE"},
        "integrations": {"All": True},
    }
    assert is_success(await ingest.post("batch", body, key=None))
    assert [type(event.body) for event in ingest.publisher.events] == [CustomEvent, CustomerIdentified]
    assert {event.context.locale for event in ingest.publisher.events if event.context} == {"de-DE"}


async def test_15_context_of_the_batch_is_merged_and_the_item_wins(ingest: Ingest) -> None:
    await ingest.post(
        "batch",
        {
            "batch": [
                {"type": "identify", "userId": "1", "context": {"traits": {"plan": "gold"}}},
                {"type": "identify", "userId": "2"},
            ],
            "context": {"traits": {"plan": "basic", "city": "Wien"}, "library": {"name": "x"}},
            "integrations": {"All": True},
        },
    )
    assert [event.body for event in ingest.publisher.events] == [
        CustomerIdentified(traits={"plan": "gold", "city": "Wien"}),
        CustomerIdentified(traits={"plan": "basic", "city": "Wien"}),
    ]


async def test_16_events_carry_what_their_type_has(ingest: Ingest) -> None:
    common = {"userId": "42", "anonymousId": "a", "integrations": {}, "context": {"locale": "en-GB"}}
    batch = [
        {"type": "track", "event": "Clicked", "properties": {"n": 1}, **common},
        {"type": "identify", "traits": {"plan": "gold"}, **common},
        {"type": "page", "name": "Tea", "category": "Shop", "properties": {"url": "u"}, **common},
        {"type": "screen", "name": "Basket", "category": "App", **common},
        {"type": "group", "groupId": "g", "traits": {"name": "Club"}, **common},
        {"type": "alias", "userId": "42", "previousId": "a"},
    ]
    assert is_success(await ingest.post("batch", {"batch": batch}))
    assert [event.body for event in ingest.publisher.events] == [
        CustomEvent(name="Clicked", properties={"n": 1}),
        CustomerIdentified(traits={"plan": "gold"}),
        PageViewed(url="u", title="Tea", extra={"category": "Shop"}),
        PageViewed(title="Basket", screen=True, extra={"category": "App"}),
        CustomEvent(name="Group Identified", properties={"group_id": "g", "traits": {"name": "Club"}}),
        CustomEvent(name="Alias"),
    ]


async def test_17_ids_may_be_null_or_numbers_and_unknown_fields_are_no_error(ingest: Ingest) -> None:
    await ingest.post(
        "batch",
        {
            "batch": [
                track(userId=42, anonymousId=None, _metadata={"bundled": []}, integrations={}),
                track(userId=None, anonymousId="a-1", messageId=7),
            ]
        },
    )
    first, second = ingest.publisher.events
    assert first.identities == (Identity(Namespace.USER_ID, "42"),)
    assert second.identities == (Identity(Namespace.ANONYMOUS_ID, "a-1"),)


async def test_18_fields_that_are_not_known_here_may_be_present(ingest: Ingest) -> None:
    call = track(_metadata={"bundled": ["x"], "unbundled": []}, channel="server", version="2")
    assert is_success(await ingest.post("batch", {"batch": [call], "_metadata": {}, "requestId": "r"}))
    assert len(ingest.publisher.events) == 1


@pytest.mark.parametrize("timestamp", ["2026-01-31T11:00:00Z", "2026-01-31T11:00:00.000Z", "2026-01-31T19:00:00+08:00"])
async def test_19_timestamps_end_in_z_or_in_an_offset(ingest: Ingest, timestamp: str) -> None:
    assert is_success(await ingest.post("track", track(timestamp=timestamp)))
    assert [event.occurred_at for event in ingest.publisher.events] == [NOW - timedelta(hours=1)]
    await ingest.post("track", track(messageId="m-2", timestamp="2026-01-31T11:00:00"))
    assert [one["reason_code"] for one in await ingest.quarantined()] == ["time"]


CONTENT_TYPES: Final = (
    "application/json",
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/octet-stream",
    "application/x-www-form-urlencoded",  # RudderStack's, for JSON
    "multipart/form-data; boundary=x",
)


async def test_20_the_content_type_does_not_matter(ingest: Ingest) -> None:
    for content_type in CONTENT_TYPES:
        assert is_success(await ingest.post("track", track(), headers={"Content-Type": content_type}))


@pytest.mark.parametrize(("packed", "chunk_bytes"), [(True, 1), (True, 7), (True, 100_000), (False, 1)])
async def test_21_bodies_may_be_gzip_and_chunked(ingest: Ingest, packed: bool, chunk_bytes: int) -> None:
    body = json.dumps({"batch": [track(), track(messageId="m-2")]}).encode()
    body = gzip.compress(body) if packed else body

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), chunk_bytes):
            yield body[start : start + chunk_bytes]

    response = await ingest.http.post(
        "/v1/batch",
        content=chunks(),
        auth=httpx2.BasicAuth(ingest.keys["server"], ""),
        headers={"Content-Type": "text/plain", **({"Content-Encoding": "gzip"} if packed else {})},
    )
    assert is_success(response)
    assert len(ingest.publisher.events) == 2


async def test_22_a_gzip_bomb_is_refused_while_it_streams(ingest: Ingest) -> None:
    packer, read = zlib.compressobj(9, wbits=31), 0
    chunks = [packer.compress(b" " * 1_000_000) for _ in range(100)] + [packer.flush()]

    async def stream() -> AsyncIterator[bytes]:
        nonlocal read
        for chunk in chunks:
            read += 1
            yield chunk

    response = await ingest.http.post("/v1/batch", content=stream(), auth=httpx2.BasicAuth(ingest.keys["server"], ""))
    assert (response.status_code, response.json()["code"]) == (400, "too_large")
    assert sum(map(len, chunks)) < 512_000


async def test_22_broken_gzip_is_400(ingest: Ingest) -> None:
    good = gzip.compress(json.dumps(track()).encode())
    for body in (good[:-9], good[:12] + b"\xff\xff" + good[14:], b"\x1f\x8b"):
        response = await ingest.post("track", body)
        assert (response.status_code, response.json()["code"]) == (400, "invalid_gzip")


async def test_25_an_event_too_large_for_a_batch_is_quarantined_and_its_neighbour_taken(ingest: Ingest) -> None:
    large = track(properties={"text": "x" * 33_000}, messageId="large")
    assert is_success(await ingest.post("batch", {"batch": [large, track()]}))
    assert len(ingest.publisher.events) == 1
    (kept,) = await ingest.quarantined()
    assert (kept["reason_code"], kept["message_id"]) == ("too_large", "large")


async def test_25_an_event_of_exactly_the_limit_is_taken(ingest: Ingest) -> None:
    for bytes_too_many, taken in ((0, True), (1, False)):
        frame = len(json.dumps(track(properties={"text": ""})))
        body = track(properties={"text": "x" * (32_768 - frame + bytes_too_many)})
        assert is_success(await ingest.post("track", body)) is taken


def batch_of(size: int, **fields: str) -> bytes:
    body = json.dumps({"batch": [track()], **fields, "padding": ""}).encode()
    return body.replace(b'"padding": ""', b'"padding": "%s"' % (b"x" * (size - len(body))))


async def test_26_a_batch_may_have_4_mib_and_not_one_byte_more(ingest: Ingest) -> None:
    assert is_success(await ingest.post("batch", batch_of(4_194_304)))
    assert (await ingest.post("batch", batch_of(4_194_305))).status_code == 400
    packed = gzip.compress(batch_of(4_194_305))
    assert (await ingest.post("batch", packed)).status_code == 400


async def test_26_a_batch_with_its_key_in_the_body_may_have_512000_bytes(ingest: Ingest) -> None:
    key = ingest.keys["server"]
    assert is_success(await ingest.post("batch", batch_of(512_000, writeKey=key), key=None))
    assert (await ingest.post("batch", batch_of(512_001, writeKey=key), key=None)).status_code == 400
    in_query = await ingest.post("batch", batch_of(512_001), key=None, params={"writeKey": key})
    assert is_success(in_query)


async def test_27_a_batch_may_have_10000_events_and_not_one_more(ingest: Ingest) -> None:
    events = [track(messageId=str(n)) for n in range(10_000)]
    assert is_success(await ingest.post("batch", {"batch": events}))
    assert [event.event_id for event in ingest.publisher.events] == [
        event_id(ingest.ids["server"], str(n)) for n in range(10_000)
    ]
    response = await ingest.post("batch", {"batch": [*events, track()]})
    assert (response.status_code, response.json()["code"]) == (400, "too_large")


async def test_28_a_message_id_may_have_100_characters_and_not_one_more(ingest: Ingest) -> None:
    assert is_success(await ingest.post("batch", {"batch": [track(messageId="x" * 100), track(messageId="x" * 101)]}))
    assert len(ingest.publisher.events) == 1
    (kept,) = await ingest.quarantined()
    assert kept["reason_code"] == "message_id"


async def test_29_the_answer_is_given_once_the_broker_has_acknowledged(ingest: Ingest) -> None:
    response = await ingest.post("batch", {"batch": [track()]})
    assert is_success(response)
    (sent,) = ingest.publisher.messages
    assert sent.topic == topics.EVENTS
    assert len(sent.key) == 16
    assert b"42" not in sent.key


async def test_30_what_is_no_batch_is_400_with_code_and_message(ingest: Ingest) -> None:
    no_batches = (b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"batch": {}}', b'{"batch": 1}', b"\xff", b"[" * 100_000)
    for body in no_batches:
        response = await ingest.post("batch", body)
        assert response.status_code == 400
        assert set(response.json()) == {"code", "message"}


async def test_30_an_oversize_body_is_400_with_code_and_message(ingest: Ingest) -> None:
    response = await ingest.post("batch", b" " * 4_194_305)
    assert (response.status_code, set(response.json())) == (400, {"code", "message"})


BAD_EVENTS = [
    (b"7", "malformed"),
    (b"null", "malformed"),
    (b"{}", "type"),
    (b'{"type": "dance", "userId": "1"}', "type"),
    (b'{"type": "track", "userId": "1"}', "required"),
    (b'{"type": "track", "event": "x"}', "identity"),
    (b'{"type": "track", "event": "x", "userId": "null"}', "identity"),
    (b'{"type": "track", "event": "x", "userId": {"a": 1}}', "malformed"),
    (b'{"type": "track", "event": "x", "userId": "1", "properties": "no"}', "malformed"),
    (b'{"type": "track", "event": "x", "userId": "1", "properties": {"a": 1e400}}', "malformed"),
    (b'{"type": "track", "event": "x", "userId": "\xff"}', "malformed"),
    (b'{"type": "track", "event": "x\\u0000", "userId": "1"}', "malformed"),
    (b'{"type": "track", "event": "x", "userId": "1", "timestamp": "yesterday"}', "time"),
    (b'{"type": "track", "event": "x", "userId": "1", "timestamp": "2026-01-31T12:00:00"}', "time"),
    (b'{"type": "track", "event": "Order Completed", "userId": "1", "properties": {"order_id": 1}}', "currency"),
]


async def test_31_bad_events_are_quarantined_with_their_reasons_and_the_others_are_taken(ingest: Ingest) -> None:
    good = json.dumps(track()).encode()
    batch = b",".join(part for bad, _ in BAD_EVENTS for part in (bad, good))
    assert is_success(await ingest.post("batch", b'{"batch": [' + batch + b"]}"))
    assert len(ingest.publisher.events) == len(BAD_EVENTS)
    kept = await ingest.quarantined()
    assert {event["raw"]: event["reason_code"] for event in kept} == {
        bad.decode(errors="replace"): reason_code for bad, reason_code in BAD_EVENTS
    }
    assert all(event["reason"] and event["source"] == "server" for event in kept)
    counts = await ingest.get("quarantine/reasons", "ingest:read")
    assert counts.json() == {"reasons": dict(Counter(reason_code for _, reason_code in BAD_EVENTS))}
    of_time = (await ingest.get("quarantine", "ingest:read", reason="time")).json()["events"]
    assert len(of_time) == 2


async def test_31_half_an_emoji_does_not_cost_the_batch(ingest: Ingest) -> None:
    cut = b'{"type": "track", "event": "x", "userId": "1", "properties": {"a": "a\\ud83d", "b": "\\ud83d\\ude00"}}'
    assert is_success(await ingest.post("batch", b'{"batch": [' + cut + b"]}"))
    assert ingest.publisher.events[0].body == CustomEvent(name="x", properties={"a": "a\ufffd", "b": "😀"})


async def test_31_a_number_that_is_none_does_not_cost_the_batch(ingest: Ingest) -> None:
    call = b'{"type": "track", "event": "x", "userId": "1", "properties": {"a": NaN, "b": [-Infinity, 1], "c": "NaN"}}'
    assert is_success(await ingest.post("batch", b'{"batch": [' + call + b"]}"))
    assert ingest.publisher.events[0].body == CustomEvent(name="x", properties={"a": None, "b": [None, 1], "c": "NaN"})


async def test_31_a_bad_event_sent_again_is_kept_once_and_without_its_write_key(ingest: Ingest) -> None:
    body = {"event": "Clicked", "writeKey": ingest.keys["server"], "messageId": "m-9"}
    for _ in range(2):
        assert is_success(await ingest.post("track", body))
    (kept,) = await ingest.quarantined()
    assert json.loads(kept["raw"]) == {"event": "Clicked", "messageId": "m-9"}
    assert kept["message_id"] == "m-9"


async def test_31_the_quarantine_is_read_page_by_page_and_by_its_scope_only(ingest: Ingest) -> None:
    await ingest.post("batch", {"batch": [{"type": f"bad-{n}"} for n in range(5)]})
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await ingest.get("quarantine", "ingest:read", limit=2, **cursor)).json()
        seen += [event["id"] for event in page["events"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) == len(set(seen)) == 5
    assert (await ingest.get("quarantine", "feedback:read")).status_code == 403
    assert (await ingest.http.get("/v1/quarantine")).status_code == 401


async def test_32_a_broker_that_is_away_is_503_with_retry_after_where_nothing_is_spooled(
    database_factory: DatabaseFactory,
) -> None:
    async with ingesting(await database_factory("ingest"), spool_megabytes=0) as ingest:
        ingest.publisher.away = True
        response = await ingest.post("track", track())
        assert response.status_code == 503
        assert response.headers["retry-after"] == "2"
        assert set(response.json()) == {"code", "message"}
        ingest.publisher.away = False
        ingest.clock.moment += timedelta(seconds=3)
        assert is_success(await ingest.post("track", track()))


async def test_32_without_postgresql_good_events_of_a_known_key_are_taken_and_bad_ones_answered_503(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_success(await ingest.post("track", track()))
    engine = ingest.service.database.engine

    def away() -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(type(engine), "connect", lambda _: away())
    assert is_success(await ingest.post("track", track()))
    response = await ingest.post("track", {"event": "nobody"})
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert (await ingest.post("track", track(), key="public")).status_code == 503


async def test_33_too_many_events_of_one_source_are_429_with_retry_after(ingest: Ingest) -> None:
    path, admin = f"/v1/sources/{ingest.ids['server']}", bearer("ingest:admin", "ingest:read")
    tag = (await ingest.http.get(path, headers=admin)).headers["etag"]
    limit = await ingest.http.patch(path, headers={**admin, "If-Match": tag}, json={"events_per_second": 5})
    assert limit.status_code == 200
    batch = {"batch": [track(messageId=f"m-{n}") for n in range(10)]}
    assert is_success(await ingest.post("batch", batch))
    response = await ingest.post("batch", batch)
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    assert set(response.json()) == {"code", "message"}
    assert response.headers["access-control-expose-headers"] == "Retry-After"
    ingest.clock.moment += timedelta(seconds=3)
    assert is_success(await ingest.post("batch", batch))


async def test_34_the_senders_clock_is_corrected(ingest: Ingest) -> None:
    a_day = timedelta(days=1)
    body = track(timestamp=(NOW - a_day).isoformat(), sentAt=(NOW - a_day + timedelta(seconds=30)).isoformat())
    await ingest.post("track", body)
    batch = {"batch": [track(timestamp=(NOW - a_day).isoformat())], "sentAt": body["sentAt"]}
    await ingest.post("batch", batch)
    for event in ingest.publisher.events:
        assert event.received_at == NOW
        assert event.occurred_at == NOW - timedelta(seconds=30)


async def test_35_the_timestamp_as_it_was_sent_is_kept(ingest: Ingest) -> None:
    stated, sent = NOW - timedelta(days=1), NOW - timedelta(days=1) + timedelta(seconds=30)
    await ingest.post("track", track(timestamp=stated.isoformat(), sentAt=sent.isoformat()))
    [event] = ingest.publisher.events
    assert (event.stated_at, event.occurred_at) == (stated, NOW - timedelta(seconds=30))


async def test_36_the_same_message_of_a_source_is_the_same_event(ingest: Ingest) -> None:
    for key in ("server", "server", "public"):
        await ingest.post("track", track(), key=key)
    first, again, other = (event.event_id for event in ingest.publisher.events)
    assert first == again != other


async def test_37_a_message_without_an_id_gets_one_of_its_own(ingest: Ingest) -> None:
    await ingest.post("batch", {"batch": [track(messageId=None), track(messageId="")]})
    first, second = ingest.publisher.events
    assert first.event_id != second.event_id


# What a source is believed, which the contract leaves to the server


async def test_38_a_retry_is_the_same_event(ingest: Ingest) -> None:
    body = {"batch": [track(messageId="a"), track(messageId="b")], "sentAt": NOW.isoformat()}
    for retry in range(3):
        headers = {"X-Retry-Count": str(retry)}
        assert is_success(
            await ingest.post("batch", {**body, "sentAt": ingest.clock.now().isoformat()}, headers=headers)
        )
        ingest.clock.moment += timedelta(seconds=30)
    assert len({event.event_id for event in ingest.publisher.events}) == 2


async def test_40_events_of_a_batch_that_are_stamped_alike_keep_their_order(ingest: Ingest) -> None:
    stamped, sent = (NOW - timedelta(seconds=2)).isoformat(), (NOW - timedelta(seconds=1)).isoformat()
    messages = [
        {"type": "identify", "userId": "1", "messageId": f"m-{n}", "timestamp": stamped, "traits": {"n": n}}
        for n in range(100)
    ]
    await ingest.post("batch", {"batch": messages, "sentAt": sent})
    events = ingest.publisher.events
    assert sorted(events, key=lambda event: event.stamp) == events
    assert all(event.occurred_at - (NOW - timedelta(seconds=1)) < timedelta(milliseconds=1) for event in events)


async def test_39_the_address_of_a_browser_is_filled_in_and_a_servers_is_not(ingest: Ingest) -> None:
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"}
    await ingest.post("track", track(), key="public", headers=agent)
    await ingest.post("track", track(messageId="m-2"), headers=agent)
    await ingest.post("track", track(messageId="m-3", context={"ip": "192.0.2.7"}))
    browser, silent, named = (event.context for event in ingest.publisher.events)
    assert browser is not None
    assert browser.agent is not None
    assert (browser.ip, browser.agent.browser) == ("127.0.0.1", "Firefox")
    assert silent is None
    assert named is not None
    assert named.ip == "192.0.2.7"


async def test_a_public_key_speaks_of_orders_as_claims_only(ingest: Ingest) -> None:
    for key in ("public", "server"):
        await ingest.post("track", order(), key=key)
    claimed, placed = ingest.publisher.events
    assert (claimed.unverified, placed.unverified) == (True, False)
    assert claimed.body == placed.body == OrderPlaced(order_id="A-1", currency="EUR", total_minor=5990, state="placed")


async def test_a_public_key_that_is_allowed_orders_is_believed(ingest: Ingest) -> None:
    made = await ingest.http.post(
        "/v1/sources",
        headers=bearer("ingest:admin"),
        json={"name": "till", "kind": "public", "allow_orders": True},
    )
    assert made.status_code == 201
    await ingest.post("track", order(writeKey=""), key=None, params={"writeKey": made.json()["write_key"]})
    (event,) = ingest.publisher.events
    assert not event.unverified


async def test_a_public_key_gives_no_consent_no_verified_address_and_no_history(ingest: Ingest) -> None:
    body = {
        "userId": "42",
        "traits": {"email": "Ann@Example.com"},
        "context": {"consent": {"categoryPreferences": {"email": True}}, "historical": True},
    }
    for key in ("public", "server"):
        await ingest.post("identify", body, key=key)
    public, server = ingest.publisher.events
    assert public.body == CustomerIdentified(traits={"email": "ann@example.com"})
    assert server.body == CustomerIdentified(traits={"email": "ann@example.com"}, consent={"email": True})
    assert public.identities == (Identity(Namespace.USER_ID, "42"),)
    assert Identity(Namespace.EMAIL, "ann@example.com") in server.identities
    assert (public.historical, server.historical) == (False, True)


async def test_a_page_takes_its_address_from_properties_or_context(ingest: Ingest) -> None:
    await ingest.post("page", {"anonymousId": "a", "name": "Tea", "context": {"page": {"url": "u", "path": "/p"}}})
    assert ingest.publisher.events[0].body == PageViewed(url="u", path="/p", title="Tea")


async def test_an_event_travels_with_the_trace_of_its_request(ingest: Ingest) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    await ingest.post("track", track(), headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert trace in (ingest.publisher.events[0].traceparent or "")


# Operators


async def test_a_source_is_created_once_and_its_key_shown_once(ingest: Ingest) -> None:
    headers = {**bearer("ingest:admin"), "Idempotency-Key": "k-1"}
    body = {"name": "web shop", "kind": "public"}
    first = await ingest.http.post("/v1/sources", headers=headers, json=body)
    again = await ingest.http.post("/v1/sources", headers=headers, json=body)
    assert first.json()["write_key"].startswith("rk_")
    assert len(first.json()["write_key"]) > 32
    assert again.json() == {"id": first.json()["id"], "write_key": None}
    taken = await ingest.http.post("/v1/sources", headers=bearer("ingest:admin"), json=body)
    assert (taken.status_code, taken.headers["content-type"]) == (409, "application/problem+json")
    assert (await ingest.http.post("/v1/sources", headers=bearer("ingest:read"), json=body)).status_code == 403
    listed = (await ingest.get("sources", "ingest:read")).json()["sources"]
    assert [one["name"] for one in listed] == ["public", "server", "web shop"]


async def test_the_description_shows_every_call_with_an_example(ingest: Ingest) -> None:
    paths = (await ingest.http.get("/openapi.json")).json()["paths"]
    for route in (*LONG_ROUTES, "batch"):
        assert "example" in paths[f"/v1/{route}"]["post"]["requestBody"]["content"]["application/json"]
