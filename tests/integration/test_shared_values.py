"""Values that many customers give, on real PostgreSQL: they link nobody, and operators see them."""

import random
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import pytest

from services.profile.domain.meeting import SHARED
from services.profile.service import read
from services.profile.service.fold import fold_events
from shared.contracts import topics
from shared.contracts.changes import ProfileChanged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import CustomerIdentified, PageViewed
from shared.contracts.identity import Identity, Namespace
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_profile_service import batch, empty, published
from tests.support.events import NOON, days, event, user

TILL: Final = Identity(Namespace.PHONE, "+4930901820")
LIMITS: Final = {Namespace.PHONE: 3, Namespace.EMAIL: 3}


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of profile."""
    made = Database(await database_factory("profile"), application="test", clock=SystemClock())
    yield made
    await made.close()


def mail(name: str) -> Identity:
    return Identity(Namespace.EMAIL, f"{name}@example.com")


def seen(*named: Identity, **changes: Any) -> Event:
    return event(PageViewed(path="/"), *named, at=NOON, **changes)


async def take(database: Database, *events: Event) -> None:
    async with batch(database) as work:
        await fold_events(work, events, limits=LIMITS)


async def shared(database: Database, **page: Any) -> Sequence[dict[str, Any]]:
    async with database.work() as work:
        return await read.shared_values(work, **{"after": None, "limit": 50, **page})


async def owner(database: Database, identity: Identity) -> Any:
    async with database.work() as work:
        return await read.resolve(work, str(identity))


async def test_a_number_that_many_users_give_links_no_guest_and_is_listed(database: Database) -> None:
    for number in range(5):
        await take(database, seen(user(number), TILL))
    await take(database, seen(user(0), TILL), seen(user(1), TILL))
    await take(database, seen(user(7), mail("family")), seen(user(8), mail("family")))
    stranger = seen(user("x"), Identity(Namespace.ANONYMOUS_ID, "a"), source_kind=SourceKind.PUBLIC)
    await take(database, seen(user(9), Identity(Namespace.ANONYMOUS_ID, "a")), stranger)
    before = await shared(database)
    await take(database, seen(mail("guest"), TILL))

    assert [(one["namespace"], one["value"], one["customers"], one["blocked"]) for one in before] == [
        ("phone", TILL.value, 4, False),
        ("email", "family@example.com", 1, False),
    ]
    first = await owner(database, user(0))
    assert before[0]["owner_id"] == first
    assert await owner(database, mail("guest")) != first
    [listed, _] = await shared(database)
    assert (listed["customers"], listed["blocked"], SHARED in listed["reasons"]) == (5, True, True)


async def test_guests_who_give_one_number_are_apart_beyond_its_limit_and_pages_follow_each_other(
    database: Database,
) -> None:
    await take(database, *(seen(mail(f"guest{one}"), TILL) for one in range(9)))
    await take(database, seen(user(1), mail("a")), seen(user(2), mail("a")), seen(user(1), mail("b")))
    await take(database, seen(user(2), mail("b")))

    assert len({await owner(database, mail(f"guest{one}")) for one in range(9)}) == 7
    everything = await shared(database)
    assert [(one["value"], one["customers"], one["blocked"]) for one in everything] == [
        (TILL.value, 6, True),
        ("a@example.com", 1, False),
        ("b@example.com", 1, False),
    ]
    paged: list[dict[str, Any]] = []
    while page := await shared(
        database,
        after=(paged[-1]["customers"], paged[-1]["namespace"], paged[-1]["value"]) if paged else None,
        limit=1,
    ):
        paged += page
    assert paged == everything


async def test_readers_are_told_the_changed_address_first(database: Database) -> None:
    old, new = mail("a-old"), mail("z-new")
    await take(database, event(CustomerIdentified(traits={"email": old.value}), user(1), old, at=NOON))
    await take(database, event(CustomerIdentified(traits={"email": new.value}), user(1), new, at=NOON + days(1)))
    await take(database, seen(user(1), old))

    change = (await published(database, topics.PROFILES))[-1].body
    assert isinstance(change, ProfileChanged)
    assert [one.value for one in change.contact_points or ()] == [new.value, old.value]


async def partition(database: Database) -> set[frozenset[str]]:
    """The identities of each profile."""
    async with database.work() as work:
        rows = await work.rows(
            """
            SELECT array_agg(i.namespace || ':' || i.value) AS names
              FROM identities i
              LEFT JOIN profile_aliases a USING (profile_id)
             WHERE i.profile_id IS NOT NULL
             GROUP BY coalesce(a.canonical_id, i.profile_id)
            """
        )
    return {frozenset(row.names) for row in rows}


async def test_limits_bite_alike_whether_events_come_in_one_batch_or_in_many(database: Database) -> None:
    """What a batch has to look up is what it would have kept in memory."""
    draw = random.Random(48)
    people = [
        *(user(one) for one in range(4)),
        *(mail(f"m{one}") for one in range(5)),
        *(Identity(Namespace.PHONE, f"+49309018{one:02}") for one in range(2)),
    ]
    tight = dict.fromkeys((Namespace.EMAIL, Namespace.PHONE), 1)
    for _ in range(6):
        events = [seen(*draw.sample(people, draw.choice((2, 2, 3)))) for _ in range(14)]
        found = []
        for size in (len(events), 1, 4):
            await empty(database)
            for start in range(0, len(events), size):
                async with batch(database) as work:
                    await fold_events(work, events[start : start + size], limits=tight)
            found.append(await partition(database))
        assert found[0] == found[1] == found[2]
