"""What public keys may send: by source, and by the client that uses them. Servers have no such limits."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.ingest.settings import IngestSettings
from tests.conftest import DatabaseFactory
from tests.integration.test_ingest_desk import asked, edit
from tests.integration.test_ingest_desk import write_down as let_the_clerk_run
from tests.integration.test_ingest_ways import key, problem_of
from tests.support.ingest import Ingest, ingesting
from tests.support.typed import TYPED

STRANGER, OTHER = "93.184.216.34", "93.184.216.35"


@pytest.fixture
async def ingest(database_factory: DatabaseFactory) -> AsyncIterator[Ingest]:
    url = await database_factory("ingest")
    async with ingesting(url, public_events_per_second=20, address_events_per_second=2) as made:
        yield made


async def send(
    ingest: Ingest, address: str, events: int, source: str = "public", *, proxies: str = "", **headers: str
) -> httpx2.Response:
    """A batch from this address, past the proxies that are named."""
    body = {"batch": [{"type": "page", "anonymousId": "a-1"}] * events, "writeKey": ingest.keys[source]}
    assert ingest.service.app is not None
    app: Any = ProxyHeadersMiddleware(ingest.service.app, proxies)  # type: ignore[arg-type] # as uvicorn builds it
    transport = httpx2.ASGITransport(app=app, client=(address, 40_000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://ingest.example") as client:
        return await client.post("/v1/batch", json=body, headers=headers)


async def statuses(ingest: Ingest, *sends: tuple[str, int]) -> list[int]:
    return [(await send(ingest, address, events)).status_code for address, events in sends]


async def test_one_address_has_its_limit_and_others_are_not_touched_by_it(ingest: Ingest) -> None:
    assert await statuses(ingest, (STRANGER, 20), (STRANGER, 1), (OTHER, 1)) == [200, 429, 200]
    refused = await send(ingest, STRANGER, 1)
    assert refused.json() == {
        "code": "too_many",
        "message": "at most 2 events a second from one address; send it again in 1 s",
    }
    assert (refused.headers["retry-after"], refused.headers["access-control-allow-origin"]) == ("1", "*")
    ingest.clock.moment += timedelta(seconds=1)
    assert await statuses(ingest, (STRANGER, 2), (STRANGER, 1)) == [200, 429]


async def test_many_addresses_meet_the_limit_of_their_source(ingest: Ingest) -> None:
    assert await statuses(ingest, *((f"93.184.216.{n}", 10) for n in range(5))) == [200, 200, 200, 200, 429]
    await let_the_clerk_run(ingest)
    path = f"sources/{ingest.ids['public']}/figures"
    figures = (await asked(ingest, "GET", path))["figures"]
    assert [one["events"] for one in figures if one["outcome"] == "limited"] == [10]


async def test_a_source_with_a_limit_of_its_own_has_that_one(ingest: Ingest) -> None:
    await edit(ingest, "public", events_per_second=1)
    assert await statuses(ingest, (STRANGER, 2), (OTHER, 1)) == [200, 429]


async def test_a_servers_key_has_neither_limit(ingest: Ingest) -> None:
    assert [(await send(ingest, STRANGER, 100, "server")).status_code for _ in range(3)] == [200] * 3


async def test_every_way_in_of_a_public_key_counts(ingest: Ingest) -> None:
    assert await statuses(ingest, ("127.0.0.1", 20)) == [200]
    refused = await ingest.post("page-views", TYPED["page-views"], key="public", headers=key())
    assert problem_of(refused, 429, "too-many").startswith("at most 2 events a second from one address")
    assert refused.headers["retry-after"] == "1"
    before = len(ingest.publisher.messages)
    parameters = {"writeKey": ingest.keys["public"], "anonymousId": "a-1"}
    assert (await ingest.http.get("/v1/pixel.gif", params=parameters)).status_code == 200
    assert len(ingest.publisher.messages) == before


async def test_a_client_is_told_from_others_by_what_a_named_proxy_says(ingest: Ingest) -> None:
    proxied = {"proxies": "10.0.0.0/8"}
    for client, status in ((STRANGER, 200), (STRANGER, 429), (OTHER, 200)):
        response = await send(ingest, "10.0.0.7", 20, **proxied, **{"X-Forwarded-For": client})
        assert response.status_code == status


async def test_a_strangers_own_header_says_nothing(ingest: Ingest) -> None:
    for n, status in ((1, 200), (2, 429)):
        response = await send(ingest, STRANGER, 20, proxies="10.0.0.0/8", **{"X-Forwarded-For": f"1.1.1.{n}"})
        assert response.status_code == status


async def test_behind_a_proxy_that_nobody_named_no_address_is_limited_and_the_log_says_so_once(ingest: Ingest) -> None:
    with capture_logs() as logs:
        for n in range(4):
            response = await send(ingest, "10.0.0.7", 10, **{"X-Forwarded-For": f"1.1.1.{n}"})
            assert response.status_code == 200
    assert [one["event"] for one in logs if "proxy" in one["event"]] == ["intake.proxy_not_named"]


def test_by_default_there_are_limits_that_no_page_meets() -> None:
    fields = IngestSettings.model_fields
    assert (fields["public_events_per_second"].default, fields["address_events_per_second"].default) == (2_000, 100)


async def test_an_answer_with_a_public_key_in_a_customers_name_is_a_claim(ingest: Ingest) -> None:
    await edit(ingest, "public", allow_orders=True)  # which is about orders, and changes nothing here
    call = {"event": "Feedback Submitted", "properties": {"survey": "nps", "rating": 0}}
    for who in ({"userId": "V"}, {"userId": "V", "anonymousId": "a-1"}, {"anonymousId": "a-1"}):
        assert (await ingest.post("track", {**call, **who}, key="public")).status_code == 200
    assert (await ingest.post("track", {**call, "userId": "V"})).status_code == 200
    assert [event.unverified for event in ingest.publisher.events] == [True, True, False, False]
