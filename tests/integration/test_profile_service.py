"""Profile takes in events on real PostgreSQL: any order, any batching, any repetition, any concurrency."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from services.profile.domain.fold import MAX_ANONYMOUS_IDS, MAX_PUBLIC_TRAITS
from services.profile.service import read
from services.profile.service.fold import fold_events
from shared.contracts import topics, wire
from shared.contracts.changes import DatedFact, ProfileChanged, ProfileMerged, TimeZone
from shared.contracts.context import Agent, Context
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import (
    Body,
    CustomerIdentified,
    CustomEvent,
    FeedbackSubmitted,
    Item,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    PageViewed,
    ProductViewed,
    TraitSet,
)
from shared.contracts.identity import Identity, Namespace
from shared.database.database import Database, Work, refuses_data
from shared.errors import Refused, TryAgain
from shared.service import metrics
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.events import NOON, days, event, order, user
from tests.support.running import eventually
from tests.support.vocabulary import BEHAVIOUR, MESSAGES, TOLD_BY_SERVERS

TABLES = (
    "profiles, identities, identity_log, timeline, reassignments, order_owners, order_marks, payment_refs, orders, "
    "counts, lanes, profile_aliases, outbox"
)
ATTEMPTS = 20
ZONES = ("Asia/Shanghai", "Europe/Berlin", "nowhere")


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of profile."""
    made = Database(await database_factory("profile"), application="test", clock=SystemClock())
    yield made
    await made.close()


@asynccontextmanager
async def batch(database: Database) -> AsyncIterator[Work]:
    """One transaction, as the consumer runs it."""
    async with database.work() as work:
        work.origin = 0
        yield work


async def take(database: Database, events: Sequence[Event]) -> None:
    """One batch; run again, as the consumer does, when another came first."""
    for _ in range(ATTEMPTS):
        try:
            async with batch(database) as work:
                await fold_events(work, events)
        except (TryAgain, DBAPIError) as error:
            if isinstance(error, DBAPIError) and refuses_data(error):
                raise
            continue
        return
    raise AssertionError(f"not taken in after {ATTEMPTS} attempts")


async def empty(database: Database) -> None:
    async with database.work() as work:
        await work.run(f"TRUNCATE {TABLES}")


async def published(database: Database, topic: str) -> list[Event]:
    """What waits in the outbox for a topic, in order."""
    async with database.work() as work:
        rows = await work.rows(
            "SELECT headers::text AS headers, value FROM outbox WHERE topic = :topic ORDER BY id", topic=topic
        )
    return [
        wire.decode([(name, text.encode()) for name, text in msgspec.json.decode(row.headers).items()], row.value)
        for row in rows
    ]


async def dump(database: Database) -> dict[str, Any]:
    """Everything known of everybody, by identities and not by profile id; nothing may be left over."""
    async with database.work() as work:
        owned = await work.rows(
            "SELECT i.namespace, i.value, coalesce(a.canonical_id, i.profile_id) AS owner FROM identities i "
            "LEFT JOIN profile_aliases a USING (profile_id) WHERE i.profile_id IS NOT NULL"
        )
        profiles = await work.rows(
            "SELECT id, first_seen, last_seen, state, orders, spend_minor, first_order_at, last_order_at FROM profiles"
        )
        parts = {
            "orders": await work.rows(
                "SELECT profile_id, order_id, facts::text, counts, currency, net_minor, refunded_minor, margin_minor, "
                "placed_at FROM orders ORDER BY order_id"
            ),
            "counts": await work.rows("SELECT profile_id, kind, name, times FROM counts ORDER BY kind, name"),
            "timeline": await work.rows("SELECT profile_id, event_id FROM timeline ORDER BY event_id"),
        }
    names: dict[UUID, list[str]] = {}
    for row in owned:
        names.setdefault(row.owner, []).append(f"{row.namespace}:{row.value}")
    called = {profile_id: " ".join(sorted(identities)) for profile_id, identities in names.items()}
    found: dict[str, Any] = {called[row.id]: {"profile": tuple(row)[1:]} for row in profiles}
    assert found.keys() == set(called.values())
    for part, rows in parts.items():
        for row in rows:
            found[called[row.profile_id]].setdefault(part, []).append(tuple(row)[1:])
    return found


def anonymous(value: object) -> Identity:
    return Identity(Namespace.ANONYMOUS_ID, str(value))


def mail(value: object) -> Identity:
    return Identity(Namespace.EMAIL, f"{value}@example.com")


def merged(new: Identity, old: Identity, **changes: Any) -> Event:
    """An explicit merge of two users, as `alias` of the tracking API makes it."""
    return event(CustomEvent(name="Alias"), new, anonymous(old.value), merges=True, **changes)


def view(path: str, *named: Identity, **changes: Any) -> Event:
    return event(PageViewed(path=path), *named, **changes)


def said_of_days_and_places(chance: random.Random) -> Body:
    listed = [{"kind": "child", "label": chance.choice("ab"), "date": chance.choice(["2020-01-01", None])}]
    traits: dict[str, Any] = {
        chance.choice(["birthday", "dob"]): chance.choice(["1990-05-17", "--02-29", "soon"]),
        "dated_facts": listed,
        "timezone": chance.choice(["Asia/Tokyo", "Mars", None]),
    }
    return chance.choice([CustomerIdentified(traits=traits), TraitSet(traits=traits)])


def some_events(chance: random.Random, count: int = 60) -> list[Event]:
    """The doings of six people under eighteen names, some of whom turn out to be one."""

    def random_body() -> Body:
        order_id = f"A-{chance.randrange(6)}"
        item = Item(
            sku="tea",
            category=chance.choice(["", "drinks", "gifts"]),
            quantity=chance.randint(1, 3),
            unit_price_minor=5_00,
            unit_cost_minor=chance.choice([None, 2_00]),
        )
        return chance.choice(
            [
                OrderPlaced(
                    order_id=order_id,
                    currency=chance.choice(["USD", "CNY"]),
                    total_minor=chance.randint(0, 90_00),
                    items=(item,) * chance.randrange(3),
                ),
                OrderRefunded(
                    order_id=order_id,
                    refund_id=chance.choice("xy"),
                    currency="USD",
                    amount_minor=chance.randint(0, 999),
                ),
                OrderCancelled(order_id=order_id),
                CustomerIdentified(
                    traits={chance.choice(["name", "city"]): chance.choice([1, 2.5, "龙井", None, [1, {"a": True}]])},
                    consent={"email": chance.random() < 0.5},
                ),
                FeedbackSubmitted(survey=chance.choice(["nps", "csat"]), rating=chance.randint(1, 5)),
                PageViewed(path=chance.choice(["/", "/tea"])),
                ProductViewed(sku="tea", category="drinks"),
            ]
        )

    events = []
    others = random.Random()  # beside, so that who is named stays as it is for a seed
    others.setstate(chance.getstate())
    for number in range(count):
        person = chance.randrange(6)
        names = [user(person), mail(person), anonymous(person)]
        named = chance.sample(names, chance.choice([1, 1, 2]))
        merges = chance.random() < 0.03
        if merges:
            named = [user(person), user(chance.randrange(6))]
        kind = chance.choice([SourceKind.SERVER, SourceKind.SERVICE])
        body = random_body()
        if isinstance(body, CustomerIdentified) and others.random() < 0.7:
            body = said_of_days_and_places(others)
        claim = chance.random() < 0.1
        events.append(
            event(
                body,
                *dict.fromkeys(named),
                at=NOON + timedelta(hours=chance.randrange(5)),
                event_id=UUID(int=chance.getrandbits(128), version=4),
                source_kind=kind,
                unverified=claim,
                historical=number % 7 == 0,
                merges=merges,
                context=others.choice([None, Context(timezone=others.choice(ZONES), locale="zh_CN")]),
            )
        )
    return events


async def test_behaviour_and_messages_of_other_systems_are_on_the_timeline_and_change_no_figure(
    database: Database,
) -> None:
    bodies = [*BEHAVIOUR, *MESSAGES, *TOLD_BY_SERVERS]
    facts = [event(body, user(42), at=NOON + timedelta(minutes=n)) for n, body in enumerate(bodies)]
    await take(database, facts)
    async with database.work() as work:
        [row] = await work.rows("SELECT DISTINCT profile_id FROM timeline")
        shown = await read.timeline(work, row.profile_id, before=None, limit=100)
        counted = await work.rows("SELECT 1 FROM counts")
    assert sorted(str(one.type) for one in shown) == sorted(body.TYPE for body in bodies)
    assert counted == []


@pytest.mark.parametrize("seed", range(8))
async def test_any_order_any_batching_and_any_repetition_give_the_same_rows(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    events = some_events(chance)
    await take(database, events)
    expected = await dump(database)

    for _ in range(3):
        await empty(database)
        arriving = [*events, *chance.sample(events, 25)]
        chance.shuffle(arriving)
        while arriving:
            size = chance.choice([1, 2, 7, 30])
            await take(database, arriving[:size])
            arriving = arriving[size:]
        assert await dump(database) == expected


async def test_what_was_taken_in_before_changes_and_publishes_nothing(database: Database) -> None:
    events = some_events(random.Random(1))
    await take(database, events)
    before, facts = await dump(database), await published(database, topics.PROFILE_EVENTS)
    await take(database, events)
    await take(database, events[3:9])

    assert await dump(database) == before
    assert await published(database, topics.PROFILE_EVENTS) == facts
    assert len(facts) == len(events)


async def test_the_first_copy_of_an_event_in_a_batch_wins(database: Database) -> None:
    first = view("/first", user(1))
    await take(database, [first, msgspec.structs.replace(first, body=PageViewed(path="/second"))])

    [found] = (await dump(database)).values()
    assert found["counts"] == [("page", "/first", 1)]


async def test_a_customers_days_zone_and_language_are_told_with_what_they_are_known_by(database: Database) -> None:
    listed = [
        {"kind": "birthday", "date": "1990-04-23", "calendar": "lunar", "leap_month": True},
        {"kind": "child", "label": "Mia", "date": "05/06/2019"},
    ]
    await take(database, [view("/", user(1), context=Context(timezone="Asia/Tokyo", locale="ja_JP"))])
    await take(database, [event(CustomerIdentified(traits={"birthday": "1990-05-17", "dated_facts": listed}), user(1))])
    await take(database, [event(TraitSet(traits={"time_zone": "europe/berlin", "plan": "gold"}), user(1))])
    await take(database, [event(CustomEvent(name="Waved"), user(2))])

    first, _, ann, other = [one.body for one in await published(database, topics.PROFILES)]
    assert isinstance(first, ProfileChanged)
    assert isinstance(ann, ProfileChanged)
    assert isinstance(other, ProfileChanged)
    assert first.time_zone == TimeZone(name="Asia/Tokyo", by="context")
    assert (ann.time_zone, ann.language) == (TimeZone(name="Europe/Berlin", by="trait"), "ja-JP")
    assert ann.dated_facts == (DatedFact(kind="birthday", date="1990-04-23", calendar="lunar", leap_month=True),)
    assert ann.traits == {"birthday": "1990-05-17", "plan": "gold", "time_zone": "europe/berlin"}
    assert (other.time_zone, other.language) == (TimeZone(name="UTC", by="company"), "")
    assert other.dated_facts == ()

    async with database.work() as work:
        shown = await read.profile(work, ann.profile_id, company_zone="Asia/Shanghai")
        of_other = await read.profile(work, other.profile_id, company_zone="Asia/Shanghai")
    assert shown["time_zone"] == {"name": "Europe/Berlin", "by": "trait"}
    assert shown["language"] == {"tag": "ja-JP", "by": "context"}
    assert shown["dated_facts"] == [
        {"kind": "birthday", "label": "", "date": "1990-04-23", "calendar": "lunar", "leap_month": True}
    ]
    assert (of_other["time_zone"], of_other["language"]) == ({"name": "Asia/Shanghai", "by": "company"}, None)


async def test_a_late_link_gives_what_knowing_it_from_the_start_would_have_given(database: Database) -> None:
    link = event(CustomerIdentified(traits={"name": "Ann"}), user(1), anonymous("a"), at=NOON + days(3))
    before_login = [
        view("/tea", anonymous("a")),
        event(OrderPlaced(order_id="A-1", currency="USD", total_minor=30_00), anonymous("a")),
        event(OrderRefunded(order_id="A-2", refund_id="x", currency="USD", amount_minor=5_00), anonymous("a")),
        event(CustomerIdentified(traits={"name": "Anonymous", "city": "Köln"}), anonymous("a"), at=NOON + days(1)),
    ]
    after_login = [view("/tea", user(1), at=NOON + days(2)), order(1, "A-2", 20_00), order(1, "A-1", 30_00)]

    await take(database, [link])
    await take(database, [*before_login, *after_login])
    expected = await dump(database)
    assert len(expected) == 1

    for last in ([[*before_login], [*after_login], [link]], [[*after_login, link], [*before_login]]):
        await empty(database)
        for events in last:
            await take(database, events)
        assert await dump(database) == expected


async def test_a_merge_is_published_and_the_lost_id_still_means_the_customer(database: Database) -> None:
    await take(database, [view("/", user(1), at=NOON), view("/", user(2), at=NOON + days(1))])
    await take(database, [merged(user(1), user(2), at=NOON + days(2))])

    changes = await published(database, topics.PROFILES)
    [merge] = [one.body for one in changes if isinstance(one.body, ProfileMerged)]
    await take(database, [event(PageViewed(path="/later"), profile_id=merge.loser, source_kind=SourceKind.SERVICE)])

    facts = await published(database, topics.PROFILE_EVENTS)
    assert facts[-1].profile_id == merge.survivor
    assert len(await dump(database)) == 1


async def test_three_customers_become_one_in_one_batch(database: Database) -> None:
    apart = [order(number, f"A-{number}", 10_00, at=NOON + days(number)) for number in (1, 2, 3)]
    links = [merged(user(3), user(2)), merged(user(2), user(1))]
    await take(database, apart)
    await take(database, links)

    [found] = (await dump(database)).values()
    assert [row[0] for row in found["orders"]] == ["A-1", "A-2", "A-3"]
    assert found["profile"][3] == 3
    assert found["profile"][4] == {"USD": 30_00}
    merges = [one.body for one in await published(database, topics.PROFILES) if isinstance(one.body, ProfileMerged)]
    assert len(merges) == 2


async def test_at_most_one_change_a_profile_and_batch_with_versions_that_grow(database: Database) -> None:
    for number in range(3):
        await take(database, [order(1, f"A-{number}-{part}") for part in range(4)])

    changes = [one.body for one in await published(database, topics.PROFILES)]
    assert [one.version for one in changes if isinstance(one, ProfileChanged)] == [1, 2, 3]
    assert isinstance(changes[-1], ProfileChanged)
    assert changes[-1].orders == 12
    assert changes[-1].spend_minor == {"USD": 120_00}


async def test_sequences_of_an_origin_only_grow(database: Database) -> None:
    for number in range(3):
        await take(database, [view("/", user(number)), view("/", user(number))])

    assert [(one.origin, one.sequence) for one in await published(database, topics.PROFILE_EVENTS)] == [
        (0, number) for number in range(6)
    ]


async def test_a_change_is_live_where_any_of_its_causes_is(database: Database) -> None:
    await take(database, [order(1, "A-1"), order(1, "A-0", historical=True, at=NOON - days(400))])

    [changed] = await published(database, topics.PROFILES)
    assert not changed.historical


async def test_the_same_order_told_by_two_sources_counts_once(database: Database) -> None:
    item = Item(sku="tea", category="drinks", quantity=2, unit_price_minor=5_00)
    body = OrderPlaced(order_id="A-1", currency="USD", total_minor=10_00, items=(item,))
    await take(database, [event(body, user(1)), event(body, user(1), source_id=str(UUID(int=8)))])

    [found] = (await dump(database)).values()
    assert found["profile"][3:5] == (1, {"USD": 10_00})


async def test_a_customer_is_found_by_any_spelling_of_a_name(database: Database) -> None:
    named = [user("Amélie"), Identity(Namespace.EMAIL, "ann@example.com"), Identity(Namespace.PHONE, "+4930901820")]
    await take(database, [view("/", *named)])
    async with database.work() as work:
        spelt = ("user_id: Ame\u0301lie", "email:Ann@Example.COM ", "phone:+49 (30) 901820")
        assert len({await read.resolve(work, ref) for ref in spelt}) == 1
        with pytest.raises(read.UnknownProfile):
            await read.resolve(work, "phone:030 901820")


async def test_categories_of_an_order_told_by_two_sources_count_once(database: Database) -> None:
    item = Item(sku="tea", category="drinks", quantity=2, unit_price_minor=5_00)
    body = OrderPlaced(order_id="A-1", currency="USD", total_minor=10_00, items=(item,))
    await take(database, [event(body, user(1)), event(body, user(1), source_id=str(UUID(int=8)))])

    async with database.work() as work:
        found = await read.profile(work, await read.resolve(work, "user_id:1"))
    assert found["top"]["category_bought"] == [{"name": "drinks", "times": 2}]


async def test_the_circumstances_of_an_event_stand_on_the_timeline_and_travel_on(database: Database) -> None:
    context = Context(ip="192.0.2.7", locale="zh-CN", agent=Agent(browser="Firefox", bot=True))
    await take(database, [view("/", user(1), context=context), view("/tea", user(1), at=NOON - days(1))])

    async with database.work() as work:
        shown = await read.timeline(work, await read.resolve(work, "user_id:1"), before=None, limit=10)
    agent = {"browser": "Firefox", "bot": True}
    assert [one.context for one in shown] == [{"ip": "192.0.2.7", "locale": "zh-CN", "agent": agent}, None]
    assert [one.context for one in await published(database, topics.PROFILE_EVENTS)] == [context, None]


async def test_a_claim_stands_on_the_timeline_and_counts_nowhere(database: Database) -> None:
    await take(database, [order(1, "A-1", unverified=True, source_kind=SourceKind.PUBLIC)])

    [found] = (await dump(database)).values()
    assert found.keys() == {"profile", "timeline"}
    assert found["profile"][3:] == (0, {}, None, None)


async def test_a_profile_id_that_a_service_made_up_is_refused(database: Database) -> None:
    stranger = UUID(int=404)

    with pytest.raises(Refused, match=f"profile_id: {stranger}"):
        async with batch(database) as work:
            await fold_events(work, [event(PageViewed(), profile_id=stranger, source_kind=SourceKind.SERVICE)])
    assert await dump(database) == {}


async def test_an_event_that_names_nobody_is_refused(database: Database) -> None:
    with pytest.raises(Refused, match="identities"):
        async with batch(database) as work:
            await fold_events(work, [view("/", mail("ann"), source_kind=SourceKind.PUBLIC)])


@pytest.mark.parametrize(
    "body",
    [
        OrderPlaced(order_id="A\x00", currency="USD", total_minor=1),
        OrderPlaced(order_id="A-1", currency="USD", total_minor=2**63),
        CustomerIdentified(traits={"name": "\x00"}),
        OrderPlaced(
            order_id="".join(random.Random(1).choices("0123456789abcdefghijklmnop", k=12_000)),
            currency="USD",
            total_minor=1,
        ),
    ],
    ids=["NUL in a key", "an amount beyond 64 bits", "NUL in a trait", "an order id longer than an index takes"],
)
async def test_what_postgresql_can_not_store_is_refused_and_never_tried_for_ever(
    database: Database, body: Body
) -> None:
    with pytest.raises((Refused, DBAPIError)) as caught:
        async with batch(database) as work:
            await fold_events(work, [event(body, user(1))])

    assert not isinstance(caught.value, DBAPIError) or refuses_data(caught.value)


async def waits_for_a_lock(database: Database) -> bool:
    async with database.work() as work:
        row = await work.row("SELECT count(*) AS waiting FROM pg_locks WHERE NOT granted")
    assert row is not None
    return bool(row.waiting)


async def test_two_batches_at_once_that_share_a_new_customer_make_one_profile(database: Database) -> None:
    mine = [view("/tea", user(1)), order(1, "A-1", 10_00)]
    theirs = [view("/tea", user(1), anonymous("a")), order(1, "A-2", 20_00)]

    async with asyncio.TaskGroup() as tasks, batch(database) as work:
        await fold_events(work, mine)
        tasks.create_task(take(database, theirs))
        assert await eventually(lambda: waits_for_a_lock(database), bool)

    [found] = (await dump(database)).values()
    assert found["counts"] == [("page", "/tea", 2)]
    assert found["profile"][3:5] == (2, {"USD": 30_00})


async def test_an_event_that_waited_for_a_merge_goes_to_the_survivor(database: Database) -> None:
    await take(database, [order(1, "A-1", 10_00, at=NOON), order(2, "A-2", 20_00, at=NOON + days(1))])

    async with asyncio.TaskGroup() as tasks, batch(database) as work:
        await fold_events(work, [merged(user(1), user(2))])
        tasks.create_task(take(database, [order(2, "A-3", 30_00), view("/", user(2))]))
        assert await eventually(lambda: waits_for_a_lock(database), bool)

    [found] = (await dump(database)).values()
    assert found["profile"][3:5] == (3, {"USD": 60_00})
    assert found["counts"] == [("page", "/", 1)]


async def test_a_service_fact_that_waited_for_a_merge_goes_to_the_survivor(database: Database) -> None:
    await take(database, [view("/", user(1), at=NOON), view("/", user(2), at=NOON + days(1))])
    facts = await published(database, topics.PROFILE_EVENTS)
    fact = event(PageViewed(path="/sent"), profile_id=facts[1].profile_id, source_kind=SourceKind.SERVICE)

    async with asyncio.TaskGroup() as tasks, batch(database) as work:
        await fold_events(work, [merged(user(1), user(2))])
        tasks.create_task(take(database, [fact]))
        assert await eventually(lambda: waits_for_a_lock(database), bool)

    [found] = (await dump(database)).values()
    assert ("page", "/sent", 1) in found["counts"]


async def test_the_same_event_in_two_batches_at_once_is_folded_once(database: Database) -> None:
    shared = view("/", user(1))

    async with asyncio.TaskGroup() as tasks, batch(database) as work:
        await fold_events(work, [shared])
        tasks.create_task(take(database, [shared, view("/", user(1))]))
        assert await eventually(lambda: waits_for_a_lock(database), bool)

    [found] = (await dump(database)).values()
    assert found["counts"] == [("page", "/", 2)]


@pytest.mark.parametrize("seed", range(3))
async def test_many_batches_at_once_give_what_one_after_the_other_would(database: Database, seed: int) -> None:
    chance = random.Random(100 + seed)
    events = some_events(chance, 120)
    await take(database, events)
    expected = await dump(database)
    await empty(database)

    chance.shuffle(events)
    async with asyncio.TaskGroup() as tasks:
        for start in range(6):
            tasks.create_task(take(database, events[start::6]))

    assert await dump(database) == expected


async def test_a_browsers_flood_of_names_leaves_a_small_state_and_is_counted(database: Database) -> None:
    visitor = Identity(Namespace.ANONYMOUS_ID, "a-1")
    flood = [
        event(
            CustomerIdentified(traits={f"n{number}.{name}": "x" * 500 for name in range(20)}),
            visitor,
            at=NOON + timedelta(seconds=number),
            source_kind=SourceKind.PUBLIC,
        )
        for number in range(50)
    ]
    public = metrics.profile_left_out.labels("public")
    before = public._value.get()
    for part in (flood[:1], flood[1:], flood):
        await take(database, part)

    assert public._value.get() - before == 50 * 20 - MAX_PUBLIC_TRAITS
    async with database.work() as work:
        row = await work.row("SELECT octet_length(state::text) AS bytes FROM profiles")
        shown = await read.profile(work, await read.resolve(work, "anonymous_id:a-1"))
    assert row is not None
    assert row.bytes < 100_000
    assert len(shown["traits"]) == MAX_PUBLIC_TRAITS


async def test_a_customer_of_many_devices_is_found_by_each_though_not_all_are_kept_in_the_state(
    database: Database,
) -> None:
    ids = [Identity(Namespace.ANONYMOUS_ID, f"a-{number:03}") for number in range(MAX_ANONYMOUS_IDS + 20)]
    await take(database, [event(PageViewed(), user(1), one) for one in ids])

    async with database.work() as work:
        customer = await read.resolve(work, "user_id:1")
        assert len((await read.profile(work, customer))["identities"]["anonymous_id"]) == MAX_ANONYMOUS_IDS
        assert {await read.resolve(work, str(one)) for one in ids} == {customer}


async def test_an_answer_for_a_profile_that_is_none_is_not_held_against_the_service_that_passed_it_on(
    database: Database,
) -> None:
    """Else one customer whom profile does not know could have everybody's answers blocked."""
    answer = event(FeedbackSubmitted(survey="nps", rating=9), profile_id=uuid4(), source_kind=SourceKind.SERVICE)
    with pytest.raises(Refused, match="is not a profile") as refused:
        await take(database, [answer])
    assert refused.value.unattributed
