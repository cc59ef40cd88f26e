"""Every route, found from the applications, under every bad credential: nothing is answered but a refusal."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import pytest

from services.ingest.domain.catalogue.registry import TYPED_ROUTES
from services.profile.service.fold import fold_events
from shared.contracts.events import CustomerIdentified
from shared.contracts.identity import Identity, Namespace
from tests.badinput import credentials, figures
from tests.conftest import DatabaseFactory
from tests.support.applications import (
    FORMER_ROUTES,
    LINKS,
    NOWHERE,
    OWN,
    ROUTES,
    SERVICES,
    WRITERS,
    Route,
    asking,
    build,
    routes_of,
    token,
)
from tests.support.events import event, user
from tests.support.sources import made_source

KIND: Final = "credentials"
VERBS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
# Open to everybody, by design: docs/security.md.
OPEN: Final = {
    "/",
    "/docs",
    "/docs/{name}",
    "/openapi.json",
    "/health/live",
    "/health/ready",
    "/health/lag",
    "/metrics",
}
OPEN_INTAKE: Final = {"/v1/rapport.js", "/v1/pixel.gif", "/v1/m"}  # the second answers everybody with its image
ALSO_TRACKING: Final = {"import", "import/", "b", "t", "i", "p", "s", "g", "a"}

every_service = pytest.mark.parametrize("service", SERVICES)


def kind_of(method: str, path: str, service: str = "ingest") -> str:
    """Who may call a route: anybody, a writer of events, a customer about what is theirs, or a token with a scope."""
    name = path.removeprefix("/v1/")
    if path in OWN:
        return "own"
    if method == "OPTIONS" or path in OPEN | OPEN_INTAKE | LINKS:
        return "open"
    if service == "ingest" and (name in ALSO_TRACKING or (name in WRITERS and path.startswith("/v1/"))):
        return "writer" if method == "POST" or name == "projects/{write_key}/settings" else "open"  # 405, with CORS
    return "token"


class Probe:
    """Asks, and counts."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.tried = 0
        self.failed = 0

    async def ask(self, route: Route, headers: Mapping[str, str], **changes: Any) -> httpx2.Response:
        if "content" not in changes:
            changes.setdefault("json", dict(route.body) if route.body else None)
        url = changes.pop("url", None) or route.url()
        answer = await self.client.request(route.method, url, headers={"If-Match": '"1"', **headers}, **changes)
        self.tried += 1
        self.failed += answer.status_code >= 500
        return answer

    def counted(self) -> None:
        figures.count(KIND, self.tried, self.failed)


def of(service: str) -> list[Route]:
    return [route for route in (*ROUTES, *FORMER_ROUTES) if route.service == service]


@every_service
async def test_every_route_of_an_application_is_known_to_this_matrix(service: str) -> None:
    """A new route is refused here until it is listed with its scope, or as open, with a reason."""
    made = build(service, NOWHERE)
    assert made.app is not None
    found = {(method, path) for method, path in routes_of(made.app) if kind_of(method, path, service) == "token"}
    await made.database.close()
    assert found == {(route.method, route.path) for route in of(service)}


@every_service
async def test_no_bad_credential_opens_a_route(database_factory: DatabaseFactory, service: str) -> None:
    """Asked of a database that does not answer: whoever looks into it before the token would be found by a 503."""
    _, key = await write_key(database_factory)
    wrong: dict[str, int] = {}
    async with asking(build(service, NOWHERE)) as client:
        probe = Probe(client)
        for what, headers in credentials.headers(key).items():
            for route in of(service):
                answer = await probe.ask(route, headers)
                if answer.status_code != 401 or not answer.headers["www-authenticate"].startswith("Bearer"):
                    wrong[f"{route} with {what}"] = answer.status_code
        probe.counted()
    assert wrong == {}


@every_service
async def test_no_other_scope_opens_a_route_whatever_the_body(database_factory: DatabaseFactory, service: str) -> None:
    wrong: dict[str, int] = {}
    async with asking(build(service, await database_factory(service))) as client:
        probe = Probe(client)
        for route in of(service):
            _, _, level = route.scope.partition(":")
            lower = {"read": [], "write": ["read"], "admin": ["read", "write"]}[level]
            others = [other for other in SERVICES if other != service]
            scopes = [f"{other}:{one}" for other in others for one in ("read", "write", "admin")]
            scopes = [" ".join(scopes), *(f"{service}:{less}" for less in lower)]
            scopes += [scope.replace("S", service) for scope in credentials.NO_SCOPES]
            for scope in scopes:
                answer = await probe.ask(route, token(scope=scope))
                if answer.status_code != 403:
                    wrong[f"{route} with {scope}"] = answer.status_code
            if route.path != "/v1/feedback":  # whose body says whom it is about
                answer = await probe.ask(route, token(scope=scopes[-1]), json=["nonsense"])
                if answer.status_code != 403:
                    wrong[f"{route} with nonsense in its body"] = answer.status_code
        probe.counted()
    assert wrong == {}


UNFIT: Final = (b"{", b'{"a": "\\u0000"}', b"\xff", b"[" * 500 + b"]" * 500, b"nonsense")


@every_service
async def test_who_may_not_call_a_route_learns_nothing_of_what_was_sent(service: str) -> None:
    """Asked of a database that does not answer: the credential comes before the body, the query and the path."""
    wrong: dict[str, int] = {}
    json = {"Content-Type": "application/json"}
    nobody: dict[str, str] = {}
    callers = (
        ("nobody", nobody, 401),
        ("another", token(scope="other:admin"), 403),
    )
    async with asking(build(service, NOWHERE)) as client:
        probe = Probe(client)
        for route in of(service):
            urls = [route.url(), f"{route.url()}?x=%00", *([route.url(ref="%00")] if "{ref}" in route.path else [])]
            sent = [(url, b"") for url in urls] + [(route.url(), raw) for raw in UNFIT if route.body is not None]
            for caller, headers, status in callers:
                if caller == "another" and route.customer:
                    continue  # of these the caller may be the customer, whom the body or the database knows
                for url, raw in sent:
                    answer = await probe.ask(route, {**headers, **json}, url=url, content=raw)
                    if answer.status_code != status:
                        wrong[f"{route} as {caller} with {raw[:20]!r} at {url}"] = answer.status_code
        probe.counted()
    assert wrong == {}


async def test_a_higher_scope_opens_what_a_lower_one_does(database_factory: DatabaseFactory) -> None:
    closed: dict[str, int] = {}
    for service in SERVICES:
        async with asking(build(service, await database_factory(service))) as client:
            probe = Probe(client)
            for route in of(service):
                for scope in {route.scope, f"{service}:admin", f"other:read {route.scope}"}:
                    answer = await probe.ask(route, token(scope=scope))
                    if answer.status_code in (401, 403) or answer.status_code >= 500:
                        closed[f"{route} with {scope}"] = answer.status_code
            probe.counted()
    assert closed == {}


# Customers


async def write_key(database_factory: DatabaseFactory) -> tuple[UUID, str]:
    """A source's id and its write key, which are good at ingest only."""
    made = build("ingest", await database_factory("ingest"))
    found = await made_source(made.database)
    await made.database.close()
    return found


async def customers(database_factory: DatabaseFactory) -> tuple[Any, dict[str, UUID]]:
    """A profile service that knows Ann, who was two customers, and Ben; the ids of all three."""
    made = build("profile", await database_factory("profile"))
    mail = Identity(Namespace.EMAIL, "ann@example.com")
    ids: dict[str, UUID] = {}
    for name, identities in (("ann", (user("ann"),)), ("gone", (mail,)), ("ben", (user("ben"),))):
        async with made.database.work() as work:
            work.origin = 0
            await fold_events(work, [event(CustomerIdentified(traits={"name": name}), *identities)])
        async with made.database.work() as work:
            row = await work.row("SELECT profile_id FROM identities WHERE value = :value", value=identities[0].value)
            assert row is not None
            ids[name] = row.profile_id
    async with made.database.work() as work:
        work.origin = 0
        await fold_events(work, [event(CustomerIdentified(traits={"name": "ann"}), user("ann"), mail)])
    return made, ids


def subjects(ids: Mapping[str, UUID]) -> dict[str, str]:
    """By what is wrong with it, the subject of a customer's token that must not read Ben."""
    ben = str(ids["ben"])
    return {
        "another customer": str(ids["ann"]),
        "a merged one": str(ids["gone"]),
        "an unknown one": str(uuid4()),
        "nobody": str(UUID(int=0)),
        "a user id": "ben",
        "an identity": "user_id:ben",
        "a mail address": "email:ann@example.com",
        "a longer id": f"{ben}0",
        "a list of ids": f"{ids['ann']},{ben}",
        "an operator": "operator",
        "nothing": "",
        "NUL": f"{ben}\x00",
    }


async def test_a_customers_token_reads_that_customer_under_all_ids_and_nobody_else(
    database_factory: DatabaseFactory,
) -> None:
    made, ids = await customers(database_factory)
    routes = [route for route in of("profile") if route.customer]
    leaks: dict[str, int] = {}
    async with asking(made) as client:
        probe = Probe(client)
        for route in routes:
            for what, subject in subjects(ids).items():
                for ref in (str(ids["ben"]), "user_id:ben"):
                    answer = await probe.ask(route, token(subject), url=route.url(ref=ref))
                    if answer.status_code != 403:
                        leaks[f"{route} of {ref} as {what}"] = answer.status_code
            for subject in ("ann", "gone"):
                for ref in ("ann", "gone"):
                    answer = await probe.ask(route, token(str(ids[subject])), url=route.url(ref=str(ids[ref])))
                    if answer.status_code != 200:
                        leaks[f"{route} of {ref} as {subject}"] = answer.status_code
        probe.counted()
    assert leaks == {}


@every_service
async def test_a_customers_token_opens_no_operators_route(database_factory: DatabaseFactory, service: str) -> None:
    leaks: dict[str, int] = {}
    ben = uuid4()
    async with asking(build(service, await database_factory(service))) as client:
        probe = Probe(client)
        for route in of(service):
            for what, subject in subjects({"ann": uuid4(), "gone": uuid4(), "ben": ben}).items():
                answer = await probe.ask(route, token(subject), url=route.url(profile_id=str(ben), ref=str(ben)))
                if answer.status_code != 403:
                    leaks[f"{route} as {what}"] = answer.status_code
            own = await probe.ask(route, token(str(ben)), url=route.url(profile_id=str(ben), ref=str(ben)))
            if not route.customer and own.status_code != 403:
                leaks[f"{route} as the customer"] = own.status_code
        probe.counted()
    assert leaks == {}


# Writers


async def test_no_bad_credential_writes_an_event(database_factory: DatabaseFactory) -> None:
    made = build("ingest", await database_factory("ingest"))
    source_id, _ = await made_source(made.database, "hook", format="json")
    foreign = "rk_" + "x" * 43
    wrong: dict[str, int] = {}
    assert made.app is not None
    found = {path for method, path in routes_of(made.app) if kind_of(method, path) == "writer"}
    async with asking(made) as client:
        tried = failed = 0
        for path in sorted(found):
            url = path.format(write_key=foreign, source_id=source_id)
            method = "GET" if path.endswith("/settings") else "POST"
            for what, headers in credentials.headers(foreign).items():
                answer = await client.request(method, url, headers=headers, json={"type": "page", "anonymousId": "a"})
                tried += 1
                failed += answer.status_code >= 500
                if answer.status_code != 401:
                    wrong[f"{method} {path} with {what}"] = answer.status_code
        figures.count(KIND, tried, failed)
    assert wrong == {}


async def test_a_fact_without_a_key_is_401_whatever_its_body(database_factory: DatabaseFactory) -> None:
    """Tracking calls are read first, as their key may stand in the body; so are webhooks, whose signature is of it."""
    wrong: dict[str, int] = {}
    async with asking(build("ingest", await database_factory("ingest"))) as client:
        for path in (*TYPED_ROUTES, "cloudevents"):
            for raw in (*UNFIT, b"\0" * 600_000):
                answer = await client.post(f"/v1/{path}", content=raw, headers={"Content-Type": "application/json"})
                if answer.status_code != 401:
                    wrong[f"{path} with {raw[:20]!r}"] = answer.status_code
    assert wrong == {}


@every_service
async def test_an_unlisted_method_is_405_with_every_method_of_the_address(service: str) -> None:
    made = build(service, NOWHERE)
    assert made.app is not None
    by_path: dict[str, set[str]] = {}
    for method, path in routes_of(made.app):
        by_path.setdefault(path, set()).add(method)
    wrong: dict[str, str] = {}
    async with asking(made, token(scope=credentials.EVERY_SCOPE)) as client:
        for path, methods in by_path.items():
            if kind_of("GET", path, service) != "token":
                continue
            url = next(route for route in of(service) if route.path == path).url()
            for verb in set(VERBS) - methods:
                answer = await client.request(verb, url)
                allowed = set(answer.headers.get("allow", "").split(", "))
                if answer.status_code != 405 or allowed != methods:
                    wrong[f"{verb} {path}"] = f"{answer.status_code}, Allow {allowed}"
    assert wrong == {}
