"""Templates over HTTP: drafts, versions, previews through the gate, tests to the staff; single messages and copies."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import pytest

from services.campaign import content
from services.campaign.domain import links
from services.campaign.domain.links import Links
from services.campaign.service import copies, publishing
from shared.contracts.events import ConsentChanged
from shared.service import process
from tests.conftest import DatabaseFactory
from tests.support.applications import asking, build, token
from tests.support.campaign import DeafDatabase, Provider, StoppedClock, World, all_in, profile

ADMIN: Final = token(scope="campaign:admin")
DOCUMENT: Final[Mapping[str, Any]] = {
    "languages": {
        "en": {
            "subject": "{{ first_name }}, order {{ event.order_id }}",
            "text": "It is late.",
            "html": "<p>{{ event.note | default: '' }}</p>",
        },
        "zh": {"subject": "订单 {{ event.order_id }}", "text": "会晚到。", "html": "<p>会晚到。</p>"},
    }
}


class Shop(World):
    """A world with its API."""

    service: process.Service

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        async with asking(self.service, ADMIN) as client:
            yield client


@pytest.fixture
async def shop(database_factory: DatabaseFactory, tmp_path: Path) -> AsyncIterator[Shop]:
    url, clock = await database_factory("campaign"), StoppedClock()
    made = Shop(DeafDatabase(url, application="test", clock=clock), clock, Provider(tmp_path / "taken.ndjson"))
    made.service = build("campaign", url, public_url="http://test")
    async with made.database.work() as work:
        await publishing.publish_templates(work, content.documents())
    yield made
    await made.service.database.close()
    await made.database.close()


async def published(client: httpx2.AsyncClient, template_id: str = "late") -> None:
    made = await client.post("/v1/templates", json={"id": template_id, "document": DOCUMENT})
    assert made.status_code == 201, made.text
    etag = {"If-Match": made.headers["ETag"]}
    (await client.post(f"/v1/templates/{template_id}/publish", headers=etag)).raise_for_status()


async def test_a_template_is_written_published_and_changed_without_losing_an_edit(shop: Shop) -> None:
    async with shop.client() as client:
        await published(client)
        changed = {"document": {**DOCUMENT, "default_language": "zh"}}
        written = await client.put("/v1/templates/late", json=changed, headers={"If-Match": '"1"'})
        late = await client.put("/v1/templates/late", json=changed, headers={"If-Match": '"1"'})
        again = await client.post("/v1/templates/late/publish", headers={"If-Match": written.headers["ETag"]})
        same = await client.post("/v1/templates/late/publish", headers={"If-Match": written.headers["ETag"]})
        versions = (await client.get("/v1/templates/late/versions")).json()["versions"]
        taken = await client.post("/v1/templates", json={"id": "win-back", "document": DOCUMENT})
    assert [one.status_code for one in (written, late, again, same, taken)] == [200, 412, 200, 409, 409]
    assert [(one["version"], one["document"]["default_language"]) for one in versions] == [(2, "zh"), (1, "en")]


async def test_a_mistake_is_told_with_its_place_and_line_and_a_strange_name_is_a_warning(shop: Shop) -> None:
    broken = {"languages": {"en": {"subject": "a", "text": "b\nc {{ tier | nofilter }}", "html": "d"}}}
    odd = {"languages": {"en": {"subject": "{{ first_nam }}", "text": "b", "html": "d"}}}
    async with shop.client() as client:
        refused = await client.post("/v1/templates", json={"id": "broken", "document": broken})
        taken = await client.post("/v1/templates", json={"id": "odd", "document": odd})
    [error] = refused.json()["errors"]
    assert (refused.status_code, error["at"], error["line"]) == (422, "/languages/en/text", 2)
    [warning] = taken.json()["warnings"]
    assert "did you mean first_name" in warning["message"]


async def test_what_the_package_has_is_published_once_and_a_shops_own_stays(shop: Shop) -> None:
    async with shop.client() as client:
        found = (await client.get("/v1/templates")).json()["templates"]
        assert {one["id"]: one["version"] for one in found} == dict.fromkeys(content.documents(), 1)
        changed = await client.put("/v1/templates/win-back", json={"document": DOCUMENT}, headers={"If-Match": '"0"'})
        etag = {"If-Match": changed.headers["ETag"]}
        (await client.post("/v1/templates/win-back/publish", headers=etag)).raise_for_status()
    async with shop.database.work() as work:
        await publishing.publish_templates(work, content.documents())
    async with shop.client() as client:
        versions = (await client.get("/v1/templates/win-back/versions")).json()["versions"]
    assert [(one["version"], bool(one["published_by"])) for one in versions] == [(2, True), (1, False)]


async def test_a_preview_goes_through_the_gate_and_names_what_is_missing(shop: Shop) -> None:
    ann, stranger = uuid4(), uuid4()
    await shop.hear(profile(ann))
    async with shop.client() as client:
        await published(client)
        for_ann = await client.post("/v1/templates/late/preview", json=_of(ann, order_id="7"))
        without = await client.post("/v1/templates/late/preview", json=_of(ann))
        for_stranger = await client.post("/v1/templates/late/preview", json=_of(stranger, order_id="7"))
    assert (for_ann.json()["would_leave"], for_ann.json()["missing"]) == (True, ["event.note"])
    assert for_ann.json()["rendered"]["subject"] == "Ann, order 7"
    assert without.json()["missing"] == ["event.note", "event.order_id"]
    assert without.json()["reason"].startswith("template: ")
    assert (for_stranger.json()["would_leave"], for_stranger.json()["reason"]) == (False, "no_profile")
    async with shop.database.work() as work:
        assert await work.rows("SELECT 1 FROM messages UNION SELECT 1 FROM decisions") == []


def _of(profile_id: UUID, **properties: Any) -> dict[str, Any]:
    return {"profile_id": str(profile_id), "properties": properties}


async def test_a_test_goes_to_the_staff_with_a_mark_and_without_a_customer(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.service.app is not None
    shop.service.app.state.send_test = shop.provider.send
    async with shop.client() as client:
        await published(client)
        sent = await client.post(
            "/v1/templates/late/test-send", json={"to": "me@shop.example", "properties": {"order_id": "7"}}
        )
        (await client.post("/v1/send-stop")).raise_for_status()
        stopped = await client.post("/v1/templates/late/test-send", json={"to": "me@shop.example"})
    assert sent.json()["result"] == "accepted"
    assert [one["subject"] for one in shop.provider.taken] == ["[test] Ann, order 7"]
    assert stopped.status_code == 409


async def test_a_single_message_leaves_once_through_the_gate_and_its_copy_is_kept(shop: Shop) -> None:
    ann = uuid4()
    await shop.hear(profile(ann))
    body = {"template": "late", **_of(ann, order_id="7")}
    async with shop.client() as client:
        await published(client)
        key = {"Idempotency-Key": "first"}
        made = await client.post("/v1/messages", json=body, headers=key)
        again = await client.post("/v1/messages", json=body, headers=key)
        other = await client.post("/v1/messages", json={**body, "purpose": "news"}, headers=key)
        unknown = await client.post("/v1/messages", json={**body, "template": "lat"})
        assert [one.status_code for one in (made, again, other, unknown)] == [201, 200, 422, 422]
        assert "did you mean late" in unknown.json()["detail"]
        assert made.json()["id"] == again.json()["id"]
        path = f"/v1/messages/{made.json()['id']}"
        assert (await client.get(f"{path}/copy")).status_code == 404
        shop.clock.moment = await _now(shop)
        async with shop.sending():
            await shop.settled(all_in("sent"))
        shown = (await client.get(path)).json()
        copy = (await client.get(f"{path}/copy")).json()
    assert (shown["kind"], shown["state"], shown["journey_id"]) == ("single", "sent", "single")
    assert [one["outcome"] for one in shown["decisions"]] == ["sent"]
    assert (copy["subject"], copy["text"], copy["template_version"]) == ("Ann, order 7", "It is late.", 1)
    assert [one["subject"] for one in shop.provider.taken] == ["Ann, order 7"]
    shop.clock.moment += copies.KEPT
    async with shop.database.work() as work:
        assert await copies.delete_expired(work) == 1


async def test_a_single_message_without_consent_is_refused_and_says_so(shop: Shop) -> None:
    ann = uuid4()
    await shop.hear(profile(ann, consent=False))
    async with shop.client() as client:
        await published(client)
        made = await client.post("/v1/messages", json={"template": "late", **_of(ann, order_id="7")})
        shop.clock.moment = await _now(shop)
        async with shop.sending():
            await shop.settled(all_in("refused"))
        shown = (await client.get(f"/v1/messages/{made.json()['id']}")).json()
    assert [(one["outcome"], one["reason"]) for one in shown["decisions"]] == [("refused", "no_consent")]
    assert shop.provider.taken == []


async def _now(shop: Shop) -> Any:
    """The API goes by the real clock; whoever sends, by a moment after it."""
    async with shop.service.database.work() as work:
        return work.now


async def test_addresses_are_suppressed_by_hand_and_lifted_with_a_reason(shop: Shop) -> None:
    body = {"channel": "email", "addresses": ["Ann@Example.com ", "bob@example.com"], "reason": "asked by telephone"}
    async with shop.client() as client:
        first = await client.post("/v1/suppressions", json=body)
        again = await client.post("/v1/suppressions", json=body)
        wrong = await client.post("/v1/suppressions", json={**body, "addresses": ["cy@example.com", "nobody"]})
        found = (await client.get("/v1/suppressions")).json()["suppressions"]
        lifted = await client.delete(f"/v1/suppressions/{found[0]['id']}", params={"reason": "asked again"})
    assert (first.json(), again.json()) == ({"added": 2, "already": 0}, {"added": 0, "already": 2})
    assert (wrong.status_code, wrong.json()["errors"][0]["at"]) == (422, "/addresses/1")
    assert {one["address"] for one in found} == {"ann@example.com", "bob@example.com"}
    assert lifted.status_code == 204


async def test_the_page_of_preferences_changes_by_its_form_and_never_by_being_opened(shop: Shop) -> None:
    ann = uuid4()
    await shop.hear(profile(ann))
    assert shop.service.app is not None
    known: Links = shop.service.app.state.rules.links
    url = known.url(links.preferences(uuid4(), ann, "zh", await _now(shop)))
    async with asking(shop.service) as client:
        opened = await client.get(url)
        kept = await client.post(url, data={"agreed": "email"})
        assert await shop.facts() == []
        withdrawn = await client.post(url, data={"agreed": "sms"})
        forged = await client.post(f"{url}x", data={})
    assert ('value="email" checked' in opened.text, "保存" in opened.text) == (True, True)
    assert ('value="email" checked' in kept.text, 'value="email" checked' in withdrawn.text) == (True, False)
    [fact] = await shop.facts()
    assert isinstance(fact.body, ConsentChanged)
    assert (fact.profile_id, fact.body.channel, fact.body.granted) == (ann, "email", False)
    assert forged.status_code == 404
