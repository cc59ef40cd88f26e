"""Customers who were taken for one are parted: each is what their own events make of them, and stays apart."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest

from services.profile.domain import explaining, parting
from services.profile.domain.meeting import PARTED
from services.profile.domain.parting import Name
from services.profile.repository import rebuild as record
from services.profile.service import lifting_splits, read, splitting
from services.profile.service.lifting_splits import UnknownSplit
from services.profile.service.rebuild import NOBODY, correct_identities, fill_identities, mend_aliases, mend_profiles
from services.profile.service.splitting import NotApart, SplitRequest
from shared.audit import Actor
from shared.contracts import topics
from shared.contracts.changes import ProfileChanged, ProfileMerged, ProfileSplit
from shared.contracts.envelope import SourceKind
from shared.contracts.events import CustomEvent, OrderPlaced, PageViewed
from shared.database import aliases
from shared.database.database import Database
from shared.errors import Invalid
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_profile_service import (
    anonymous,
    dump,
    empty,
    mail,
    merged,
    published,
    some_events,
    take,
    view,
)
from tests.support.events import NOON, event, order, user

CLERK: Final = Actor("clerk", ("profile:write",))


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of profile."""
    made = Database(await database_factory("profile"), application="test", clock=SystemClock())
    yield made
    await made.close()


async def split(database: Database, ref: str, *, undo: UUID | None = None, names: Sequence[Name] = ()) -> UUID:
    """Parts a customer, as the API does. Returns who is separated."""
    async with database.work() as work:
        asked = SplitRequest(profile_id=await read.resolve(work, ref), undo=undo, identities=tuple(names))
        split_id = await splitting.split(work, asked, CLERK, company_zone="UTC")
    async with database.work() as work:
        found, _ = await splitting.made(work, split_id)
    return found.separated


async def who(database: Database, ref: str) -> UUID:
    async with database.work() as work:
        return await read.resolve(work, ref)


async def events_of(database: Database, ref: str) -> set[UUID]:
    async with database.work() as work:
        rows = await read.timeline(work, await read.resolve(work, ref), before=None, limit=1_000)
    return {row.event_id for row in rows}


async def orders_of(database: Database, ref: str) -> int:
    async with database.work() as work:
        found = await read.profile(work, await read.resolve(work, ref))
    orders: int = found["orders"]
    return orders


async def as_the_record_has_it(database: Database) -> bool:
    """Whether a rebuild from the record finds nothing to mend."""
    async with database.work() as work:
        wrong = await mend_aliases(work)
    async with database.work() as work:
        wrong += await fill_identities(work) + await correct_identities(work)
    after: UUID | None = NOBODY
    while after is not None:
        async with database.work() as work:
            after, _, changed = await mend_profiles(work, after)
        wrong += changed.total()
    return not wrong


async def test_a_merge_that_is_undone_leaves_each_with_what_is_theirs_and_nothing_joins_them_again(
    database: Database,
) -> None:
    before = [order("ann", "A-1"), order("bob", "B-1"), view("/tea", user("bob"), anonymous("phone of bob"))]
    await take(database, before)
    ann, bob = await who(database, "user_id:ann"), await who(database, "user_id:bob")
    await take(database, [merged(user("ann"), user("bob"))])
    assert await who(database, "user_id:ann") == await who(database, "user_id:bob")
    gone = bob if await who(database, "user_id:bob") == ann else ann
    between = [order("ann", "A-2"), order("bob", "B-2"), view("/cake", anonymous("phone of bob"))]
    await take(database, between)

    assert await split(database, "user_id:ann", undo=gone) == gone

    assert (await who(database, "user_id:ann"), await who(database, "user_id:bob")) == (ann, bob)
    assert await who(database, "anonymous_id:phone of bob") == bob
    assert (await orders_of(database, "user_id:ann"), await orders_of(database, "user_id:bob")) == (2, 2)
    bobs = {one.event_id for one in (before[1], before[2], between[1], between[2])}
    assert await events_of(database, "user_id:bob") == bobs
    assert await as_the_record_has_it(database)

    await take(database, [order("bob", "B-3"), merged(user("ann"), user("bob"))])
    assert await orders_of(database, "user_id:bob") == 3
    assert await who(database, "user_id:ann") != await who(database, "user_id:bob")
    async with database.work() as work:
        logs = {ref: await read.identity_log(work, ref, limit=20) for ref in ("user_id:ann", "user_id:bob")}
    for ref, log in logs.items():
        assert {"split", "merge"} <= {one.kind for one in log}, ref
    assert PARTED in [one.reason for log in logs.values() for one in log if one.kind == "refuse"]
    assert await as_the_record_has_it(database)


async def test_identities_that_are_taken_out_become_a_customer_with_the_events_that_name_them_first(
    database: Database,
) -> None:
    """Two sisters gave one phone, and one of them no user id."""
    both = [
        event(CustomEvent(name="Signed Up"), user("ann"), mail("ann")),
        event(CustomEvent(name="Signed Up"), user("ann"), mail("cat")),
        event(OrderPlaced(order_id="C-1", currency="USD", total_minor=9_00), mail("cat")),
        event(OrderPlaced(order_id="A-1", currency="USD", total_minor=5_00), mail("ann")),
    ]
    await take(database, both)
    ann = await who(database, "user_id:ann")
    assert await who(database, "email:cat@example.com") == ann

    cat = await split(database, "user_id:ann", names=[("email", "cat@example.com")])

    assert (await who(database, "email:cat@example.com"), await who(database, "user_id:ann")) == (cat, ann)
    assert await events_of(database, "email:cat@example.com") == {both[2].event_id}
    assert (await orders_of(database, "email:cat@example.com"), await orders_of(database, "user_id:ann")) == (1, 1)
    assert await as_the_record_has_it(database)
    await take(database, [event(CustomEvent(name="Signed Up"), user("ann"), mail("cat"))])
    assert await who(database, "email:cat@example.com") == cat


async def test_a_fact_that_names_nobody_goes_with_what_caused_it(database: Database) -> None:
    first, second = order("ann", "A-1"), order("bob", "B-1")
    await take(database, [first, second, merged(user("ann"), user("bob"))])
    both = await who(database, "user_id:ann")
    told = event(
        CustomEvent(name="Told"),
        source_kind=SourceKind.SERVICE,
        profile_id=both,
        cause_id=second.event_id,
        depth=1,
    )
    further = event(
        CustomEvent(name="Told"), source_kind=SourceKind.SERVICE, profile_id=both, cause_id=told.event_id, depth=2
    )
    await take(database, [further, told])

    await split(database, "user_id:ann", names=[("user_id", "bob")])

    assert await events_of(database, "user_id:bob") == {second.event_id, told.event_id, further.event_id}


async def test_both_are_told_of_the_split_before_anything_else_and_as_history(database: Database) -> None:
    await take(database, [order("ann", "A-1"), order("bob", "B-1"), merged(user("ann"), user("bob"))])
    before = [one.body for one in await published(database, topics.PROFILES)]
    versions = [one.version for one in before if isinstance(one, ProfileChanged)]
    async with database.work() as work:
        await work.run("TRUNCATE outbox")

    bob = await split(database, "user_id:ann", names=[("user_id", "bob")])

    told = await published(database, topics.PROFILES)
    ann = await who(database, "user_id:ann")
    for one in (ann, bob):
        mine = [each for each in told if each.profile_id == one]
        assert [type(each.body) for each in mine] == [ProfileSplit, ProfileChanged]
        assert isinstance(mine[0].body, ProfileSplit)
        assert (mine[0].body.profile_id, mine[0].body.separated) == (ann, bob)
        assert isinstance(mine[1].body, ProfileChanged)
        assert mine[1].body.version > max(versions)
        assert mine[1].body.orders == 1
        assert all(each.historical for each in mine)


async def test_who_would_have_nothing_is_not_parted_and_who_is_not_there_is_named(database: Database) -> None:
    await take(database, [event(CustomEvent(name="Signed Up"), user("ann"), mail("ann"))])
    with pytest.raises(NotApart, match="no event would be of them"):
        await split(database, "user_id:ann", names=[("email", "ann@example.com")])
    with pytest.raises(NotApart, match="each of the two needs an identity"):
        await split(database, "user_id:ann", names=[("email", "ann@example.com"), ("user_id", "ann")])
    with pytest.raises(Invalid, match=r"/identities/0: email:bob@example\.com is not an identity of this customer"):
        await split(database, "user_id:ann", names=[("email", "bob@example.com")])
    with pytest.raises(Invalid, match="was not merged into this customer"):
        await split(database, "user_id:ann", undo=UUID(int=1))
    assert await as_the_record_has_it(database)


async def test_whoever_was_merged_into_one_who_is_separated_goes_along(database: Database) -> None:
    """Four become one in a chain; parting the second leaves each former id with who it belongs to."""
    names, later = ("ann", "bob", "cat", "dan"), NOON + timedelta(days=1)
    await take(database, [order(name, f"{name}-1", at=NOON + timedelta(hours=n)) for n, name in enumerate(names)])
    ids = {name: await who(database, f"user_id:{name}") for name in names}
    await take(database, [merged(user("bob"), user("cat"), at=later)])
    await take(database, [merged(user("ann"), user("dan"), at=later)])
    await take(database, [merged(user("ann"), user("bob"), at=later)])
    assert len({await who(database, f"user_id:{name}") for name in names}) == 1

    await split(database, "user_id:ann", undo=ids["bob"])

    async with database.work() as work:
        assert await aliases.canonical(work, ids.values()) == {
            ids["ann"]: ids["ann"],
            ids["dan"]: ids["ann"],
            ids["bob"]: ids["bob"],
            ids["cat"]: ids["bob"],
        }
    assert (await orders_of(database, "user_id:cat"), await orders_of(database, "user_id:dan")) == (2, 2)
    assert await as_the_record_has_it(database)


@pytest.mark.parametrize("seed", range(12))
async def test_merges_splits_and_events_in_any_order_end_as_the_record_has_it(database: Database, seed: int) -> None:
    """Whoever is parted, and when: no event is lost or doubled, each is where its strongest name is, and a fold from
    nothing gives each customer what they have.
    """
    chance = random.Random(seed)
    await empty(database)
    events = some_events(chance, count=90)
    apart: list[tuple[UUID, UUID]] = []
    while events:
        batch, events = events[: chance.randint(1, 12)], events[12:]
        await take(database, batch)
        if chance.random() < 0.6:
            apart += await _part_somebody(database, chance)
        for one, other in apart:
            async with database.work() as work:
                now = await aliases.canonical(work, [one, other])
            assert now[one] != now[other], "two who were parted are one again"
        assert await as_the_record_has_it(database)
    await dump(database)  # which asserts that nothing is left over
    await _each_event_is_where_its_strongest_name_is(database)


async def _part_somebody(database: Database, chance: random.Random) -> list[tuple[UUID, UUID]]:
    """Undoes a merge, or takes out a name, of a customer of whom that can be done."""
    async with database.work() as work:
        rows = await work.rows("SELECT canonical_id, profile_id FROM profile_aliases ORDER BY profile_id")
        ids = [row.id for row in await work.rows("SELECT id FROM profiles ORDER BY id")]
        root = chance.choice([row.canonical_id for row in rows] or ids)
        names = [(one.namespace, one.value) for one in (await record.links(work, [root])).get(root, ())]
    losers = [row.profile_id for row in rows if row.canonical_id == root]
    try:
        if losers and chance.random() < 0.5:
            return [(root, await split(database, str(root), undo=chance.choice(losers)))]
        names = sorted(set(names))
        some = chance.sample(names, chance.randint(1, max(1, len(names) - 1)))
        return [(root, await split(database, str(root), names=some))]
    except NotApart:
        return []


async def _each_event_is_where_its_strongest_name_is(database: Database) -> None:
    async with database.work() as work:
        rows = await work.rows("SELECT id FROM profiles ORDER BY id")
        events = await record.events(work, [row.id for row in rows])
        owned = await work.rows(
            """
            SELECT i.namespace, i.value, coalesce(a.canonical_id, i.profile_id) AS owner
              FROM identities i
              LEFT JOIN profile_aliases a USING (profile_id)
            """
        )
    owners = {(row.namespace, row.value): row.owner for row in owned}
    for profile_id, mine in events.items():
        for one in mine:
            assert profile_id in {owners.get(name) for name in parting.names_of(one)}


async def test_a_browser_does_not_join_again_who_was_parted(database: Database) -> None:
    public: dict[str, Any] = {"source_kind": SourceKind.PUBLIC}
    first = view("/", anonymous("a"), **public)
    second = view("/tea", anonymous("b"), **public)
    await take(database, [first, second])
    await take(database, [event(PageViewed(path="/"), user("x"), anonymous("a"), **public)])
    await take(database, [event(PageViewed(path="/"), user("x"), anonymous("b"), **public)])
    one, other = await who(database, "anonymous_id:a"), await who(database, "anonymous_id:b")
    assert one == other
    assert any(isinstance(each.body, ProfileMerged) for each in await published(database, topics.PROFILES))

    await split(database, "anonymous_id:a", names=[("anonymous_id", "b")])

    await take(database, [event(PageViewed(path="/"), user("x"), anonymous("b"), **public)])
    assert await who(database, "anonymous_id:a") != await who(database, "anonymous_id:b")
    assert await as_the_record_has_it(database)


async def test_a_merge_of_four_is_explained_step_by_step_in_words(database: Database) -> None:
    names, late = ("ann", "bob", "cat"), NOON + timedelta(hours=9)
    await take(database, [order(name, f"{name}-1", at=NOON + timedelta(hours=n)) for n, name in enumerate(names)])
    await take(database, [event(OrderPlaced(order_id="X-1", currency="USD", total_minor=9_00), mail("dan"), at=late)])
    await take(database, [merged(user("ann"), user("bob"), at=NOON)])
    await take(database, [merged(user("cat"), user("bob"), at=NOON + timedelta(days=1))])
    await take(database, [event(CustomEvent(name="Signed Up"), user("cat"), mail("dan"), at=NOON + timedelta(days=2))])

    async with database.work() as work:
        _, found = await read.explained(work, "email:dan@example.com")
    assert [explaining.in_english(one).partition(" UTC: ")[2] for one in found] == [
        "an event (Alias) of a server's key states that user_id:ann and user_id:bob are one customer.",
        "an event (Alias) of a server's key states that user_id:bob and user_id:cat are one customer.",
        (
            "an event (Signed Up) of a server's key names user_id:cat together with email:dan@example.com. "
            "Until then these were two customers."
        ),
    ]
    assert explaining.in_chinese(found[-1]) == (
        "2026-03-03 12:00 UTC：来自服务器密钥的事件（Signed Up）同时提到 user_id:cat 与 email:dan@example.com；"
        "在此之前他们是两位客户。"
    )

    await split(database, "user_id:ann", undo=found[-1].merge.other_id)
    async with database.work() as work:
        _, left = await read.explained(work, "user_id:ann")
    assert len(left) == 2


async def test_a_split_that_is_lifted_lets_the_next_evidence_join_the_two_again(database: Database) -> None:
    await take(database, [order("ann", "A-1"), order("bob", "B-1"), merged(user("ann"), user("bob"))])
    await split(database, "user_id:ann", names=[("user_id", "bob")])
    await take(database, [merged(user("ann"), user("bob"))])
    assert await who(database, "user_id:ann") != await who(database, "user_id:bob")
    async with database.work() as work:
        (made,) = await work.rows("SELECT event_id FROM identity_log WHERE kind = 'split'")

    for _ in range(2):  # lifted again, it changes nothing
        async with database.work() as work:
            await lifting_splits.lift(work, made.event_id, CLERK, reason="it was one after all")

    assert await who(database, "user_id:ann") != await who(database, "user_id:bob")
    assert await as_the_record_has_it(database)
    await take(database, [merged(user("ann"), user("bob"))])
    assert await who(database, "user_id:ann") == await who(database, "user_id:bob")
    assert await orders_of(database, "user_id:bob") == 2
    assert await as_the_record_has_it(database)
    async with database.work() as work:
        log = await read.identity_log(work, "user_id:ann", limit=20)
        with pytest.raises(UnknownSplit, match="no split"):
            await lifting_splits.lift(work, UUID(int=1), CLERK, reason="")
    assert [one.reason for one in log if one.kind == "lift"] == ["it was one after all"] * 2


async def test_of_two_splits_that_keep_two_apart_the_other_one_holds_when_one_is_lifted(database: Database) -> None:
    await take(database, [order("ann", "A-1"), order("bob", "B-1"), order("cat", "C-1")])
    await take(database, [merged(user("ann"), user("bob")), merged(user("ann"), user("cat"))])
    await split(database, "user_id:ann", names=[("user_id", "bob")])
    await split(database, "user_id:ann", names=[("user_id", "cat")])
    async with database.work() as work:
        first = await work.row("SELECT event_id FROM identity_log WHERE kind = 'split' ORDER BY id LIMIT 1")
        assert first is not None
        await lifting_splits.lift(work, first.event_id, CLERK, reason="")
    await take(database, [merged(user("ann"), user("bob")), merged(user("ann"), user("cat"))])
    assert await who(database, "user_id:ann") == await who(database, "user_id:bob")
    assert await who(database, "user_id:ann") != await who(database, "user_id:cat")
    assert await as_the_record_has_it(database)
