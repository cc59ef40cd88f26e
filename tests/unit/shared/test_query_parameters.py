"""A query parameter that a route does not know is refused by every route, but by those whose senders add their own."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.applications import LINKS, NOWHERE, ROUTES, SERVICES, SOMEBODY, asking, build, routes_of, token

FOREIGN: Final = "no-such-parameter"
EVERY_SCOPE: Final = " ".join(f"{service}:admin" for service in SERVICES)
TRACKING: Final = {"batch", "track", "identify", "page", "screen", "group", "alias", "import", "import/", "m"}
# SDKs, pages and shops add parameters of their own: docs/ingest.md.
TOLERANT: Final = {
    *(f"/v1/{name}" for name in (*TRACKING, *"btipsga", "projects/{write_key}/settings")),
    *("/v1/rapport.js", "/v1/pixel.gif", "/v1/webhooks/{source_id}"),
    *LINKS,  # programs that follow or count links in mails add theirs
}

every_service = pytest.mark.parametrize("service", SERVICES)


def url_of(service: str, method: str, path: str) -> str:
    """The path with ids that are in order."""
    known = (route for route in ROUTES if (route.service, route.method, route.path) == (service, method, path))
    found = next(known, None)
    return (
        found.url()
        if found
        else path.format(write_key="k", source_id="s", name="docs.js", token="t", message_id=SOMEBODY)
    )


@every_service
async def test_every_route_but_those_of_senders_refuses_an_unknown_parameter(service: str) -> None:
    """With a token of every scope, and a database that is away: who ignores it answers something else."""
    made = build(service, NOWHERE)
    assert made.app is not None
    taken: dict[str, int] = {}
    async with asking(made, token(scope=EVERY_SCOPE)) as client:
        for method, path in routes_of(made.app):
            if path in TOLERANT:
                continue
            answer = await client.request(method, url_of(service, method, path), params={FOREIGN: "1"})
            problem = answer.headers.get("content-type") == "application/problem+json"
            if answer.status_code != 422 or not problem or answer.json()["errors"][0]["at"] != f"query/{FOREIGN}":
                taken[f"{method} {path}"] = answer.status_code
    assert taken == {}


async def test_routes_that_senders_add_parameters_to_ignore_them() -> None:
    found: set[str] = set()
    refused: dict[str, str] = {}
    for service in ("ingest", "campaign"):
        made = build(service, NOWHERE)
        assert made.app is not None
        async with asking(made) as client:
            for method, path in routes_of(made.app):
                found.add(path)
                if path in TOLERANT:
                    answer = await client.request(method, url_of(service, method, path), params={FOREIGN: "1"})
                    if FOREIGN in answer.text:
                        refused[f"{method} {path}"] = answer.text
    assert found >= TOLERANT
    assert refused == {}


@every_service
async def test_the_document_says_who_refuses_and_who_ignores_parameters(service: str) -> None:
    made = build(service, NOWHERE)
    assert made.app is not None
    document = made.app.openapi()
    await made.database.close()
    assert "Query parameters that a route does not know are refused" in document["info"]["description"]
    for path, method, operation in operations_of(document):
        if path in TOLERANT:
            assert operation["x-unknown-query-parameters"] == "ignored", (method, path)
        else:
            assert "422" in operation["responses"], (method, path)


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of a document."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("min_order=3", "did you mean min_orders?"),
        ("Limit=3", "did you mean limit?"),
        ("tier=gold", "this route knows cursor, limit, min_orders, q"),
    ],
)
async def test_the_nearest_parameter_is_named(query: str, hint: str) -> None:
    async with asking(build("profile", NOWHERE), token(scope=EVERY_SCOPE)) as client:
        answer = await client.get(f"/v1/profiles?{query}")
    (error,) = answer.json()["errors"]
    assert error["at"] == f"query/{query.partition('=')[0]}"
    assert error["message"] == f"unknown query parameter; {hint}"


async def test_whoever_has_no_token_is_told_that_first() -> None:
    async with asking(build("profile", NOWHERE)) as client:
        answer = await client.get("/v1/profiles?tier=gold")
    assert answer.status_code == 401


async def test_a_write_key_in_the_address_is_known_where_events_are_sent() -> None:
    async with asking(build("ingest", NOWHERE)) as client:
        answer = await client.post("/v1/orders?writeKey=k", json={})
    assert answer.status_code == 503  # its database was asked for the key
