"""Whatever passes as keepable, PostgreSQL takes and gives back; whatever does not is refused by every way in."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts import keepable
from shared.contracts.keepable import NotKeepable
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_apis import BAD_BODIES, JSON, fault_in
from tests.support.applications import ROUTES, Route, asking, build, token
from tests.support.unkeepable import VALUES

TEXTS: Final = st.text() | st.sampled_from(["\x00", "a\x00", "\ud800", "\udfff\ud800", "\\u0000", "\\", "\ufffd"])
NUMBERS: Final = (
    st.integers()
    | st.integers(-(10**1_005), 10**1_005)
    | st.floats()
    | st.sampled_from([1e308, -1e308, 5e-324, 2**53, 2**64, 10**309, float("inf")])
)
VALUES_OF_ALL_KINDS: Final = st.recursive(
    st.none() | st.booleans() | TEXTS | NUMBERS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)
WITH_BODIES: Final = [route for route in ROUTES if route.path in BAD_BODIES and route.method != "GET"]


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    made = Database(await database_factory("ingest"), application="test", clock=SystemClock())
    yield made
    await made.close()


async def test_postgresql_takes_what_is_keepable_and_gives_it_back(database: Database) -> None:
    kept: list[Any] = []

    @settings(max_examples=100, suppress_health_check=list(HealthCheck))
    @given(VALUES_OF_ALL_KINDS)
    def gather(value: object) -> None:
        with suppress(NotKeepable):
            kept.append(keepable.decode(json.dumps(value).encode()))

    await asyncio.to_thread(gather)
    assert len(kept) > 30
    async with database.work() as work:
        for value in kept:
            written = msgspec.json.encode(value).decode()
            row = await work.row(
                "SELECT CAST(:value AS jsonb)::text AS found, :text AS text", value=written, text=written
            )
            assert row is not None
            assert alike(msgspec.json.decode(row.found), value)
            assert row.text == written


def alike(found: object, value: object) -> bool:
    """Equal, where a number is what a double makes of it: PostgreSQL writes 1e308 as an integer."""
    if isinstance(found, dict) and isinstance(value, dict):
        return found.keys() == value.keys() and all(alike(found[name], value[name]) for name in value)
    if isinstance(found, list) and isinstance(value, list):
        return len(found) == len(value) and all(map(alike, found, value))
    if isinstance(value, float) and isinstance(found, int | float):
        return float(found) == value
    return found == value


@pytest.mark.parametrize("service", sorted({route.service for route in WITH_BODIES}))
async def test_no_route_takes_a_body_that_can_not_be_kept(database_factory: DatabaseFactory, service: str) -> None:
    made = build(service, await database_factory(service))
    faults: dict[str, str] = {}
    async with asking(made) as client:
        for route in (route for route in WITH_BODIES if route.service == service):
            headers = {**token(scope=route.scope), **JSON}
            for name, raw in bodies_of(route):
                answer = await client.request(route.method, route.url(), content=raw, headers=headers)
                if fault := fault_in(answer):
                    faults[f"{route}, {name}: {raw[:80]!r}"] = fault
    assert faults == {}


def bodies_of(route: Route) -> Iterator[tuple[str, bytes]]:
    """The route's body with each bad value beside its members, and in place of each of them."""
    members = {name: json.dumps(one).encode() for name, one in (route.body or {}).items()}
    for name, value in VALUES.items():
        for place in ("extra", *members):
            parts = (json.dumps(one).encode() + b": " + part for one, part in (members | {place: value}).items())
            yield name, b"{" + b", ".join(parts) + b"}"
