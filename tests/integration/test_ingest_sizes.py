"""How much a source may send at once: its own limits, the room that large batches share, and what the figures say."""

import json
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import httpx2
import pytest

from services.ingest.domain.request.body import MAX_BODY_BYTES, MAX_LARGE_BYTES, LargeBodies
from tests.conftest import DatabaseFactory
from tests.integration.test_ingest_desk import ask, asked, edit, track, write_down
from tests.integration.test_ingest_ways import problem_of
from tests.support.applications import routes_of
from tests.support.ingest import Ingest, ingesting
from tests.support.typed import TYPED

MEBIBYTE = 1 << 20


@pytest.fixture
async def ingest(database_factory: DatabaseFactory) -> AsyncIterator[Ingest]:
    async with ingesting(await database_factory("ingest")) as made:
        yield made


def sized(octets: int, *, message_id: str = "m-1") -> dict[str, Any]:
    """A message that takes so many bytes as it stands in a batch."""
    empty = track(message_id=message_id, text="")
    return track(message_id=message_id, text="x" * (octets - len(json.dumps(empty))))


async def limits_met(ingest: Ingest, source: str = "server") -> dict[str, int]:
    """How often a source met which limit since the last look."""
    await write_down(ingest)
    path = f"sources/{ingest.ids[source]}/figures"
    figures = (await asked(ingest, "GET", path))["figures"]
    return {one["reason"]: one["events"] for one in figures if one["outcome"] == "limited"}


async def test_a_source_has_its_own_limits_and_its_figures_say_which_was_met(ingest: Ingest) -> None:
    made = await edit(ingest, "server", max_batch_bytes=2_000, max_event_bytes=1_024)
    assert (made["max_batch_bytes"], made["max_event_bytes"]) == (2_000, 1_024)
    before = len(ingest.publisher.events)
    fits, too_large = sized(1_024, message_id="fits"), sized(1_025, message_id="large")
    assert (await ingest.post("batch", {"batch": [fits]})).status_code == 200
    assert (await ingest.post("batch", {"batch": [too_large, track(message_id="small")]})).status_code == 200
    assert len(ingest.publisher.events) == before + 2  # the large one alone is in the quarantine
    for body in ({"batch": [fits, fits]}, json.dumps({"batch": [fits, fits]}).encode()):
        refused = await ingest.post("batch", body)
        assert (refused.status_code, refused.json()["code"]) == (400, "too_large")
    assert (await ingest.post("track", too_large)).status_code == 400
    order = await ingest.post("orders", TYPED["orders"] | {"order_id": "x" * 2_000})
    assert problem_of(order, 400, "not-readable").startswith("body: larger than 1024 bytes")
    assert await limits_met(ingest) == {
        "body: larger than 2000 bytes; send smaller batches": 2,
        "body: larger than 1024 bytes; send less at once": 1,
        "body: larger than 1024 bytes; send smaller batches": 1,
    }
    large = await edit(ingest, "server", max_batch_bytes=8 * MEBIBYTE, max_event_bytes=262_144)
    assert large["max_batch_bytes"] == 8 * MEBIBYTE
    events = [sized(262_144, message_id=f"l-{n}") for n in range(20)]
    assert (await ingest.post("batch", {"batch": events})).status_code == 200
    assert (await edit(ingest, "server", max_batch_bytes=None, max_event_bytes=None))["max_batch_bytes"] is None


async def test_no_source_has_limits_beyond_those_of_the_server(ingest: Ingest) -> None:
    path = f"sources/{ingest.ids['public']}"
    tag = (await ask(ingest, "GET", path)).headers["etag"]
    for field, most in (("max_batch_bytes", 16 * MEBIBYTE), ("max_event_bytes", 262_144)):
        for value in (most + 1, 1_023, 0, -1):
            assert (await ask(ingest, "PATCH", path, {field: value}, **{"If-Match": tag})).status_code == 422
    made = await ask(ingest, "POST", "sources", {"name": "too large", "max_batch_bytes": 16 * MEBIBYTE + 1})
    assert made.status_code == 422


async def test_large_batches_share_their_room_and_small_ones_need_none(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [sized(30_000, message_id=f"r-{n}") for n in range(40)]
    full = LargeBodies(held_bytes=MAX_LARGE_BYTES - 1)
    monkeypatch.setattr(ingest.intake, "large_bodies", full)
    refused = await ingest.post("batch", {"batch": events})
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    assert (await ingest.post("batch", {"batch": events[: MAX_BODY_BYTES // 31_000]})).status_code == 200
    assert full.held_bytes == MAX_LARGE_BYTES - 1
    monkeypatch.setattr(ingest.intake, "large_bodies", free := LargeBodies())
    assert (await ingest.post("batch", {"batch": events})).status_code == 200
    assert (await ingest.post("batch", b"[" + b" " * 1_000_000)).status_code == 400
    assert free.held_bytes == 0


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


async def test_no_address_redirects(ingest: Ingest) -> None:
    """Four SDKs take a redirect for a delivery, and lose the event."""
    assert ingest.service.app is not None
    paths = sorted({path for _, path in routes_of(ingest.service.app)})
    assert "/v1/batch" in paths
    auth = httpx2.BasicAuth(ingest.keys["server"], "")
    for path, method, end in product(paths, METHODS, ("", "/")):
        if "tail" in path:  # it streams
            continue
        response = await ingest.http.request(method, path + end, content=b"{}", auth=auth, follow_redirects=False)
        assert not 300 <= response.status_code < 400, (method, path + end)
