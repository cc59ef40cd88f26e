"""Every example of the five documents, sent as it stands, is answered with a success that its document promises.

What stands in a path is filled in with the id of a thing that is there, unless the document has an example of it.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import count
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import httpx2
import pytest

from services.campaign import content
from services.campaign.domain import links
from services.campaign.domain.delivery import Accepted, Message, Reply
from services.campaign.domain.links import Links
from services.campaign.repository import inbox
from services.campaign.service import confirming, copies, publishing, singles, templates
from services.campaign.service.copies import Made
from services.campaign.service.singles import MessageRequest
from services.ingest.api import sources as source_routes
from services.profile.service.fold import fold_events
from services.segment.service.intake import follow
from shared.contracts.changes import ConfirmationRequested, ProfileChanged
from shared.contracts.envelope import SourceKind
from shared.contracts.events import CustomerIdentified, CustomEvent
from shared.service.process import Service
from tests.conftest import DatabaseFactory
from tests.support.actors import OPERATOR
from tests.support.applications import BROADCAST, CONDITION, JOURNEY, OWN, SERVICES, asking, build, token
from tests.support.events import NOON, event, user
from tests.support.ingest import RecordingPublisher
from tests.support.sources import SECRETS_KEY, made_source

TAIL_SECONDS: Final = 0.05  # a watch of a source lasts minutes otherwise
WITHOUT_CURRENCY: Final = {"userId": "42", "event": "Order Completed", "properties": {"order_id": "1", "total": 5}}
FILE: Final = {"format": "csv", "preset": "orders"}

# These need a thing that time or events make, and have no example but its id.
ELSEWHERE: Final = {
    "/v1/profiles/{profile_id}/standing",
    "/v1/sources/{source_id}/plan/infer",
    "/v1/splits/{split_id}",
}

CUSTOMER: Final = UUID(int=42, version=4)
ADMIN: Final = " ".join(f"{service}:admin" for service in SERVICES)


Ids = Mapping[str, str]
Make = Callable[[str], Awaitable[Ids]]


class Example(NamedTuple):
    """An operation with everything that its document gives an example of."""

    method: str
    path: str
    operation: Mapping[str, Any]
    media: str
    body: bytes | None

    def parameters(self, place: str) -> dict[str, str]:
        """The examples of its parameters in the path, the query or the headers."""
        found: dict[str, str] = {}
        for one in self.operation.get("parameters", ()):
            examples = [one["example"]] if "example" in one else one["schema"].get("examples", [])
            if one["in"] == place and examples:
                found[one["name"]] = examples[0]
        return found

    @property
    def schemes(self) -> set[str]:
        """The names of the ways to authenticate."""
        return {name for alternative in self.operation.get("security", ()) for name in alternative}


def examples_of(document: Mapping[str, Any]) -> Iterator[Example]:
    """Every operation of a document, once for each content type of its body; what deletes comes last."""
    late = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path in ELSEWHERE:
                continue
            content = operation.get("requestBody", {}).get("content", {})
            made = [Example(method, path, operation, media, _raw(one["example"])) for media, one in content.items()]
            made = made or [Example(method, path, operation, "", None)]
            if method == "delete":
                late += made
            else:
                yield from made
    yield from late


def _raw(example: Any) -> bytes:
    return example.encode() if isinstance(example, str) else json.dumps(example).encode()


async def sent(client: httpx2.AsyncClient, example: Example, key: str, make: Make) -> httpx2.Response:
    """Sends an example, with a token or a write key where the document asks for one."""
    filled = {**await make(example.path), **example.parameters("path")}
    headers = {**example.parameters("header"), **({"Content-Type": example.media} if example.media else {})}
    auth = httpx2.BasicAuth(key, "") if "writeKey" in example.schemes else None
    if "HTTPBearer" in example.schemes:
        headers |= token(str(CUSTOMER)) if example.path in OWN else token(scope=ADMIN)
    url, query = example.path.format(**filled), example.parameters("query")
    return await client.request(
        example.method, url, params=query, headers=headers, content=example.body, auth=auth or httpx2.USE_CLIENT_DEFAULT
    )


async def failures(made: Service, key: str, make: Callable[[httpx2.AsyncClient], Make]) -> dict[str, str]:
    """By operation, each answer that is not among the successes of its document."""
    assert made.app is not None
    assert made.health is not None
    made.health.needs_broker = False  # whose consumer runs in another process
    failed: dict[str, str] = {}
    async with asking(made) as client:
        for example in examples_of(made.app.openapi()):
            answer = await sent(client, example, key, make(client))
            if not answer.is_success or str(answer.status_code) not in example.operation["responses"]:
                failed[f"{example.method} {example.path} {example.media}"] = f"{answer.status_code} {answer.text}"
    return failed


async def test_every_example_of_ingest_can_be_sent_as_it_stands(
    database_factory: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_routes, "TAIL_SECONDS", TAIL_SECONDS)
    publisher, numbers = RecordingPublisher(), count()
    made = build("ingest", await database_factory("ingest"), publisher=publisher, secrets_key=SECRETS_KEY)
    assert made.app is not None
    document = made.app.openapi()
    tried = document["components"]["schemas"]["MappingTried"]["examples"][0]
    shop, key = await made_source(made.database, "shop", format="json", mapping=tried["mapping"])

    def things(client: httpx2.AsyncClient) -> Make:
        async def make(path: str) -> Ids:
            """Things of the operation's own, as few as it needs; but webhooks and SDKs meet the shop."""
            if "{" not in path or "{write_key}" in path or "/webhooks/" in path:
                return {"write_key": key, "source_id": str(shop)}
            source_id, other = await made_source(made.database, f"source {next(numbers)}")
            made_things = {"source_id": str(source_id), "version": "1"}
            bearer = token(scope=ADMIN)
            if "/plan" in path:
                plan = f"/v1/sources/{source_id}/plan"
                (await client.put(plan, json={"events": {}}, headers=bearer)).raise_for_status()
            if "{payload_id}" in path:
                auth = httpx2.BasicAuth(other, "")
                (await client.post("/v1/track", json=WITHOUT_CURRENCY, auth=auth)).raise_for_status()
                held = await client.get("/v1/quarantine", params={"source_id": str(source_id)}, headers=bearer)
                made_things["payload_id"] = held.json()["events"][0]["id"]
            if "{import_id}" in path:
                said = {"source_id": str(source_id), "name": "a.csv", "options": FILE}
                announced = await client.post("/v1/imports", json=said, headers=bearer)
                made_things["import_id"] = announced.json()["id"]
            return made_things

        return make

    assert await failures(made, key, things) == {}
    async with made.database.work() as work:
        refused = await work.rows("SELECT reason FROM quarantine WHERE source_id = :shop", shop=shop)
    assert [row.reason for row in refused] == []
    assert len(publisher.messages) > len(examples_of_writers(document))


def examples_of_writers(document: Mapping[str, Any]) -> list[Example]:
    """Those that make an event each, or more."""
    return [one for one in examples_of(document) if {"facts", "tracking"} & set(one.operation["tags"]) and one.body]


async def test_every_example_of_profile_can_be_sent_as_it_stands(database_factory: DatabaseFactory) -> None:
    made = build("profile", await database_factory("profile"))
    async with made.database.work() as work:
        work.origin = 0
        await fold_events(work, [event(CustomerIdentified(traits={"name": "Ann"}), user("42"))])
        await fold_events(work, [event(CustomerIdentified(traits={"name": "Eve"}), user("43"))])
        one_too_many = event(CustomEvent(name="Alias"), user("42"), user("43"), merges=True)
        await fold_events(work, [one_too_many])
    assert await failures(made, "", lambda _: nothing) == {}


async def test_every_example_of_segment_can_be_sent_as_it_stands(database_factory: DatabaseFactory) -> None:
    made = build("segment", await database_factory("segment"))
    known = ProfileChanged(profile_id=CUSTOMER, version=1, first_seen=NOON, last_seen=NOON)
    async with made.database.work() as work:
        await follow(work, [event(known, profile_id=CUSTOMER, source_kind=SourceKind.SERVICE)])
    numbers = count()

    def things(client: httpx2.AsyncClient) -> Make:
        async def make(path: str) -> Ids:
            """Things of the operation's own, at their first revision, live where they have members."""
            name, bearer = f"thing-{next(numbers)}", token(scope=ADMIN)
            if "{segment_id}" in path:
                segment = {"id": name, "name": name, "condition": CONDITION}
                (await client.post("/v1/segments", json=segment, headers=bearer)).raise_for_status()
                if path.rpartition("/")[2] not in ("{segment_id}", "publish", "archive"):
                    live = await client.post(f"/v1/segments/{name}/publish", headers={**bearer, "If-Match": '"1"'})
                    live.raise_for_status()
            if "{tag}" in path and "{profile_id}" not in path:
                tag = {"name": name, "kind": "manual"}
                (await client.post("/v1/tags", json=tag, headers=bearer)).raise_for_status()
            if "{list_id}" in path:
                made_list = {"id": name, "name": name}
                (await client.post("/v1/lists", json=made_list, headers=bearer)).raise_for_status()
            ids = dict.fromkeys(("segment_id", "other", "tag", "list_id"), name)
            return {**ids, "profile_id": str(CUSTOMER), "programme": "default", "version": "1"}

        return make

    assert await failures(made, "", things) == {}


async def test_every_example_of_campaign_can_be_sent_as_it_stands(database_factory: DatabaseFactory) -> None:
    made = build("campaign", await database_factory("campaign"), public_url="http://test")
    assert made.app is not None
    asked = ConfirmationRequested(CUSTOMER, "ann@example.com", "email", "marketing", uuid4())
    async with made.database.work() as work:
        request = event(asked, source_kind=SourceKind.SERVICE, profile_id=CUSTOMER, at=work.now)
        await confirming.ask(work, [request])
        [row] = await work.rows("SELECT id FROM confirmations")
        known: Links = made.app.state.rules.links
        confirm = known.url(links.confirm(row.id, "en", work.now))
        unsubscribe = known.url(links.unsubscribe(uuid4(), CUSTOMER, "email", "en", work.now))
        await work.run(
            """
            INSERT INTO provider_stops (channel, stopped_at, stage, code, status, reply, replied_at, probe_at)
            VALUES ('email', :now, 'MAIL FROM', 550, '', 'no', :now, :now)
            """,
            now=work.now,
        )
        await work.run(
            """
            INSERT INTO suppressions (id, channel, address, reason, suppressed_at)
            VALUES (:id, 'email', 'ann@example.com', 'no such user', :now)
            """,
            id=CUSTOMER,
            now=work.now,
        )

        preferences = known.url(links.preferences(uuid4(), CUSTOMER, "en", work.now))
        await publishing.publish_templates(work, content.documents())
        single = MessageRequest(CUSTOMER, "win-back", "email", "transactional", {})
        message_id = await singles.send(work, made.app.state.rules, single)
        parts = {"subject": "a", "text": "b", "html": "c"}
        sent = Message(id=message_id, to="ann@example.com", parts=parts, at=work.now)
        await inbox.insert(work, Message(id=message_id, to=str(CUSTOMER), parts=parts, at=work.now))
        await copies.keep(work, [Made(sent, "win-back", 1)])
        await work.run(
            "UPDATE messages SET state = 'sent', handed_at = :now WHERE id = :id", id=message_id, now=work.now
        )
    made.app.state.send_test = taken
    numbers = count()
    document = made.app.openapi()["components"]["schemas"]["TemplateIn"]["examples"][0]["document"]

    def things(client: httpx2.AsyncClient) -> Make:
        async def make(path: str) -> Ids:
            """Things of the operation's own, at their first revision, and started where that is asked for."""
            name, bearer = f"thing-{next(numbers)}", token(scope=ADMIN)
            url = confirm if "/confirm/" in path else preferences if "/preferences/" in path else unsubscribe
            ids = {
                **dict.fromkeys(("journey_id", "broadcast_id", "template_id"), name),
                "message_id": str(message_id),
                "profile_id": str(CUSTOMER),
                "token": url.rpartition("/")[2],
                "channel": "email",
                "suppression_id": str(CUSTOMER),
            }
            if ("{journey_id}" in path and "/shelf/" not in path) or "{run_id}" in path or "{code}" in path:
                body = {"id": name, "definition": JOURNEY}
                (await client.post("/v1/journeys", json=body, headers=bearer)).raise_for_status()
                if path.rpartition("/")[2] not in ("{journey_id}", "publish", "impact", "dry-run"):
                    await client.post(f"/v1/journeys/{name}/publish", headers={**bearer, "If-Match": '"1"'})
            if "{run_id}" in path or "{code}" in path:
                entered = {"profile_id": str(CUSTOMER)}
                run = await client.post(f"/v1/journeys/{name}/runs", json=entered, headers=bearer)
                ids["run_id"] = run.raise_for_status().json()["id"]
                found = await client.get(f"/v1/profiles/{CUSTOMER}/coupons", headers=bearer)
                ids["code"] = found.json()["coupons"][0]["code"]
            if "{template_id}" in path:
                async with made.database.work() as work:
                    await templates.create(work, name, document, by=OPERATOR)
            if "/shelf/" in path:
                ids["journey_id"] = "birthday"
                return ids
            if path.endswith("/gate/policy"):
                read = await client.get(path, headers=bearer)
                if read.headers["ETag"] == '"0"':
                    headers = {**bearer, "If-Match": '"0"'}
                    (await client.put(path, json={"policy": read.json()["policy"]}, headers=headers)).raise_for_status()
            if "{broadcast_id}" in path:
                body = {"id": name, "definition": BROADCAST}
                (await client.post("/v1/broadcasts", json=body, headers=bearer)).raise_for_status()
                if path.rpartition("/")[2] in ("pause", "resume", "cancel"):
                    headers = {**bearer, "If-Match": '"1"'}
                    (await client.post(f"/v1/broadcasts/{name}/start", headers=headers)).raise_for_status()
                if path.endswith("resume"):
                    (await client.post(f"/v1/broadcasts/{name}/pause", headers=bearer)).raise_for_status()
            return ids

        return make

    assert await failures(made, "", things) == {}


async def test_every_example_of_feedback_can_be_sent_as_it_stands(database_factory: DatabaseFactory) -> None:
    def things(client: httpx2.AsyncClient) -> Make:
        async def make(_: str) -> Ids:
            """A case, which an unhappy customer's answer opens."""
            bearer = token(scope=ADMIN)
            answer = {"customer": {"user_id": "7"}, "survey": "nps", "rating": 1}
            (await client.post("/v1/feedback", json=answer, headers=bearer)).raise_for_status()
            cases = await client.get("/v1/cases", headers=bearer)
            return {"case_id": cases.json()["cases"][0]["id"], "profile_id": "00000000-0000-4000-8000-00000000002a"}

        return make

    assert await failures(build("feedback", await database_factory("feedback")), "", things) == {}


async def taken(_: Message) -> Reply:
    """Whatever is sent is taken."""
    return Accepted()


async def nothing(_: str) -> Ids:
    """Nothing is to be filled in."""
    return {}
