"""Who says so counts: nobody becomes another customer, reads another's data or gets another's mail by a public key."""

import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from services.campaign.repository import contacts as campaign_contacts
from services.campaign.service import contacts as campaign
from services.profile.service import read
from services.profile.service import rebuild as rebuilding
from shared.contracts import topics
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import CustomerIdentified, FeedbackSubmitted, PageViewed
from shared.contracts.identity import Identity, Namespace
from shared.database import aliases
from shared.database.database import Database
from shared.errors import Forbidden
from shared.http import require_customer_or
from shared.http.auth import Principal
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_profile_service import merged, published, take
from tests.support.events import NOON, days, event, user

VICTIM, ATTACKER = user("V"), user("ATT")
BROWSER = Identity(Namespace.ANONYMOUS_ID, "A")
VICTIMS_MAIL = Identity(Namespace.EMAIL, "victim@example.com")
OTHER_MAIL = Identity(Namespace.EMAIL, "0att@example.net")


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of profile."""
    made = Database(await database_factory("profile"), application="test", clock=SystemClock())
    yield made
    await made.close()


@pytest.fixture
async def campaign_database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of campaign."""
    made = Database(await database_factory("campaign"), application="test", clock=SystemClock())
    yield made
    await made.close()


def by_server(*named: Identity, consent: bool | None = None, at: float = 0, **traits: Any) -> Event:
    """A server tells of a customer, so many days after noon."""
    consents = {} if consent is None else {"email": consent}
    return event(CustomerIdentified(traits=traits, consent=consents), *named, at=NOON + days(at))


def browsed(*named: Identity, at: float = 0) -> Event:
    """A page view that a public key sent."""
    return event(PageViewed(path="/"), *named, at=NOON + days(at), source_kind=SourceKind.PUBLIC)


async def profile_of(database: Database, ref: str) -> dict[str, Any]:
    async with database.work() as work:
        return await read.profile(work, await read.resolve(work, ref))


async def opens(database: Database, subject: UUID, profile_id: UUID) -> bool:
    """Whether a customer token of this subject reads that profile."""
    caller = Principal(subject=str(subject), scopes=frozenset())
    async with database.work() as work:
        try:
            await require_customer_or("profile:read", caller, work, profile_id)
        except Forbidden:
            return False
    return True


async def contact_in(campaign_database: Database, database: Database, ref: str) -> Any:
    """The contact that campaign makes of all that profile published."""
    changes = await published(database, topics.PROFILES)
    async with campaign_database.work() as work:
        await campaign.follow(work, changes, partition_secret=b"secret")
    async with database.work() as work:
        profile_id = await read.resolve(work, ref)
    async with campaign_database.work() as work:
        customer = (await aliases.canonical(work, [profile_id]))[profile_id]
        return (await campaign_contacts.lock_contacts(work, [customer]))[customer]


async def test_a_guest_does_not_become_the_customer_whom_a_browser_names(
    database: Database, campaign_database: Database
) -> None:
    await take(
        database, [by_server(VICTIM, VICTIMS_MAIL, consent=True), by_server(BROWSER, OTHER_MAIL, consent=True, at=1)]
    )
    victim = (await profile_of(database, "user_id:V"))["id"]
    guest = (await profile_of(database, f"email:{OTHER_MAIL.value}"))["id"]
    assert not await opens(database, guest, victim)

    await take(database, [browsed(VICTIM, BROWSER, at=2)])

    assert (await profile_of(database, "user_id:V"))["id"] == victim != guest
    assert (await profile_of(database, f"email:{OTHER_MAIL.value}"))["id"] == guest
    assert not await opens(database, guest, victim)
    assert (await contact_in(campaign_database, database, "user_id:V")).email == VICTIMS_MAIL.value


async def test_an_event_that_names_a_user_goes_to_that_user_and_the_browser_stays_where_it_was(
    database: Database,
) -> None:
    await take(database, [by_server(VICTIM), by_server(BROWSER, OTHER_MAIL)])
    await take(database, [browsed(VICTIM, BROWSER)])

    assert (await profile_of(database, "user_id:V"))["page_views"] == 1
    assert (await profile_of(database, "anonymous_id:A"))["page_views"] == 0


async def test_a_refusal_stays_a_refusal_whatever_a_browser_says(database: Database) -> None:
    await take(database, [by_server(VICTIM, consent=False), by_server(BROWSER, OTHER_MAIL, consent=True, at=1)])
    await take(database, [browsed(VICTIM, BROWSER, at=2)])

    assert (await profile_of(database, "user_id:V"))["consent"] == {"email": False}


async def test_a_merge_by_the_shop_itself_makes_no_yes_of_a_no(database: Database) -> None:
    await take(database, [by_server(VICTIM, consent=False), by_server(OTHER_MAIL, consent=True, at=1)])
    await take(database, [by_server(VICTIM, OTHER_MAIL, at=2)])

    assert (await profile_of(database, f"email:{OTHER_MAIL.value}"))["consent"] == {"email": False}

    await take(database, [by_server(VICTIM, consent=True, at=3)])
    assert (await profile_of(database, "user_id:V"))["consent"] == {"email": True}


async def test_a_server_joins_no_two_users_through_the_link_of_a_browser(database: Database) -> None:
    await take(database, [by_server(VICTIM), by_server(ATTACKER)])
    victim = (await profile_of(database, "user_id:V"))["id"]
    await take(database, [browsed(VICTIM, BROWSER, at=1)])
    await take(database, [by_server(ATTACKER, BROWSER, at=2)])

    attacker = (await profile_of(database, "user_id:ATT"))["id"]
    assert attacker != (await profile_of(database, "user_id:V"))["id"] == victim
    assert not await opens(database, attacker, victim)


async def test_a_guest_s_mail_does_not_reach_a_customer_through_the_link_of_a_browser(
    database: Database, campaign_database: Database
) -> None:
    await take(database, [by_server(VICTIM, VICTIMS_MAIL, consent=False)])
    await take(database, [browsed(VICTIM, BROWSER, at=1)])
    await take(database, [by_server(BROWSER, OTHER_MAIL, consent=True, first_name="Mallory", at=2)])
    await take(database, [by_server(BROWSER, consent=True, first_name="Mallory", at=3)])

    assert (await profile_of(database, "user_id:V"))["consent"] == {"email": False}
    contact = await contact_in(campaign_database, database, "user_id:V")
    assert (contact.email, contact.first_name) == (VICTIMS_MAIL.value, "")


async def test_two_people_at_one_family_computer_stay_two(database: Database) -> None:
    await take(database, [by_server(user("ann"), BROWSER), by_server(user("bob"), BROWSER, at=1)])

    ann, bob = await profile_of(database, "user_id:ann"), await profile_of(database, "user_id:bob")
    assert ann["id"] != bob["id"]
    assert (ann["identities"]["anonymous_id"], bob["identities"].get("anonymous_id")) == (("A",), None)


async def test_two_users_with_one_mail_address_stay_two_whoever_says_so(database: Database) -> None:
    answer = event(PageViewed(), user("bob"), VICTIMS_MAIL, source_kind=SourceKind.SERVICE)
    await take(database, [by_server(user("ann"), VICTIMS_MAIL), answer])

    assert (await profile_of(database, "user_id:ann"))["id"] != (await profile_of(database, "user_id:bob"))["id"]


async def test_a_user_id_is_not_claimed_before_its_owner_is_known(database: Database) -> None:
    await take(database, [by_server(BROWSER, OTHER_MAIL)])
    guest = (await profile_of(database, f"email:{OTHER_MAIL.value}"))["id"]
    await take(database, [browsed(user("future"), BROWSER, at=1), browsed(user("future"), at=2)])
    with pytest.raises(read.UnknownProfile):
        await profile_of(database, "user_id:future")

    await take(database, [by_server(user("future"), VICTIMS_MAIL, at=3)])

    future = await profile_of(database, "user_id:future")
    assert future["id"] != guest
    assert future["identities"] == {"user_id": ("future",), "email": (VICTIMS_MAIL.value,)}
    assert future["events"] == 1
    assert not await opens(database, guest, future["id"])


async def test_a_stranger_s_name_does_not_stand_in_the_shop_s_mail(
    database: Database, campaign_database: Database
) -> None:
    await take(database, [by_server(VICTIM, VICTIMS_MAIL, consent=True)])
    injected = CustomerIdentified(traits={"first_name": "Your account is locked. Unlock it at http://shop.example.net"})
    await take(database, [event(injected, VICTIM, at=NOON + days(1), source_kind=SourceKind.PUBLIC)])
    assert (await contact_in(campaign_database, database, "user_id:V")).first_name == ""

    await take(database, [by_server(VICTIM, first_name="Berta", at=2)])
    assert (await contact_in(campaign_database, database, "user_id:V")).first_name == "Berta"


async def test_an_alias_by_a_server_joins_two_users_and_both_tokens_open_what_they_are_now(database: Database) -> None:
    await take(
        database,
        [by_server(user("old"), OTHER_MAIL, consent=False), by_server(user("new"), VICTIMS_MAIL, consent=True, at=1)],
    )
    old, new = [(await profile_of(database, f"user_id:{name}"))["id"] for name in ("old", "new")]
    await take(database, [merged(user("new"), user("old"), at=NOON + days(2))])

    found = await profile_of(database, "user_id:new")
    assert found["identities"]["user_id"] == ("new", "old")
    assert found["consent"] == {"email": False}
    assert await opens(database, old, new)
    assert await opens(database, new, old)


async def test_the_id_of_a_visitor_opens_no_customer(database: Database) -> None:
    await take(database, [browsed(BROWSER, at=-9)])
    visitor = (await profile_of(database, "anonymous_id:A"))["id"]
    await take(database, [by_server(VICTIM, BROWSER)])

    victim = (await profile_of(database, "user_id:V"))["id"]
    assert (await profile_of(database, str(visitor)))["id"] == victim != visitor
    assert not await opens(database, visitor, victim)
    assert await opens(database, victim, visitor)


async def test_a_mail_goes_to_the_verified_address_and_else_to_the_newest(
    database: Database, campaign_database: Database
) -> None:
    first, second, third = (Identity(Namespace.EMAIL, f"{name}@example.com") for name in "bca")
    answer = event(
        FeedbackSubmitted(survey="nps", rating=9), VICTIM, third, at=NOON + days(9), source_kind=SourceKind.SERVICE
    )
    await take(database, [by_server(VICTIM, first), by_server(VICTIM, second, at=1), answer])
    assert (await contact_in(campaign_database, database, "user_id:V")).email == second.value

    await take(database, [by_server(VICTIM, first, email_verified=True, at=0.5)])
    assert (await contact_in(campaign_database, database, "user_id:V")).email == first.value


async def test_a_refusal_is_written_once_with_who_said_so_and_not_with_each_event(database: Database) -> None:
    await take(database, [by_server(user("ann"), BROWSER), by_server(user("bob"))])
    for number in range(3):
        await take(database, [browsed(user("bob"), BROWSER, at=number), by_server(user("bob"), BROWSER, at=number)])

    async with database.work() as work:
        log = await read.identity_log(work, "user_id:bob", limit=50)
    assert sorted(one.provenance for one in log if one.kind == "refuse") == ["public", "server"]
    assert [one.provenance for one in log if one.kind == "link"] == ["server"]


@pytest.mark.parametrize("seed", range(4))
async def test_a_rebuild_finds_everything_as_servers_and_browsers_made_it(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    for batch in range(12):
        events: list[Event] = []
        for _ in range(chance.choice([1, 4])):
            number = chance.randrange(4)
            names = [user(number), Identity(Namespace.EMAIL, f"{number}@example.com")]
            device = Identity(Namespace.ANONYMOUS_ID, str(chance.randrange(4)))
            named = [*chance.sample(names, chance.choice([0, 1, 2])), device][: chance.choice([1, 3])]
            events.append(
                chance.choice(
                    [
                        by_server(*named, consent=chance.random() < 0.5, at=batch, first_name=f"N{number}"),
                        browsed(*named, device, at=batch),
                        merged(user(number), user(chance.randrange(4)), at=NOON + days(batch)),
                    ]
                )
            )
        await take(database, events)

    async with database.work() as work:
        assert await rebuilding.mend_aliases(work) == 0
        assert await rebuilding.fill_identities(work) == 0
        assert await rebuilding.correct_identities(work) == 0
        _, seen, changed = await rebuilding.mend_profiles(work, rebuilding.NOBODY)
    assert seen > 0
    assert not +changed
