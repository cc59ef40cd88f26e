"""Lists of segment on real PostgreSQL, over HTTP: uploads, repeats, bad rows, and who is on a list."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import UUID

import httpx2
import pytest

from services.profile.service.fold import fold_events
from services.segment.service import intake
from shared.contracts import topics
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import ListMemberAdded, ListMemberRemoved, ProductViewed
from shared.contracts.identity import Identity, Namespace, partition_key
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_segment_tags import stated
from tests.integration.test_segments import ANN, BOB, defined, fold, meet
from tests.support.applications import asking, build, token
from tests.support.events import SECRET, event, user

CSV = {"Content-Type": "text/csv; charset=utf-8"}
NDJSON = {"Content-Type": "application/x-ndjson"}
PRESS = "/v1/lists/press"
LATER = "2099-01-01T00:00:00Z"


class Segment(NamedTuple):
    """A service of segment, and who asks it."""

    database: Database
    http: httpx2.AsyncClient

    async def upload(self, body: str, path: str = "members", **headers: str) -> Any:
        """Sends CSV; returns the answer, which must be a success."""
        answer = await self.http.post(f"{PRESS}/{path}", content=body, headers={**CSV, **headers})
        assert answer.status_code == 202, answer.text
        return answer.json()


@pytest.fixture
async def segment(database_factory: DatabaseFactory) -> AsyncIterator[Segment]:
    """A service of segment with the empty list `press`."""
    made = build("segment", await database_factory("segment"))
    async with asking(made, token(scope="segment:write segment:read")) as client:
        answer = await client.post("/v1/lists", json={"id": "press", "name": "Press"})
        assert answer.status_code == 201
        yield Segment(made.database, client)


async def members(segment: Segment, query: str = "") -> list[str]:
    answer = await segment.http.get(f"{PRESS}/members{query}")
    return [one["profile_id"] for one in answer.json()["members"]]


async def test_rows_are_published_under_profile_ids_and_identities_and_bad_ones_are_named(segment: Segment) -> None:
    await meet(segment.database, ANN)
    found = await segment.upload(
        f"ref,expires_at\n{ANN},{LATER}\nnonsense,\n{BOB},\nemail:Ann@Example.com,\n",
    )
    assert found["accepted"] == 2
    assert [one["row"] for one in found["bad"]] == [3, 4]
    assert "no customer" in found["bad"][1]["reason"]
    first, second = await stated(segment.database)
    assert isinstance(first.body, ListMemberAdded)
    assert (first.profile_id, first.identities, first.body.expires_at is None) == (ANN, (), False)
    assert (second.profile_id, second.identities) == (None, (Identity(Namespace.EMAIL, "ann@example.com"),))
    assert {first.source_kind, second.source_kind} == {SourceKind.SERVICE}
    async with segment.database.work() as work:
        keys = await work.rows("SELECT key FROM outbox WHERE topic = :topic ORDER BY id", topic=topics.EVENTS)
    assert bytes(keys[1].key) == partition_key("email:ann@example.com", secret=SECRET)


async def test_an_upload_that_comes_twice_has_its_effect_once(segment: Segment) -> None:
    body = "ref\nuser_id:42\nuser_id:43\n"
    key = {"Idempotency-Key": "tuesday"}
    one, again = await segment.upload(body, **key), await segment.upload(body, **key)
    assert one == again
    ids = [event.event_id for event in await stated(segment.database)]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2
    other = await segment.http.post(f"{PRESS}/members", content=body + "user_id:44\n", headers={**CSV, **key})
    assert (other.status_code, "Idempotency-Key" in other.text) == (422, True)
    await segment.upload(body)
    assert len({event.event_id for event in await stated(segment.database)}) == 4
    audit = await segment.http.get("/v1/audit", headers=token(scope="segment:admin"))
    assert [one["action"] for one in audit.json()["entries"]] == [
        "list.members_added",
        "list.members_added",
        "list.created",
    ]


async def test_members_come_through_profile_page_by_page_and_leave(
    segment: Segment, database_factory: DatabaseFactory
) -> None:
    profile = Database(await database_factory("profile"), application="test", clock=SystemClock())
    try:
        await through_profile(segment, profile)
    finally:
        await profile.close()


async def through_profile(segment: Segment, profile: Database) -> None:
    """Members by user id and mail, of whom profile knows one; who is named twice counts as the later row says."""

    async def pass_on() -> None:
        for topic, take in ((topics.EVENTS, fold_events), (topics.PROFILE_EVENTS, intake.fold)):
            events = await stated(segment.database if topic == topics.EVENTS else profile, topic)
            async with (profile if topic == topics.EVENTS else segment.database).work() as work:
                work.origin = 0
                await take(work, events)

    async with profile.work() as work:
        work.origin = 0
        await fold_events(work, [event(ProductViewed(sku="T-1"), user(42))])
    await segment.upload(f"ref,expires_at\nuser_id:42,{LATER}\nemail:bob@example.com,\nuser_id:42,\n")
    await pass_on()
    ids = await members(segment)
    assert len(ids) == 2
    assert ids == sorted(ids)
    page = (await segment.http.get(f"{PRESS}/members?limit=1")).json()
    assert await members(segment, f"?limit=1&cursor={page['next']}") == ids[1:]
    shown = (await segment.http.get(PRESS)).json()
    assert (shown["members"], shown["name"]) == (2, "Press")
    expiries = [one["expires_at"] for one in (await segment.http.get(f"{PRESS}/members")).json()["members"]]
    assert expiries == [None, None]

    await segment.upload("ref\nemail:bob@example.com\n", "members/remove")
    await pass_on()
    left = await members(segment)
    assert len(left) == 1
    removed = [one for one in await stated(segment.database) if isinstance(one.body, ListMemberRemoved)]
    assert len(removed) == 1


async def test_a_list_is_changed_by_who_read_it_and_not_deleted_while_a_live_segment_asks_about_it(
    segment: Segment,
) -> None:
    read = await segment.http.get(PRESS)
    change = {"name": "The press", "description": "Invited"}
    assert (await segment.http.put(PRESS, json=change)).status_code == 428
    changed = await segment.http.put(PRESS, json=change, headers={"If-Match": read.headers["ETag"]})
    assert (changed.status_code, changed.json()["name"]) == (200, "The press")
    stale = await segment.http.put(PRESS, json=change, headers={"If-Match": read.headers["ETag"]})
    assert stale.status_code == 412

    match = {"If-Match": changed.headers["ETag"]}
    await defined(segment.database, "journalists", {"kind": "not", "of": {"kind": "list", "id": "press"}})
    refused = await segment.http.delete(PRESS, headers=match)
    assert (refused.status_code, "journalists" in refused.text) == (409, True)
    row = await segment.http.get("/v1/segments/journalists")
    archived = await segment.http.post("/v1/segments/journalists/archive", headers={"If-Match": row.headers["ETag"]})
    assert archived.status_code == 200
    assert (await segment.http.delete(PRESS, headers=match)).status_code == 204
    for path in (PRESS, f"{PRESS}/members"):
        assert (await segment.http.get(path)).status_code == 404
    assert (await segment.http.get("/v1/lists")).json() == {"lists": [], "next": None}
    again = await segment.http.post("/v1/lists", json={"id": "press", "name": "Press"})
    assert (again.status_code, "was deleted" in again.text) == (409, True)


async def test_an_upload_that_makes_no_sense_is_refused_whole_with_what_to_do(segment: Segment) -> None:
    async def refused(content: bytes, headers: dict[str, str], path: str = f"{PRESS}/members") -> tuple[int, str]:
        answer = await segment.http.post(path, content=content, headers=headers)
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json()["detail"]

    assert (await refused(b"ref\nuser_id:42\n", {"Content-Type": "application/json"}))[0] == 415
    assert (await refused(b"ref\nuser_id:42\n", CSV, "/v1/lists/none/members"))[0] == 404
    assert (await refused(b"", CSV)) == (422, "it has no rows")
    assert "the columns are" in (await refused(b"email\na@example.com\n", CSV))[1]
    assert (await refused(b"{}\n", NDJSON))[0] == 422
    over = f"{PRESS}/members?expires_at=2020-01-01T00:00:00Z"
    assert (await refused(b"ref\nuser_id:42\n", CSV, over)) == (422, "no row could be taken")
    assert (await refused(b"ref\n" + b"user_id:42\n" * (17 << 20 >> 3), CSV))[0] in (413, 422)
    assert await stated(segment.database) == []


async def test_the_newest_word_on_a_list_counts_in_any_order(segment: Segment) -> None:
    first: Event = event(ListMemberAdded(list_id="press"), profile_id=ANN)
    second = event(ListMemberRemoved(list_id="press"), profile_id=ANN, at=first.occurred_at.replace(hour=13))
    await meet(segment.database, ANN)
    await fold(segment.database, second)
    await fold(segment.database, first)
    assert await members(segment) == []
    third = event(ListMemberAdded(list_id="press"), profile_id=ANN, at=first.occurred_at.replace(hour=14))
    await fold(segment.database, third)
    assert await members(segment) == [str(UUID(int=1))]
