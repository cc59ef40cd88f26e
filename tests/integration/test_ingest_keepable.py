"""What can't be kept is refused where it comes in, event by event: nothing that a sender says is answered by a 5xx."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from services.ingest.domain.formats.inbound import decode
from services.ingest.service import inbound, source_stats, triage
from shared.database.database import Work
from shared.errors import Refused
from tests.conftest import DatabaseFactory
from tests.integration.test_ingest_ways import BATCH, STRUCTURED, problem_of
from tests.support.ingest import Ingest, bearer, ingesting
from tests.support.unkeepable import MENDED, VALUES

PAGE: Final = b'{"type": "page", "anonymousId": "a", "messageId": "p-1"}'
BAD: Final = b'{"type": "page"}'  # says nobody
WRITE: Final = bearer("ingest:write")
LONG_NAME: Final = "x" * 30_000
DOUBLING: Final = "|".join(["[@,@]"] * 83)  # of which each step doubles what the one before it made


@pytest.fixture
async def ingest(database_factory: DatabaseFactory) -> AsyncIterator[Ingest]:
    async with ingesting(await database_factory("ingest")) as made:
        yield made


def batch(*events: bytes, **envelope: bytes) -> bytes:
    return (
        b"{"
        + b"".join(b'"%s": %s, ' % (name.encode(), one) for name, one in envelope.items())
        + (b'"batch": [' + b", ".join(events) + b"]}")
    )


async def test_a_batchs_own_context_is_looked_at_like_an_event(ingest: Ingest) -> None:
    for n, (name, value) in enumerate(VALUES.items()):
        context = b'{"page": {"title": "t"}, "of ours or not": %s}' % value
        page, bad = PAGE.replace(b"p-1", b"p-%d" % n), BAD.replace(b"}", b', "n": %d}' % n)
        ingest.publisher.messages.clear()
        before = {one["id"] for one in await ingest.quarantined()}
        response = await ingest.post("batch", batch(page, bad, context=context))
        kept = [one["reason"] for one in await ingest.quarantined() if one["id"] not in before]
        if name in MENDED:
            assert (response.status_code, len(ingest.publisher.events), len(kept)) == (200, 1, 1), name
        elif response.status_code == 200:
            assert (ingest.publisher.events, len(kept)) == ([], 2), name
            assert all(reason.startswith("context: ") for reason in kept), name
        else:  # which no JSON reader can tell from what follows
            assert (response.status_code, response.json()["code"], kept) == (400, "invalid_json", []), name


async def test_events_of_a_context_that_can_not_be_kept_are_released_without_it(ingest: Ingest) -> None:
    await ingest.post("batch", batch(PAGE, context=b'{"page": {"title": "a\\u0000b"}}'))
    [held] = await ingest.quarantined()
    assert held["reason"].startswith("context: page.title: a text contains the character U+0000")
    response = await ingest.http.post(f"/v1/quarantine/{held['id']}/release", headers=WRITE, json={})
    assert (response.status_code, response.json()["events"]) == (200, 1)


async def test_no_member_of_an_envelope_makes_a_5xx(ingest: Ingest) -> None:
    for member in ("integrations", "sentAt", "writeKey", "historical", "x"):
        for name, value in VALUES.items():
            response = await ingest.post("batch", batch(PAGE, BAD, **{member: value}))
            assert response.status_code in (200, 400), f"{member}, {name}: {response.text}"


async def test_an_event_that_can_not_be_kept_costs_no_other(ingest: Ingest) -> None:
    for name, value in VALUES.items():
        event = b'{"type": "track", "event": "e", "userId": "u", "messageId": "m", "properties": {"p": %s}}' % value
        ingest.publisher.messages.clear()
        before = len(await ingest.quarantined())
        response = await ingest.post("batch", batch(PAGE, event))
        refused = len(await ingest.quarantined()) - before
        if response.status_code == 200:
            assert (refused, len(ingest.publisher.events)) == ((0, 2) if name in MENDED else (1, 1)), name
        else:
            assert (response.status_code, response.json()["code"]) == (400, "invalid_json"), name


def ways(till: Mapping[str, Any], value: bytes) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """A request of each other way in: its path, its body, and what it needs beside."""
    event = (
        b'{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "user_id:u", "data": %s}' % value
    )
    attributes = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "userid": "u"}
    binary = {f"ce-{one}": text for one, text in attributes.items()} | {"Content-Type": "application/json"}
    key = {"Idempotency-Key": "k"}
    yield "orders", b'{"customer": %s, "order_id": "o"}' % value, {}
    yield "customers", b'{"customer": {"user_id": "u"}, "traits": {"t": %s}}' % value, {"headers": key}
    yield "cloudevents", event, {"headers": STRUCTURED}
    yield "cloudevents", b"[%s]" % event, {"headers": BATCH}
    yield "cloudevents", b'{"p": %s}' % value, {"headers": binary}
    auth = {"writeKey": till["write_key"]}
    yield f"webhooks/{till['id']}", b'{"u": "u", "p": %s}' % value, {"key": None, "params": auth}


async def test_no_other_way_in_takes_it_or_fails(ingest: Ingest) -> None:
    rules = {"rules": [{"event": "e", "fields": {"userId": "u"}}]}
    definition = {"name": "till", "format": "json", "mapping": rules}
    till = (await ingest.http.post("/v1/sources", headers=bearer("ingest:admin"), json=definition)).json()
    for name, value in VALUES.items():
        for path, raw, more in ways(till, value):
            response = await ingest.post(path, raw, **more)
            if response.is_success:
                assert response.json().get("quarantined") or response.json().get("refused"), f"{path}, {name}"
            else:
                assert response.status_code in (400, 422), f"{path}, {name}: {response.text}"
                assert response.headers["content-type"] == "application/problem+json"
            assert ingest.publisher.messages == [], f"{path}, {name}"


async def test_no_upstream_record_is_taken_or_fails(ingest: Ingest) -> None:
    definition = {"name": "erp", "ce_source": "/erp"}
    (await ingest.http.post("/v1/sources", headers=bearer("ingest:admin"), json=definition)).raise_for_status()
    handler = inbound.InboundHandler(ingest.intake.vault, ingest.intake.stats, b"secret")
    event = b'{"specversion": "1.0", "id": "%s", "source": "/erp", "type": "t", "userid": "u", "data": %s}'
    refused = 0
    for n, (name, value) in enumerate(VALUES.items()):
        record = decode([("content-type", b"application/cloudevents+json")], event % (b"%d" % n, value))
        try:
            async with ingest.service.database.work() as work:
                await handler.handle(work, [record])
            refused += 1
        except Refused:  # no JSON, so that its source can't be read: a dead letter
            assert name not in ("U+0000", "too many digits", "too deep", "too long a name")
    assert len(await ingest.quarantined()) == refused
    async with ingest.service.database.work() as work:
        assert await triage.spooled_bytes(work) == 0


async def test_a_reason_that_repeats_what_came_in_can_be_kept(ingest: Ingest) -> None:
    response = await ingest.post("orders", b'{"customer": {"\\u0000": 1}}')
    assert "\0" not in problem_of(response, 422, "refused")
    response = await ingest.post("orders", json.dumps({"customer": {LONG_NAME: 1}}).encode()[:32_000])
    assert len(problem_of(response, 422, "refused")) < 2_000
    for one in await ingest.quarantined():
        assert len(one["reason"]) <= 1_000


async def test_a_name_that_no_index_takes_is_refused_and_figures_go_on(ingest: Ingest) -> None:
    message = b'{"type": "track", "event": "%s", "userId": "u", "messageId": "m-%d"}'
    named = [message % (LONG_NAME.encode(), n) for n in (1, 2)]
    assert (await ingest.post("batch", batch(PAGE, *named))).status_code == 200
    assert [one["reason_code"] for one in await ingest.quarantined()] == ["too_large", "too_large"]
    async with ingest.service.database.work() as work:
        await source_stats.write(work, ingest.intake.stats.take())


@pytest.mark.parametrize("header", [b"Basic \xff", b"Basic \xc3\xbc", b"basic =", b"Basic " + b"=" * 5_000])
async def test_credentials_that_are_none_are_unknown(ingest: Ingest, header: bytes) -> None:
    for path in ("track", "orders", "batch"):
        response = await ingest.post(path, b'{"batch": []}', key=None, headers={"Authorization": header})
        assert response.status_code == 401


@pytest.mark.parametrize("tag", ['"' + "9" * 4_301 + '"', '"' + "9" * 19 + '"', '"٣"'.encode(), b'"\xff"'])
async def test_a_tag_that_is_none_is_a_failed_precondition(ingest: Ingest, tag: str | bytes) -> None:
    path = f"/v1/sources/{ingest.ids['server']}"
    raw = tag if isinstance(tag, bytes) else tag.encode()
    headers = {name.encode(): text.encode() for name, text in bearer("ingest:admin").items()} | {b"If-Match": raw}
    problem_of(await ingest.http.patch(path, headers=headers, json={"allow_orders": True}), 412, "precondition-failed")


@pytest.mark.parametrize("path", ["batch", "orders"])
async def test_data_that_postgresql_refuses_is_refused_for_good(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def refused(work: Work, *_: Any, **__: Any) -> None:
        await work.run("SELECT CAST(:value AS jsonb)", value='"\\u0000"')

    monkeypatch.setattr(triage, "keep", refused)
    response = await ingest.post(path, batch(BAD))
    assert response.status_code == 400
    assert "a value can't be stored" in response.text


@pytest.mark.parametrize("path", ["batch", "orders"])
async def test_a_defect_of_ours_is_a_500_that_says_so(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def wrong(work: Work, *_: Any, **__: Any) -> None:
        await work.run("SELECT nothing FROM nowhere")

    monkeypatch.setattr(triage, "keep", wrong)
    with capture_logs() as logged:
        problem_of(await ingest.post(path, batch(BAD)), 500, "internal-error")
    assert [one["event"] for one in logged] == ["http.unexpected"]


async def test_whoever_may_only_read_has_no_mapping_tried_and_it_ends_by_its_budget(ingest: Ingest) -> None:
    path = f"/v1/sources/{ingest.ids['server']}/mapping/preview"
    body = {"payload": {"a": 1}, "mapping": {"rules": [{"event": "e", "fields": {"userId": DOUBLING}}]}}
    assert (await ingest.http.post(path, headers=bearer("ingest:read"), json=body)).status_code == 403
    response = await ingest.http.post(path, headers=WRITE, json=body)
    assert response.json()["refused"] == ["mapping: makes more than 8000000 characters; select less of the payload"]


@pytest.mark.parametrize("expression", ["&a", "[&a]", "a[::0]", "to_number('inf')", "sum(['x'])", "(" * 400, "[" * 499])
async def test_an_expression_that_makes_no_sense_is_refused(ingest: Ingest, expression: str) -> None:
    path = f"/v1/sources/{ingest.ids['server']}/mapping/preview"
    body = {"payload": {"a": [1]}, "mapping": {"rules": [{"event": "e", "fields": {"userId": expression}}]}}
    response = await ingest.http.post(path, headers=WRITE, json=body)
    assert response.status_code in (200, 422), response.text
    assert response.status_code == 422 or response.json()["refused"]
