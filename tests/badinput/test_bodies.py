"""Every JSON body of every route, with something unfit at each place: refused or taken in, and never a failure.

Over real connections, one for each route: a service that answers with 5xx, or that ends the connection, is found.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import httpx2
import pytest

from tests.badinput import bodies, budget, figures
from tests.badinput.server import served
from tests.conftest import DatabaseFactory
from tests.support.applications import ROUTES, SERVICES, build, token
from tests.support.sources import SECRETS_KEY, made_source

KIND: Final = "bodies by hand"
ROUTES_WITH_BODIES: Final = 40  # some: what is shared out among them
WRITER_TAGS: Final = {"tracking", "facts"}
SECONDS: Final = 20.0

Failures = dict[str, str]


def bodies_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    """(method, path, content type, good body) of each operation of a document that takes JSON."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            found = bodies.good_body(operation, document)
            if found is not None:
                yield method.upper(), path, *found


def url_of(method: str, path: str, source_id: object) -> str:
    """The path with ids: the source is there, anything else is not."""
    known = next((route for route in ROUTES if (route.method, route.path) == (method, path)), None)
    return known.url(source_id=str(source_id)) if known else path.format(source_id=source_id)


def case_list(good: Any) -> list[tuple[str, bytes]]:
    """Every bad body of a route."""
    return [*bodies.BROKEN.items(), *bodies.mutations(good)]


async def failures(client: httpx2.AsyncClient, method: str, url: str, cases: Sequence[tuple[str, bytes]]) -> Failures:
    """By what was sent, each answer that is a failure of the service, or no answer at all."""
    found: Failures = {}
    for n, (what, raw) in enumerate(cases):
        try:
            answer = await client.request(method, url, content=raw, headers={"Idempotency-Key": f"k-{n}"})
        except httpx2.HTTPError as error:
            found[f"{method} {url}: {what}"] = repr(error)
            continue
        if answer.status_code >= 500:
            found[f"{method} {url}: {what}"] = str(answer.status_code)
    return found


@pytest.mark.parametrize("service", SERVICES)
async def test_no_body_makes_a_service_fail_or_end_the_connection(
    database_factory: DatabaseFactory, service: str
) -> None:
    url = await database_factory(service)
    settings: dict[str, Any] = {"secrets_key": SECRETS_KEY} if service == "ingest" else {}
    made = build(service, url, **settings)
    assert made.app is not None
    document = made.app.openapi()
    source_id, key = await made_source(made.database, "shop", format="json") if service == "ingest" else (None, "")
    await made.database.close()
    found: Failures = {}
    with served(service, url, **settings) as base:
        for method, path, media, good in bodies_of(document):
            writes = not WRITER_TAGS.isdisjoint(document["paths"][path][method.lower()]["tags"])
            headers = {"Content-Type": media, "If-Match": '"1"', **({} if writes else token(scope=f"{service}:admin"))}
            cases = bodies.spread(case_list(good), budget.BODIES // ROUTES_WITH_BODIES)
            auth = httpx2.BasicAuth(key, "") if writes else None
            async with httpx2.AsyncClient(base_url=base, timeout=SECONDS, headers=headers, auth=auth) as client:
                failed = await failures(client, method, url_of(method, path, source_id), cases)
            figures.count(KIND, len(cases), len(failed))
            found |= failed
    assert found == {}
