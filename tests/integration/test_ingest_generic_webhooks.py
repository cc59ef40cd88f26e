"""Generic webhooks on the whole service: their source's mapping says what they mean, and can be tried before."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.conftest import DatabaseFactory
from tests.integration.test_ingest_ways import nothing_came_of_it, problem_of
from tests.integration.test_ingest_webhooks import ADMIN, SALE, SOLD, delivered, edit, make, release, waiting
from tests.support.ingest import Ingest, ingesting
from tests.support.webhooks import TILL


@pytest.fixture
async def ingest(database_factory: DatabaseFactory) -> AsyncIterator[Ingest]:
    async with ingesting(await database_factory("ingest")) as made:
        yield made


async def test_a_generic_source_that_signs_nothing_is_known_by_its_write_key(ingest: Ingest) -> None:
    source_id = await make(ingest, "json", secret=None)
    path = f"webhooks/{source_id}"
    assert problem_of(await ingest.post(path, SALE, key=None), 401, "unknown-key")
    assert "another source's" in problem_of(await ingest.post(path, SALE, key="server"), 401, "badly-signed")
    assert (await ingest.post(path, SALE, key="json")).json()["events"] == 1
    by_query = await ingest.post(path, SALE, key=None, params={"writeKey": ingest.keys["json"]})
    assert by_query.json()["events"] == 1
    assert [one.body for one in ingest.publisher.events] == [SOLD, SOLD]


async def test_a_delivery_before_its_mapping_is_released_once_there_is_one(ingest: Ingest) -> None:
    source_id = await make(ingest, "standard-webhooks", mapping=None)
    assert (await delivered(ingest, source_id, "standard-webhooks", SALE))["quarantined"] == 1
    [held] = await ingest.quarantined()
    assert (held["reason_code"], held["reason"][:27]) == ("mapping", "mapping: this source has no")
    await edit(ingest, source_id, mapping=TILL)
    assert (await release(ingest, held))["events"] == 1
    assert [one.body for one in await waiting(ingest)] == [SOLD]


async def test_a_mapping_is_tried_before_it_is_used_and_nothing_comes_of_that(ingest: Ingest) -> None:
    source_id = await make(ingest, "json", mapping=None)
    path = f"/v1/sources/{source_id}/mapping/preview"

    async def tried(payload: Any, mapping: Any) -> httpx2.Response:
        return await ingest.http.post(path, headers=ADMIN, json={"payload": payload, "mapping": mapping})

    result = (await tried(SALE, TILL)).json()
    assert result["messages"] == [
        {
            "messageId": "R-7",
            "userId": "42",
            "properties": {"order_id": "R-7", "currency": "EUR", "total": 1059.9},
            "type": "track",
            "event": "Order Completed",
        }
    ]
    [event] = result["events"]
    assert (event["type"], event["identities"]) == ("rapport.order_placed.v2", ["user_id:42"])
    assert (event["body"]["total_minor"], result["refused"]) == (105990, [])
    assert (await tried({**SALE, "sum": "much"}, TILL)).json()["refused"] == [
        "rules[0].fields.properties.total: 'much' is not a number"
    ]
    assert (await tried({**SALE, "card": None}, TILL)).json()["refused"][0].startswith("identity: ")
    assert (await tried({"kind": "x"}, TILL)).json() == {"messages": [], "events": [], "refused": []}
    assert problem_of(await tried(SALE, None), 422, "not-usable") == "mapping: give one to try, or give the source one"
    assert "rules: 0" in problem_of(await tried(SALE, {"rules": []}), 422, "not-usable")
    assert (await ingest.http.post(path, json={"payload": SALE})).status_code == 401
    assert await nothing_came_of_it(ingest)
    await edit(ingest, source_id, mapping=TILL)
    assert (await delivered(ingest, source_id, "json", SALE))["events"] == 1
    assert str(ingest.publisher.events[0].event_id) == event["event_id"]
