"""Every route of every service, as a stranger, a reader, a customer and a fool would call it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.process import LOOPBACK, free_port
from services.profile.service.fold import fold_events
from shared.contracts import topics
from shared.contracts.envelope import Event
from shared.contracts.identity import Identity, Namespace
from shared.http import encode_cursor
from shared.http.paging import MAX_PAGE
from shared.service import process
from tests.conftest import DatabaseFactory
from tests.support.applications import (
    ANSWER,
    BROADCAST,
    CONDITION,
    ERASED,
    GIVEN,
    IMPORT,
    JOURNEY,
    LINKS,
    OWN,
    PROGRAMME,
    ROUTES,
    SERVICES,
    SOMEBODY,
    SPLIT,
    WRITERS,
    Route,
    asking,
    build,
    token,
)
from tests.support.databases import Databases
from tests.support.events import NOON, days, order, person, user

NUL: Final = "%00"
JSON: Final = {"Content-Type": "application/json", "If-Match": '"1"'}
LONG: Final = "x" * 5_000
NEEDS_NO_DATABASE: Final = ("/v1/vocabulary", "/v1/schemas/programme", "/v1/shelf")  # parts of the code
NOT_UUIDS: Final = ("nonsense", NUL, LONG, "%27%20OR%201%3D1")
# Values that are wrong wherever a parameter of this name stands.
GARBAGE: Final[Mapping[str, tuple[str, ...]]] = {
    "source_id": NOT_UUIDS,
    "profile_id": NOT_UUIDS,
    "case_id": NOT_UUIDS,
    "payload_id": NOT_UUIDS,
    "split_id": NOT_UUIDS,
    "import_id": NOT_UUIDS,
    "suppression_id": NOT_UUIDS,
    "run_id": NOT_UUIDS,
    "message_id": NOT_UUIDS,
    "template_id": ("nonsense", LONG, f"win{NUL}back", "Win Back"),
    "broadcast_id": ("nonsense", LONG, f"sa{NUL}le", "Spring Sale"),
    "code": ("nonsense", LONG, f"012345678{NUL}", "0123456789"),
    "segment_id": ("nonsense", LONG, f"sil{NUL}ent", "Silent"),
    "other": ("nonsense", LONG, f"go{NUL}ld", "Gold"),
    "programme": ("Nonsense", LONG, f"de{NUL}fault", "no such"),
    "tag": ("nonsense", LONG, f"tea{NUL}lover", "tea%0Alover"),
    "list_id": ("nonsense", LONG, f"pr{NUL}ess", "Press"),
    "expires_at": ("nonsense", "2026-02-30", NUL, LONG),
    "channel": ("nonsense", LONG, f"em{NUL}ail"),
    "address": (NUL, LONG, f"ann{NUL}@example.com"),
    "version": ("nonsense", NUL, "1.5"),
    "days": ("0", "367", "many", NUL),
    "segment": ("nonsense", "", NUL, LONG),
    "format": ("nonsense", "PNG", "", NUL),
    "language": ("nonsense", "fr", "", NUL),
    "ref": (*NOT_UUIDS, "planet:42", "user_id:" + LONG, f"user_id:4{NUL}2", f"email:{NUL}"),
    "journey_id": ("nonsense", LONG, f"win{NUL}back"),
    "journey": (f"win{NUL}back",),
    "tier": ("nonsense", NUL, LONG),
    "stage": ("nonsense", NUL),
    "scale": ("nonsense", NUL),
    "rfm_group": ("nonsense", NUL, LONG),
    "abc": ("nonsense", "D", NUL),
    "key_customer": ("nonsense", "2", NUL),
    "state": ("nonsense", NUL),
    "status": ("nonsense", NUL),
    "survey": ("nonsense", NUL),
    "unsolicited": ("nonsense", NUL, "2"),
    "reason": ("nonsense", NUL),
    "limit": ("0", "10000", "-1", "many", "1e999", NUL),
    "min_orders": ("-1", "many", "9" * 5_000),
    "base": ("eur", "EURO", "nonsense", NUL, LONG),
    "quote": ("eur", "E", "nonsense", NUL, LONG),
    "partition": ("-1", "6", "many", "1.5", NUL),
    "after": ("nonsense", NUL, LONG, "0", "0:x", "0:1,0:2", "-2:1", "0:-2", "old:42", "profile:42", "%D9%A3:1"),
    "types": ("nonsense", "order_placed,", NUL, LONG, "rapport.order_placed.v1"),
    "q": ("x", "x" * 257, f"an{NUL}n"),
    "since": ("nonsense", "2026-02-30", NUL, LONG),
    "until": ("nonsense", "2026-02-30", NUL, LONG),
    "cursor": (
        "nonsense",
        NUL,
        LONG,
        "%F0%9F%8D%B5",
        encode_cursor(1),
        encode_cursor("2026-03-01T12:00:00Z", "nonsense"),
        encode_cursor("nonsense", SOMEBODY),
    ),
}
# Values that are of the right kind, and so far off that something inside may overflow.
EXTREME: Final[Mapping[str, tuple[str, ...]]] = {
    "days": ("366",),
    "version": (str(2**31), str(-(2**63))),
    "min_orders": (str(2**31), str(2**63)),
    "since": ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "2026-03-01T12:00"),
    "until": ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "2026-03-01T12:00"),
    "expires_at": ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "2026-03-01T12:00"),
    "cursor": (
        encode_cursor("0001-01-01T00:00:00+14:00", SOMEBODY),
        encode_cursor("9999-12-31T23:59:59-14:00", SOMEBODY),
        encode_cursor("2026-03-01T12:00:00", SOMEBODY),  # in no time zone
    ),
}
BAD_CONDITIONS: Final[tuple[Any, ...]] = (
    None,
    [],
    {},
    {"kind": "nonsense"},
    {"kind": "trait", "name": "city", "op": "eq", "value": "a\0b"},
    {"kind": "trait", "name": "city", "op": "eq", "value": "a\ud800"},
    {"kind": "trait", "name": "size", "op": "ge", "value": 10**400},
    {"kind": "did", "event": "a", "times": 10**30},
    {"kind": "did", "event": "a", "window": {"within": "P1M"}},
    {"kind": "all", "of": []},
    {"kind": "tier", "among": ["gold"], "colour": "red"},
)
BAD_PROGRAMMES: Final[tuple[Any, ...]] = (
    None,
    [],
    {},
    PROGRAMME | {"window": {"kind": "nonsense"}},
    PROGRAMME | {"window": {"kind": "rolling", "days": 10**400}},
    PROGRAMME | {"tiers": [{"name": "a", "at_least": 0}, {"name": "b", "at_least": 10**400}]},
    PROGRAMME | {"tiers": [{"name": "a\0b", "at_least": 0}]},
    PROGRAMME | {"tiers": [{"name": "a\ud800", "at_least": 0}]},
    PROGRAMME | {"zone": "a\ud800"},
    PROGRAMME | {"zone": "../../etc/passwd"},
    PROGRAMME | {"zone": "x" * 5_000},
    PROGRAMME | {"colour": "red"},
)
A_RATE: Final = {"base": "EUR", "quote": "USD", "day": "2026-02-27", "rate": "1.0834"}
BAD_POLICIES: Final[tuple[Any, ...]] = (
    {"time_zone": LONG},
    {"time_zone": "a\0b"},
    {"quiet_hours": [{"start": "\ud800", "end": "08:00"}]},
    {"frequency": [{"name": "a", "messages": 1}]},
    {"frequency": [{"name": "a", "messages": 10**30, "hours": 1}]},
    {"frequency": {}},
    {"holdouts": {"a\0b": {"percent": 1, "salt": "a"}}},
    {"holdouts": {"\ud800": 1}},
    {"holdouts": {"news": {"percent": 1e400, "salt": "a"}}},
    {"global_holdout": {"percent": 1, "salt": "\ud800"}},
    {"same_content_days": 0},
    {"priorities": {"news": 1.5, "a/b~": "high"}},
    {"colour": "red"},
)
BAD_JOURNEYS: Final[tuple[Any, ...]] = (
    None,
    [],
    {},
    JOURNEY | {"nodes": {}},
    JOURNEY | {"nodes": []},
    JOURNEY | {"nodes": {"gift": None}},
    JOURNEY | {"nodes": {"gift": {"type": "nonsense"}}},
    JOURNEY | {"nodes": {"gift": {"type": ["wait"]}}},
    JOURNEY | {"nodes": {"gift": {"type": "exit", "reason": "a\0b"}}},
    JOURNEY | {"nodes": {"gift": {"type": "exit", "reason": "a\ud800"}}},
    JOURNEY | {"nodes": {"gift": {"type": "wait", "time": "P9999999999D"}}},
    JOURNEY | {"nodes": {"gift": {"type": "wait", "time": 3}}},
    JOURNEY | {"nodes": {"gift": {"type": "wait_until", "time": "24:00"}}},
    JOURNEY | {"start": "nowhere"},
    JOURNEY | {"trigger": {"type": "event", "event": "a", "where": [{"property": "x", "op": "ge", "value": 10**400}]}},
    JOURNEY | {"trigger": {"type": "date", "fact": "birthday", "time": "9"}},
    JOURNEY | {"id": "other"},
    JOURNEY | {"version": 7},
    JOURNEY | {"colour": "red"},
)
BAD_BROADCASTS: Final[tuple[Any, ...]] = (
    None,
    [],
    {},
    BROADCAST | {"segment": ""},
    BROADCAST | {"segment": "a\0b"},
    BROADCAST | {"template": "nonsense"},
    BROADCAST | {"channel": "fax"},
    BROADCAST | {"seeds": ["nonsense"]},
    BROADCAST | {"at": "2026-03-01T12:00:00"},
    BROADCAST | {"at": "0001-01-01T00:00:00+14:00"},
    BROADCAST | {"local": {"date": "0001-01-01", "time": "10:00"}},
    BROADCAST | {"local": {"date": "9999-12-31", "time": "25:00"}},
    BROADCAST | {"per_minute": 0},
    BROADCAST | {"per_minute": 10**400},
    BROADCAST | {"colour": "red"},
)
BAD_BODIES: Final[Mapping[str, tuple[Any, ...]]] = {
    "/v1/journeys": (
        *(None, [], {}, {"id": "gift"}, {"id": "A B", "definition": JOURNEY}, {"id": "a\0b", "definition": JOURNEY}),
        *({"id": "bad", "definition": one} for one in BAD_JOURNEYS),
    ),
    "/v1/broadcasts": (
        *(None, [], {}, {"id": "sale"}, {"id": "A B", "definition": BROADCAST}),
        *({"id": "bad", "definition": one} for one in BAD_BROADCASTS),
    ),
    "/v1/gate/policy": (None, [], {}, {"policy": []}, *({"policy": one} for one in BAD_POLICIES)),
    "/v1/programmes/{programme}": (
        None,
        [],
        {},
        {"definition": PROGRAMME, "effective_at": "yesterday"},
        {"definition": PROGRAMME, "effective_at": "0001-01-01T00:00:00+14:00"},
        {"definition": PROGRAMME, "colour": "red"},
        *({"definition": one} for one in BAD_PROGRAMMES),
    ),
    "/v1/programmes/{programme}/simulate": (None, [], {}, *({"definition": one} for one in BAD_PROGRAMMES)),
    "/v1/profiles/{profile_id}/tier-override": (
        None,
        [],
        {},
        GIVEN | {"tier": ""},
        GIVEN | {"tier": "a\0b"},
        GIVEN | {"reason": ""},
        GIVEN | {"reason": "a\ud800"},
        GIVEN | {"mode": "nonsense"},
        GIVEN | {"expires_at": "9999-12-31T23:59:59-14:00"},
        GIVEN | {"expires_at": "2026-03-01T12:00:00"},
        GIVEN | {"colour": "red"},
    ),
    "/v1/erasures": (
        None,
        [],
        {},
        {"identities": []},
        {"identities": [{"namespace": "user_id"}]},
        {"identities": [{"namespace": "nonsense", "value": "43"}]},
        {"identities": [{"namespace": "email", "value": ""}]},
        {"identities": [{"namespace": "email", "value": "a\0b"}]},
        {"identities": [{"namespace": "email", "value": 43}]},
        {"identities": [{"namespace": "email", "value": "43"}] * 1_001},
        ERASED | {"colour": "red"},
    ),
    "/v1/profiles/{ref}/split": (
        None,
        [],
        {},
        {"identities": []},
        {"undo": "nonsense"},
        SPLIT | {"undo": str(UUID(int=1))},
        SPLIT | {"reason": "a\0b"},
        SPLIT | {"reason": "a\ud800"},
        SPLIT | {"reason": "a" * 501},
        SPLIT | {"colour": "red"},
        {"identities": [{"namespace": "user_id"}]},
        {"identities": [{"namespace": "user_id", "value": "a\0b"}]},
        {"identities": [{"namespace": "user_id", "value": 43}]},
        {"identities": [{"namespace": "", "value": "43"}]},
        {"identities": [{"namespace": "user_id", "value": "43"}] * 1_001},
    ),
    "/v1/rates": (
        None,
        [],
        {},
        {"rates": []},
        {"rates": [A_RATE] * 1_001},
        {"rates": [A_RATE, A_RATE]},
        {"rates": [A_RATE], "colour": "red"},
        *(
            {"rates": [A_RATE | changes]}
            for changes in (
                {"base": "eur"},
                {"base": "USD"},
                {"quote": None},
                {"day": "2026-02-30"},
                {"day": "1.3.2026"},
                {"day": 20260301},
                {"day": "9999-12-31"},
                {"day": "1969-12-31"},
                {"rate": 0},
                {"rate": "0.0"},
                {"rate": -1},
                {"rate": "1,08"},
                {"rate": "1e3"},
                {"rate": 1e300},
                {"rate": True},
                {"rate": "1.0000000000001"},
                {"rate": "1234567.123456789012"},
                {"colour": "red"},
            )
        ),
    ),
    "/v1/segments": (
        None,
        [],
        {},
        {"id": "a", "name": "A"},
        {"id": "A B", "name": "A", "condition": CONDITION},
        {"id": "a", "name": "", "condition": CONDITION},
        {"id": "a", "name": "a\0b", "condition": CONDITION},
        {"id": "a", "name": "A", "condition": CONDITION, "colour": "red"},
        *({"id": "a", "name": "A", "condition": one} for one in BAD_CONDITIONS),
    ),
    "/v1/segments/{segment_id}": (
        None,
        [],
        {},
        {"name": "A", "condition": CONDITION, "colour": "red"},
        *({"name": "A", "condition": one} for one in BAD_CONDITIONS),
    ),
    "/v1/tags": (
        None,
        [],
        {},
        {"name": "vip"},
        {"name": "", "kind": "manual"},
        {"name": "a\0b", "kind": "manual"},
        {"name": "x" * 257, "kind": "manual"},
        {"name": "vip", "kind": "royal"},
        {"name": "vip", "kind": "rule"},
        {"name": "vip", "kind": "manual", "segment_id": "gold"},
        {"name": "vip", "kind": "rule", "segment_id": "Gold"},
        {"name": "vip", "kind": "manual", "colour": "red"},
    ),
    "/v1/tags/{tag}": (None, [], {}, {"kind": "royal"}, {"kind": "rule"}, {"kind": "manual", "colour": "red"}),
    "/v1/profiles/{profile_id}/tags/{tag}": (
        [],
        {"reason": "a\0b"},
        {"reason": "x" * 501},
        {"expires_at": "soon"},
        {"expires_at": "2026-03-01T12:00:00"},
        {"colour": "red"},
    ),
    "/v1/lists": (
        None,
        [],
        {},
        {"id": "press"},
        {"id": "The Press", "name": "Press"},
        {"id": "press", "name": ""},
        {"id": "press", "name": "a\0b"},
        {"id": "press", "name": "Press", "colour": "red"},
    ),
    "/v1/lists/{list_id}": (None, [], {}, {"name": ""}, {"name": "Press", "colour": "red"}),
    "/v1/conditions/describe": (None, [], {}, *({"condition": one} for one in BAD_CONDITIONS)),
    "/v1/conditions/parse": (
        *(None, [], {}, {"text": None}, {"text": ""}, {"text": LONG}, {"text": "tier is gold", "language": "fr"}),
        *(
            {"text": text}
            for text in ("tier", "等级", "tier is a\0b", 'tier is "\ud800"', '"', "(" * 5_000, "1" * 5_000)
        ),
    ),
    "/v1/conditions/preview": (None, [], {}, *({"condition": one} for one in BAD_CONDITIONS)),
    "/v1/conditions/evaluate": (
        None,
        [],
        {},
        {"condition": CONDITION, "profile_ids": []},
        {"condition": CONDITION, "profile_ids": ["x"]},
        {"condition": CONDITION, "profile_ids": [str(SOMEBODY)] * 501},
        {"condition": CONDITION, "profile_ids": [str(SOMEBODY)], "after": [{"origin": 1}]},
        {"condition": CONDITION, "profile_ids": [str(SOMEBODY)], "after": [{"origin": 2**63, "sequence": 1}]},
        {"condition": CONDITION, "profile_ids": [str(SOMEBODY)], "after": {"origin": 1, "sequence": 1}},
        *({"condition": one, "profile_ids": [str(SOMEBODY)]} for one in BAD_CONDITIONS),
    ),
    "/v1/conditions/dry-run": (
        None,
        [],
        {},
        {"condition": CONDITION, "from": "yesterday"},
        {"condition": CONDITION, "from": "2026-11-01T00:00:00"},
        {"condition": CONDITION, "from": "9999-12-31T23:59:59-14:00"},
        {"condition": CONDITION, "until": "0001-01-01T00:00:00Z"},
        {"condition": CONDITION, "profile_ids": []},
        {"condition": CONDITION, "profile_ids": [str(SOMEBODY)], "sample": 10},
        {"condition": CONDITION, "sample": 0},
        {"condition": CONDITION, "cursor": "nonsense"},
        *({"condition": one} for one in BAD_CONDITIONS),
    ),
    "/v1/sources/{source_id}": (
        None,
        [],
        {"name": "a\0b"},
        {"events_per_second": 0},
        {"allowed_origins": ["shop.example"]},
        {"allowed_origins": "https://shop.example"},
        {"secret": "short"},
        {"format": "smoke signals"},
        {"colour": "red"},
    ),
    "/v1/sources/{source_id}/keys": (None, [], {"grace_hours": -1}, {"grace_hours": 10**9}, {"colour": "red"}),
    "/v1/sources/{source_id}/mapping/preview": (None, [], {}, {"payload": 1, "colour": "red"}),
    "/v1/sources/{source_id}/plan": (None, [], {"unplanned": "shout"}, {"events": []}, {"colour": "red"}),
    "/v1/sources/{source_id}/plan/in-force": (None, [], {}, {"version": "first"}, {"version": 1, "colour": "red"}),
    "/v1/quarantine/release": (None, [], {"limit": 0}, {"reason": "nonsense"}, {"source_id": "x"}, {"colour": "red"}),
    "/v1/quarantine/{payload_id}/release": (None, [], {"repair": []}, {"repair": {"set": 1}}, {"colour": "red"}),
    "/v1/quarantine/{payload_id}/drop": (None, [], {}, {"note": ""}, {"note": "a\0b"}, {"note": "x" * 501}),
    "/v1/imports": (
        None,
        [],
        {},
        IMPORT | {"source_id": "x"},
        IMPORT | {"source_id": None},
        IMPORT | {"source": "shop"},
        IMPORT | {"name": ""},
        IMPORT | {"name": "a\0b"},
        IMPORT | {"options": {}},
        IMPORT | {"options": {"format": "punch cards", "preset": "orders"}},
        IMPORT | {"options": {"format": "csv"}},
        IMPORT | {"options": {"format": "csv", "preset": "dreams"}},
        IMPORT | {"options": {"format": "csv", "mapping": {"rules": []}}},
        IMPORT | {"options": {"format": "csv", "preset": "orders", "colour": "red"}},
    ),
    "/v1/sources": (
        None,
        [],
        {},
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\0b"},
        {"name": "a\ud800"},
        {"name": "shop", "kind": "royal"},
        {"name": "shop", "colour": "red"},
    ),
    "/v1/feedback": (
        None,
        [],
        {},
        ANSWER | {"customer": {}},
        ANSWER | {"customer": {"profile_id": "nonsense"}},
        ANSWER | {"customer": {"user_id": "x" * 257}},
        ANSWER | {"customer": {"user_id": "4\0002"}},
        ANSWER | {"text": "x" * 5_001},
        ANSWER | {"text": "a\0b"},
        ANSWER | {"text": "a\ud800"},
        ANSWER | {"order_id": "A\0001"},
        ANSWER | {"survey": "horoscope"},
        ANSWER | {"rating": 10**30},
        ANSWER | {"rating": 8.5},
        ANSWER | {"colour": "red"},
    ),
    "/v1/send-cutoff": (
        None,
        [],
        {},
        {"at": None},
        {"at": 1},
        {"at": "1"},
        {"at": "20260301"},
        {"at": "nonsense"},
        {"at": "2026-02-30T12:00:00Z"},
        {"at": "2026-03-01T12:00:00"},
        {"at": "9999-12-31T23:59:59Z"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"at": "2026-03-01T12:00:00Z", "colour": "red"},
    ),
    "/v1/cases/{case_id}/close": (None, [], {"note": "x" * 5_001}, {"note": 1}, {"colour": "red"}),
}


async def ask(client: httpx2.AsyncClient, route: Route, url: str, headers: Mapping[str, str]) -> httpx2.Response:
    return await client.request(route.method, url, headers={"If-Match": '"1"', **headers}, json=route.body or None)


def fault_in(answer: httpx2.Response, *, names: str = "") -> str | None:
    """What is wrong with an answer that should be a refusal; None if it is one that helps."""
    if not 400 <= answer.status_code < 500:
        return f"status {answer.status_code}"
    if answer.headers["content-type"] != "application/problem+json":
        return f"content type {answer.headers['content-type']}"
    problem = answer.json()
    if not problem["detail"] or problem["status"] != answer.status_code or not problem["title"]:
        return f"says {problem}"
    if answer.status_code == 422 and names not in problem["detail"]:
        return f"does not name {names}: {problem['detail']}"
    return None


def parameters_of(app: Any, route: Route) -> list[tuple[str, str]]:
    """Where each parameter stands, and its name, as the API's own description says."""
    operation = app.openapi()["paths"][route.path][route.method.lower()]
    return [(one["in"], one["name"]) for one in operation.get("parameters", []) if one["in"] in ("path", "query")]


Surface = Callable[[str], Awaitable[process.Service]]


@pytest.fixture(scope="module")
async def surface(databases: Databases) -> AsyncIterator[Surface]:
    """`await surface("profile")` is that service, wired once for the many who only ask it something."""
    made: dict[str, process.Service] = {}

    async def get(service: str) -> process.Service:
        if service not in made:
            made[service] = build(service, databases.url(service, await databases.take(service)))
        return made[service]

    yield get
    for one in made.values():
        await one.database.close()


every_route = pytest.mark.parametrize("route", ROUTES, ids=str)
every_service = pytest.mark.parametrize("service", SERVICES)


@every_service
async def test_the_description_builds_and_every_route_has_a_summary_and_is_tested_here(
    service: str,
) -> None:
    made = build(service, "postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    assert made.app is not None
    described = {
        (method.upper(), path): operation
        for path, operations in made.app.openapi()["paths"].items()
        if path.startswith("/v1/") and path not in LINKS | OWN
        if service != "ingest" or path.removeprefix("/v1/") not in WRITERS
        for method, operation in operations.items()
    }
    await made.database.close()
    assert set(described) == {(route.method, route.path) for route in ROUTES if route.service == service}
    assert [key for key, operation in described.items() if not operation.get("summary")] == []


@every_route
async def test_without_a_valid_token_nothing_is_answered(surface: Surface, route: Route) -> None:
    made = await surface(route.service)
    async with asking(made) as client:
        nothing = await ask(client, route, route.url(), {})
        password = await ask(client, route, route.url(), {"Authorization": "Basic b3BlcmF0b3I6"})
    for answer in (nothing, password):
        assert answer.status_code == 401
        assert fault_in(answer) is None
        assert answer.headers["www-authenticate"].startswith("Bearer")


@every_service
async def test_a_token_that_is_not_valid_is_answered_with_the_way_to_authenticate(service: str) -> None:
    route = next(route for route in ROUTES if route.service == service)
    forged = jwt.encode({"sub": "operator"}, Ed25519PrivateKey.generate(), algorithm="EdDSA")
    async with asking(build(service, "postgresql+asyncpg://nobody@127.0.0.1:1/nothing")) as client:
        for wrong in ("nonsense", forged):
            answer = await ask(client, route, route.url(), {"Authorization": f"Bearer {wrong}"})
            assert fault_in(answer) is None
            assert (answer.status_code, answer.headers.get("www-authenticate", "")[:6]) == (401, "Bearer")


@every_route
async def test_a_token_without_the_scope_is_refused(surface: Surface, route: Route) -> None:
    service, _, level = route.scope.partition(":")
    lower = {"read": [], "write": ["read"], "admin": ["read", "write"]}[level]
    others = [f"{one}:admin" for one in SERVICES if one != service]
    made = await surface(route.service)
    async with asking(made) as client:
        for scope in (" ".join(others), *(f"{service}:{less}" for less in lower)):
            answer = await ask(client, route, route.url(), token(scope=scope))
            assert (answer.status_code, fault_in(answer)) == (403, None), scope
        enough = await ask(client, route, route.url(), token(scope=route.scope))
    assert enough.status_code in (200, 201, 204, 404, 409, 412, 422)  # whatever is wrong, it is not the scope


@every_route
async def test_a_customer_is_answered_about_that_customer_only(surface: Surface, route: Route) -> None:
    made = await surface(route.service)
    if route.service == "profile":
        await know(made, person("somebody"), person("other"))
        mine, theirs = await id_of(made, user("somebody")), await id_of(made, user("other"))
    else:
        mine, theirs = SOMEBODY, uuid4()
    url = route.url(ref=str(mine))
    async with asking(made) as client:
        stranger = await ask(client, route, url, token(str(theirs)))
        own = await ask(client, route, url, token(str(mine)))
    assert (stranger.status_code, fault_in(stranger)) == (403, None)
    if route.customer:
        assert own.status_code in (200, 201, 404)
    else:
        assert (own.status_code, fault_in(own)) == (403, None)


@every_route
async def test_garbage_in_any_parameter_is_refused_with_a_reason(surface: Surface, route: Route) -> None:
    made = await surface(route.service)
    faults: dict[str, str] = {}
    async with asking(made) as client:
        for place, name in parameters_of(made.app, route):
            for value in GARBAGE[name]:
                url = route.url(**{name: value}) if place == "path" else f"{route.url()}?{name}={value}"
                answer = await ask(client, route, url, token(scope=route.scope))
                if fault := fault_in(answer, names=name if place == "query" else ""):
                    faults[f"{name}={value[:40]}"] = fault
    assert faults == {}


@every_route
async def test_an_extreme_value_is_answered_or_refused_and_never_fails(surface: Surface, route: Route) -> None:
    made = await surface(route.service)
    faults: dict[str, int] = {}
    async with asking(made) as client:
        for _, name in parameters_of(made.app, route):
            for value in EXTREME.get(name, ()):
                answer = await ask(client, route, f"{route.url()}?{name}={value}", token(scope=route.scope))
                if answer.status_code >= 500:
                    faults[f"{name}={value}"] = answer.status_code
    assert faults == {}


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body], ids=str)
async def test_a_body_that_makes_no_sense_is_refused_with_a_reason(surface: Surface, route: Route) -> None:
    made = await surface(route.service)
    faults: dict[str, str] = {}
    async with asking(made, token(scope=route.scope)) as client:
        for raw in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"rating": NaN}'):
            answer = await client.request(route.method, route.url(), content=raw, headers=JSON)
            if fault := fault_in(answer):
                faults[repr(raw[:20])] = fault
        for body in BAD_BODIES[route.path]:
            sent = json.dumps(body)  # escaped, so that half a surrogate pair can be sent at all
            if fault := fault_in(await client.request(route.method, route.url(), content=sent, headers=JSON)):
                faults[repr(body)[:120]] = fault
        if route.path in ("/v1/sources", "/v1/feedback"):  # which take an Idempotency-Key
            answer = await client.post(route.url(), json=route.body, headers={"Idempotency-Key": "k" * 201})
            if fault := fault_in(answer):
                faults["Idempotency-Key"] = fault
    assert faults == {}


async def test_a_note_that_postgresql_cannot_hold_is_refused(database_factory: DatabaseFactory) -> None:
    made = build("feedback", await database_factory("feedback"))
    async with asking(made, token(scope="feedback:admin")) as client:
        case = (await client.post("/v1/feedback", json=ANSWER | {"rating": 0})).json()["id"]
        answer = await client.post(f"/v1/cases/{case}/close", json={"note": "a\0b"})
        assert fault_in(answer, names="note") is None


@every_service
async def test_an_unknown_route_or_method_is_a_problem(service: str) -> None:
    async with asking(build(service, "postgresql+asyncpg://nobody@127.0.0.1:1/nothing")) as client:
        for path in ("/v1", "/v1/nothing", "/v2/profiles", "/v1/%00", "/" + LONG):
            answer = await client.get(path)
            assert (answer.status_code, fault_in(answer)) == (404, None), path
        answer = await client.put("/health/live")
        assert (answer.status_code, fault_in(answer)) == (405, None)


@every_service
async def test_a_service_tells_whether_it_lives_and_whether_it_can_work(
    database_factory: DatabaseFactory, service: str
) -> None:
    async with asking(build(service, await database_factory(service))) as client:
        live = await client.get("/health/live")
        assert (live.status_code, live.json()) == (200, {"live": True, "silent": []})
        ready = await client.get("/health/ready")
        # ingest spools, and is ready without its consumer; the others' does not run here
        expected: dict[str, Any] = {"ready": True} if service == "ingest" else {"ready": False, "consumer": False}
        expected |= {"alarms": []} if service == "campaign" else {}
        assert ready.json() == {"serving": True, "database": True, "stopped": [], **expected}
        assert ready.status_code == (200 if service == "ingest" else 503)
        await client.get("/v1/nothing")
        metrics = await client.get("/metrics")
        assert metrics.status_code == 200
        assert metrics.headers["content-type"].startswith("text/plain")
        assert "rapport_" in metrics.text


@every_service
async def test_while_postgresql_is_away_reads_say_when_to_come_back(service: str) -> None:
    away = f"postgresql+asyncpg://nobody@{LOOPBACK}:{free_port()}/nothing"
    async with asking(build(service, away), token(scope=f"{service}:admin")) as client:
        for route in ROUTES:
            if route.service == service and route.method == "GET" and route.path not in NEEDS_NO_DATABASE:
                answer = await client.get(route.url())
                assert answer.status_code == 503, str(route)
                assert answer.headers["content-type"] == "application/problem+json"
                assert int(answer.headers["retry-after"]) > 0
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["database"]) == (503, False)
        assert (await client.get("/health/live")).status_code == 200


# profile


async def know(made: process.Service, *events: Event) -> None:
    """The profile service takes in events, as its consumer does."""
    async with made.database.work() as work:
        work.origin = 0
        await fold_events(work, events)


async def id_of(made: process.Service, identity: Identity) -> UUID:
    """Who owned an identity when it was first linked."""
    async with made.database.work() as work:
        row = await work.row(
            "SELECT profile_id FROM identities WHERE namespace = :namespace AND value = :value",
            namespace=identity.namespace.value,
            value=identity.value,
        )
    assert row is not None
    found: UUID = row.profile_id
    return found


async def merged(made: process.Service) -> tuple[UUID, UUID]:
    """Ann, who was two customers: the id that is gone, and the one that stands for it."""
    mail = Identity(Namespace.EMAIL, "ann@example.com")
    await know(made, person("ann"))
    await know(made, Event(**_fields(person("ann", at=NOON + days(1))) | {"identities": (mail,)}))
    survivor, loser = await id_of(made, user("ann")), await id_of(made, mail)
    await know(made, Event(**_fields(person("ann", at=NOON + days(2))) | {"identities": (user("ann"), mail)}))
    assert survivor != loser
    return loser, survivor


def _fields(one: Event) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Event.__struct_fields__}


async def test_the_pages_of_a_search_hold_every_profile_once_although_new_ones_appear(
    database_factory: DatabaseFactory,
) -> None:
    made = build("profile", await database_factory("profile"))
    # Several seen at the same instant, so that pages end between equals.
    await know(made, *(person(n, at=NOON + days(n // 4)) for n in range(30)))
    walked: list[str] = []
    async with asking(made, token(scope="profile:read")) as client:
        everybody = (await client.get(f"/v1/profiles?limit={MAX_PAGE}")).json()["profiles"]
        after: dict[str, str] = {}
        while True:
            page = (await client.get("/v1/profiles", params={"limit": "7", **after})).json()
            walked += [one["id"] for one in page["profiles"]]
            if page["next"] is None:
                break
            after = {"cursor": page["next"]}
            await know(made, person(f"new-{len(walked)}", at=NOON + days(100 + len(walked))))
    assert len(everybody) == 30
    assert walked == [one["id"] for one in everybody]


async def test_a_search_finds_the_beginning_of_an_identity_and_takes_signs_as_they_are(
    database_factory: DatabaseFactory,
) -> None:
    made = build("profile", await database_factory("profile"))
    await know(made, person("50%"), person("50x"), person("a_b"), person("axb"), person("a\\b"))
    async with asking(made, token(scope="profile:read")) as client:
        for prefix, owner in (("50%", "50%"), ("a_", "a_b"), ("a\\", "a\\b")):
            found = (await client.get("/v1/profiles", params={"q": prefix})).json()["profiles"]
            assert [one["identities"]["user_id"] for one in found] == [[owner]]


async def test_a_customer_is_found_by_id_by_identity_and_by_a_mail_address_with_capitals(
    database_factory: DatabaseFactory,
) -> None:
    made = build("profile", await database_factory("profile"))
    loser, survivor = await merged(made)
    refs = (str(loser), str(survivor), str(survivor).upper(), "user_id:ann", "email:Ann@Example.COM")
    async with asking(made, token(scope="profile:read")) as client:
        for ref in refs:
            found = (await client.get(f"/v1/profiles/{ref}")).json()
            assert (found["id"], found["merged_ids"]) == (str(survivor), [str(loser)]), ref
            assert (await client.get(f"/v1/profiles/{ref}/timeline")).json()["profile_id"] == str(survivor)
            log = (await client.get(f"/v1/profiles/{ref}/identity-log")).json()["decisions"]
            assert "merge" in {one["kind"] for one in log}
        unknown = await client.get("/v1/profiles/user_id:nobody")
        assert (unknown.status_code, fault_in(unknown)) == (404, None)


async def test_a_search_by_mail_address_does_not_mind_capitals(database_factory: DatabaseFactory) -> None:
    made = build("profile", await database_factory("profile"))
    _, survivor = await merged(made)
    async with asking(made, token(scope="profile:read")) as client:
        found = (await client.get("/v1/profiles", params={"q": "Ann@Ex"})).json()["profiles"]
    assert [one["id"] for one in found] == [str(survivor)]


async def test_a_user_id_with_a_slash_in_it_is_found(database_factory: DatabaseFactory) -> None:
    made = build("profile", await database_factory("profile"))
    await know(made, person("shop/42"))
    async with asking(made, token(scope="profile:read")) as client:
        answer = await client.get("/v1/profiles/user_id:shop%2F42")
    assert answer.status_code == 200


async def test_a_profile_shows_days_language_and_the_zone_with_what_it_is_known_by(
    database_factory: DatabaseFactory,
) -> None:
    made = build("profile", await database_factory("profile"), company_time_zone="asia/shanghai")
    children = [{"kind": "child_birthday", "label": "Mia", "date": "--08-15", "calendar": "lunar"}]
    await know(made, person("ann", country="DE", locale="de_DE", dob="1990-05-17", dated_facts=children), person("ben"))
    async with asking(made, token(scope="profile:read")) as client:
        ann, ben = [(await client.get(f"/v1/profiles/user_id:{name}")).json() for name in ("ann", "ben")]
    assert ann["time_zone"] == {"name": "Europe/Berlin", "by": "country"}
    assert ann["language"] == {"tag": "de-DE", "by": "customer"}
    assert ann["dated_facts"] == [
        {"kind": "birthday", "label": "", "date": "1990-05-17", "calendar": "gregorian", "leap_month": False},
        {"kind": "child_birthday", "label": "Mia", "date": "--08-15", "calendar": "lunar", "leap_month": False},
    ]
    assert (ben["time_zone"], ben["language"]) == ({"name": "Asia/Shanghai", "by": "company"}, None)
    assert ben["dated_facts"] == []


async def test_a_merged_customer_still_reads_with_the_token_issued_before(database_factory: DatabaseFactory) -> None:
    made = build("profile", await database_factory("profile"))
    loser, survivor = await merged(made)
    async with asking(made) as client:
        answers = [
            (await client.get(f"/v1/profiles/{ref}", headers=token(str(subject)))).status_code
            for subject in (loser, survivor)
            for ref in (loser, survivor)
        ]
    assert answers == [200, 200, 200, 200]


async def test_a_customer_cannot_find_out_whether_somebody_else_is_known(database_factory: DatabaseFactory) -> None:
    made = build("profile", await database_factory("profile"))
    await know(made, person("ann"), person("ben"))
    own = token(str(await id_of(made, user("ann"))))
    async with asking(made, own) as client:
        for tail in ("", "/timeline"):
            known = await client.get(f"/v1/profiles/user_id:ben{tail}")
            unknown = await client.get(f"/v1/profiles/user_id:nobody{tail}")
            assert (known.status_code, unknown.status_code) == (403, 403)


async def test_the_timeline_is_walked_by_pages(database_factory: DatabaseFactory) -> None:
    made = build("profile", await database_factory("profile"))
    await know(made, *(order("ann", n, at=NOON + days(n // 3)) for n in range(10)))
    walked: list[str] = []
    after: dict[str, str] = {}
    async with asking(made, token(scope="profile:read")) as client:
        while True:
            page = (await client.get("/v1/profiles/user_id:ann/timeline", params={"limit": "4", **after})).json()
            walked += [one["event_id"] for one in page["events"]]
            if page["next"] is None:
                break
            after = {"cursor": page["next"]}
    assert (len(walked), len(set(walked))) == (10, 10)


# keys of an issuer


@pytest.mark.parametrize("service", sorted(SERVICES))
async def test_while_the_issuers_keys_cant_be_read_the_answer_is_503_and_says_when_to_ask_again(
    service: str, database_factory: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH_JWKS_URL", f"http://{LOOPBACK}:9/keys")  # nobody listens there
    made = build(service, await database_factory(service))
    async with asking(made, token()) as client:
        read = next(one for one in ROUTES if (one.service, one.method) == (service, "GET"))
        answer = await client.get(read.url())
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["retry-after"] == "10"
    assert answer.json()["detail"] == "the issuer's key set can't be read"


# feedback


async def rows_in(made: process.Service, table: str) -> int:
    """How many rows a table has."""
    async with made.database.work() as work:
        row = await work.row(f"SELECT count(*) AS found FROM {table}")
    assert row is not None
    return int(row.found)


async def test_an_answer_sent_again_under_its_key_is_stored_once(database_factory: DatabaseFactory) -> None:
    made = build("feedback", await database_factory("feedback"))
    headers = token(scope="feedback:write") | {"Idempotency-Key": "k-1"}
    async with asking(made, headers) as client:
        first = await client.post("/v1/feedback", json=ANSWER)
        again = await client.post("/v1/feedback", json=ANSWER)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        other = await client.post("/v1/feedback", json=ANSWER | {"rating": 1})
        assert (other.status_code, fault_in(other, names="Idempotency-Key")) == (422, None)
        assert [await rows_in(made, table) for table in ("responses", "outbox", "cases")] == [1, 1, 0]
        # The key is the caller's own: somebody else's equal key is another one.
        somebody_else = token("somebody else", "feedback:write") | {"Idempotency-Key": "k-1"}
        assert (await client.post("/v1/feedback", json=ANSWER, headers=somebody_else)).json() != first.json()


async def test_who_answers_is_spelt_as_ingest_spells_it(database_factory: DatabaseFactory) -> None:
    """In another spelling an answer would be that of a second customer, whom no look-up finds."""
    made = build("feedback", await database_factory("feedback"))
    spelt = {"user_id": " 42 ", "email": " Ann@Example.COM", "phone": "+49 (30) 901820", "anonymous_id": "Ame\u0301lie"}
    async with asking(made, token(scope="feedback:write")) as client:
        assert (await client.post("/v1/feedback", json=ANSWER | {"customer": spelt})).status_code == 201
        for field, value in (
            *(("user_id", nobody) for nobody in ("guest", "NULL", "0")),
            ("anonymous_id", "undefined"),
            ("email", "not-an-email"),
            ("phone", "030 901820"),
        ):
            refused = await client.post("/v1/feedback", json=ANSWER | {"customer": {field: value}})
            assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, f"body/customer/{field}")
    async with made.database.work() as work:
        [event] = await work.outbox.waiting(topics.EVENTS)
    assert {str(one) for one in event.identities} == {
        "user_id:42",
        "email:ann@example.com",
        "phone:+4930901820",
        "anonymous_id:Am\u00e9lie",
    }


async def test_keys_of_two_callers_never_meet_however_they_are_called(database_factory: DatabaseFactory) -> None:
    made = build("feedback", await database_factory("feedback"))
    async with asking(made) as client:
        ids = set()
        for subject, key in (
            ("a", "b/feedback/c"),
            ("a/feedback/b", "c"),
            ("a%2Ffeedback%2Fb", "c"),
            ("a", "b%2Ffeedback%2Fc"),
        ):
            headers = token(subject, "feedback:write") | {"Idempotency-Key": key}
            answer = await client.post("/v1/feedback", json=ANSWER, headers=headers)
            assert answer.status_code == 201, answer.text
            ids.add(answer.json()["id"])
    assert len(ids) == 4


async def test_two_answers_under_one_key_at_the_same_time_are_stored_once(database_factory: DatabaseFactory) -> None:
    made = build("feedback", await database_factory("feedback"))
    headers = token(scope="feedback:write") | {"Idempotency-Key": "k-1"}
    async with asking(made, headers) as client:
        answers = await asyncio.gather(*(client.post("/v1/feedback", json=ANSWER) for _ in range(6)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert await rows_in(made, "responses") == 1


async def test_a_key_whose_request_was_refused_can_be_used_again(database_factory: DatabaseFactory) -> None:
    made = build("feedback", await database_factory("feedback"))
    headers = token(scope="feedback:write") | {"Idempotency-Key": "k-1"}
    async with asking(made, headers) as client:
        assert (await client.post("/v1/feedback", json=ANSWER | {"rating": 11})).status_code == 422
        assert (await client.post("/v1/feedback", json=ANSWER)).status_code == 201


async def test_a_customer_hears_that_a_second_answer_of_the_day_counts_in_nothing(
    database_factory: DatabaseFactory,
) -> None:
    made = build("feedback", await database_factory("feedback"))
    async with asking(made, token(str(SOMEBODY))) as client:
        body = ANSWER | {"customer": {"profile_id": str(SOMEBODY)}, "rating": 0}
        answers = [(await client.post("/v1/feedback", json=body)).json()["unsolicited"] for _ in range(3)]
        assert [why is None for why in answers] == [True, False, False]
        listed = (await client.get(f"/v1/profiles/{SOMEBODY}/responses")).json()["responses"]
        assert sorted(one["unsolicited"] or "" for one in listed) == sorted(why or "" for why in answers)
        staff = token(scope="feedback:read")
        for wanted, ratings in (("true", 2), ("false", 1)):
            some = await client.get(f"/v1/profiles/{SOMEBODY}/responses?unsolicited={wanted}")
            assert len(some.json()["responses"]) == ratings
        first = (await client.get("/v1/responses/unsolicited?limit=1", headers=staff)).json()
        after = {"cursor": first["next"], "limit": "1"}
        second = (await client.get("/v1/responses/unsolicited", params=after, headers=staff)).json()
        found = [one for page in (first, second) for one in page["responses"]]
        assert {one["id"] for one in found} == {one["id"] for one in listed if one["unsolicited"]}
        assert (await client.get("/v1/responses/unsolicited")).status_code == 403
        figures = (await client.get("/v1/figures", headers=staff)).json()
        assert (figures["responses"], figures["unsolicited"], figures["score"]) == (1, 2, -100.0)
        assert len((await client.get("/v1/cases", headers=staff)).json()["cases"]) == 1


async def test_a_customer_answers_for_that_customer_only(database_factory: DatabaseFactory) -> None:
    made = build("feedback", await database_factory("feedback"))
    async with asking(made, token(str(SOMEBODY))) as client:
        for customer, status in (
            ({"profile_id": str(SOMEBODY)}, 201),
            ({"profile_id": str(uuid4())}, 403),
            ({"user_id": "42"}, 403),
            ({"profile_id": str(SOMEBODY), "email": "ben@example.com"}, 403),
        ):
            answer = await client.post("/v1/feedback", json=ANSWER | {"customer": customer})
            assert answer.status_code == status, customer
        responses = (await client.get(f"/v1/profiles/{SOMEBODY}/responses")).json()["responses"]
        assert [one["rating"] for one in responses] == [9]


@pytest.mark.parametrize(
    ("survey", "rating", "scale"), [("nps", 11, "0 to 10"), ("nps", -1, "0 to 10"), ("csat", 0, "1 to 5")]
)
async def test_a_rating_off_the_scale_is_refused_with_the_scale(
    database_factory: DatabaseFactory, survey: str, rating: int, scale: str
) -> None:
    made = build("feedback", await database_factory("feedback"))
    async with asking(made, token(scope="feedback:write")) as client:
        answer = await client.post("/v1/feedback", json=ANSWER | {"survey": survey, "rating": rating})
    assert (answer.status_code, fault_in(answer, names="rating")) == (422, None)
    assert scale in answer.json()["detail"]


async def test_a_case_is_closed_once(database_factory: DatabaseFactory) -> None:
    made = build("feedback", await database_factory("feedback"))
    async with asking(made, token("carol", "feedback:write")) as client:
        case = (await client.post("/v1/feedback", json=ANSWER | {"rating": 2})).json()["id"]
        listed = (await client.get("/v1/cases")).json()["cases"]
        assert [(one["id"], one["status"], one["reason"]) for one in listed] == [(case, "open", "nps 2")]
        closed = (await client.post(f"/v1/cases/{case}/close", json={"note": "called"})).json()
        assert (closed["status"], closed["closed_by"], closed["note"]) == ("closed", "carol", "called")
        again = await client.post(f"/v1/cases/{case}/close", json={"note": "called again"})
        assert (again.status_code, fault_in(again)) == (409, None)
        (kept,) = (await client.get("/v1/cases?status=closed")).json()["cases"]
        assert kept["note"] == "called"
        unknown = await client.post(f"/v1/cases/{uuid4()}/close", json={})
        assert (unknown.status_code, fault_in(unknown)) == (404, None)


# campaign and ingest


async def test_pausing_and_resuming_twice_changes_nothing_more(database_factory: DatabaseFactory) -> None:
    made = build("campaign", await database_factory("campaign"))
    async with asking(made, token(scope="campaign:write")) as client:
        for verb, active in (("pause", False), ("pause", False), ("resume", True), ("resume", True)):
            assert (await client.post(f"/v1/journeys/win-back/{verb}")).json()["active"] is active
            listed = {one["id"]: one["active"] for one in (await client.get("/v1/journeys")).json()["journeys"]}
            assert listed == {"welcome-to-tier": True, "win-back": active}


async def test_the_send_stop_keeps_who_stopped_first_until_it_is_lifted(database_factory: DatabaseFactory) -> None:
    made = build("campaign", await database_factory("campaign"))
    async with asking(made) as client:
        carol, dave = token("carol", "campaign:admin"), token("dave", "campaign:admin")
        nobody: dict[str, Any] = {
            "stopped": False,
            "stopped_at": None,
            "stopped_by": None,
            "reason": None,
            "providers": [],
        }
        assert (await client.get("/v1/send-stop", headers=carol)).json() == nobody
        wrong = {"reason": "a wrong price"}
        first = (await client.post("/v1/send-stop", headers=carol, json=wrong)).json()
        assert (first["stopped"], first["stopped_by"], first["reason"]) == (True, "carol", "a wrong price")
        assert (await client.post("/v1/send-stop", headers=dave)).json() == first
        assert (await client.get("/v1/send-stop", headers=token("erin", "campaign:read"))).json() == first
        assert (await client.delete("/v1/send-stop", headers=dave)).status_code == 204
        assert (await client.get("/v1/send-stop", headers=carol)).json() == nobody
        assert (await client.post("/v1/send-stop", headers=dave)).json()["stopped_by"] == "dave"


async def test_a_source_is_made_once_under_its_key_and_its_write_key_is_shown_once(
    database_factory: DatabaseFactory,
) -> None:
    made = build("ingest", await database_factory("ingest"))
    headers = token(scope="ingest:admin") | {"Idempotency-Key": "k-1"}
    async with asking(made, headers) as client:
        first = (await client.post("/v1/sources", json={"name": "shop"})).json()
        again = (await client.post("/v1/sources", json={"name": "shop"})).json()
        assert first["write_key"].startswith("rk_")
        assert again == {"id": first["id"], "write_key": None}
        taken = await client.post("/v1/sources", json={"name": "shop"}, headers={"Idempotency-Key": "k-2"})
        assert (taken.status_code, fault_in(taken)) == (409, None)
        disabled = (await client.post(f"/v1/sources/{first['id']}/disable")).json()
        assert (await client.post(f"/v1/sources/{first['id']}/disable")).json() == disabled


@pytest.mark.parametrize("service", SERVICES)
async def test_no_answer_is_kept_by_a_cache_or_taken_for_what_it_is_not(
    service: str, database_factory: DatabaseFactory
) -> None:
    async with asking(build(service, await database_factory(service)), token(scope=f"{service}:read")) as client:
        for path in (*(route.url() for route in ROUTES if route.service == service), "/health/ready", "/nowhere"):
            answer = await client.get(path)
            assert answer.headers["cache-control"] == "no-store", path
            assert answer.headers["x-content-type-options"] == "nosniff", path


async def test_the_script_of_a_page_may_be_kept(database_factory: DatabaseFactory) -> None:
    async with asking(build("ingest", await database_factory("ingest"))) as client:
        answer = await client.get("/v1/rapport.js")
    assert answer.headers.get_list("cache-control") == ["public, max-age=3600"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_address_with_a_slash_too_many_leads_nowhere(database_factory: DatabaseFactory) -> None:
    async with asking(build("ingest", await database_factory("ingest")), token(scope="ingest:read")) as client:
        answer = await client.get("/v1/sources/", headers={"Host": "evil.example"})
    assert answer.status_code == httpx2.codes.NOT_FOUND
    assert "evil.example" not in answer.text


async def test_customers_are_listed_by_tier_and_stage(database_factory: DatabaseFactory) -> None:
    made = build("segment", await database_factory("segment"))
    standings = [("gold", "active"), ("gold", "at_risk"), ("bronze", "active"), ("gold", "active"), ("gold", "active")]
    ids = [str(UUID(int=n, version=4)) for n in range(1, 1 + len(standings))]
    async with made.database.work() as work:
        for profile_id, (tier, stage) in zip(ids, standings, strict=True):
            await work.run(
                "INSERT INTO standings (profile_id, tier, stage) VALUES (CAST(:id AS uuid), :tier, :stage)",
                id=profile_id,
                tier=tier,
                stage=stage,
            )
    async with asking(made, token(scope="segment:read")) as client:

        async def listed(**query: str) -> list[str]:
            page = (await client.get("/v1/standings", params={"limit": "2", **query})).raise_for_status().json()
            found = [one["profile_id"] for one in page["standings"]]
            return found + (await listed(**{**query, "cursor": page["next"]}) if page["next"] else [])

        assert await listed() == ids
        assert await listed(tier="gold") == [ids[0], ids[1], ids[3], ids[4]]
        assert await listed(stage="active") == [ids[0], ids[2], ids[3], ids[4]]
        assert await listed(tier="gold", stage="at_risk") == [ids[1]]
        assert await listed(tier="silver") == []
        unknown = await client.get("/v1/standings?tier=golden")
        assert unknown.status_code == 422
        assert unknown.json()["detail"] == "tier: there is no tier golden; the tiers are bronze, silver, gold, diamond"
