"""What public keys joined before it was kept who says so is listed, and nothing else."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.profile import commands
from services.profile.settings import ProfileSettings
from shared.contracts.envelope import Event
from shared.contracts.events import CustomerIdentified
from shared.contracts.identity import Identity, Namespace
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_identity_trust import (
    BROWSER,
    OTHER_MAIL,
    VICTIM,
    VICTIMS_MAIL,
    browsed,
    by_server,
    profile_of,
)
from tests.integration.test_profile_service import merged, take
from tests.support.events import SECRET, event, user


@pytest.fixture
async def url(database_factory: DatabaseFactory) -> str:
    """A database of profile."""
    return await database_factory("profile")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """The same, to work in."""
    made = Database(url, application="test", clock=SystemClock())
    yield made
    await made.close()


async def listed(url: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What the command prints."""
    settings = ProfileSettings(
        database_url=url, kafka_bootstrap="nowhere:9092", partition_secret=SECRET.decode(), http_port=8002
    )
    assert await commands.identity(settings, ["suspects"]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out), delimiter="\t"))


async def old_line(
    database: Database, kind: str, profile_id: UUID, cause: Event, identity: Identity | None = None
) -> UUID:
    """A line of the log as it was written before it was kept who made it; for a merge, who is gone."""
    other = uuid4()
    async with database.work() as work:
        await work.run(
            """
            INSERT INTO identity_log (at, kind, profile_id, other_id, namespace, value, event_id, rule_version, reason)
            VALUES (:at, :kind, :profile_id, :other_id, :namespace, :value, :event_id, 1, '')
            """,
            at=cause.received_at,
            kind=kind,
            profile_id=profile_id,
            other_id=other if kind == "merge" else None,
            namespace=identity.namespace.value if identity else None,
            value=identity.value if identity else None,
            event_id=cause.event_id,
        )
    return other


async def forget_who(database: Database) -> None:
    """Makes the log what it was before."""
    async with database.work() as work:
        await work.run("UPDATE identity_log SET provenance = NULL, rule_version = 1")


async def test_a_merge_by_a_public_key_is_listed_and_one_by_a_server_is_not(
    database: Database, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    public, server = browsed(VICTIM), by_server(VICTIM)
    await take(database, [by_server(VICTIM, VICTIMS_MAIL), public, server])
    victim = (await profile_of(database, "user_id:V"))["id"]
    gone = await old_line(database, "merge", victim, public)
    await old_line(database, "merge", victim, server)

    assert [
        (one["kind"], one["profile_id"], one["other_id"], one["event_id"]) for one in await listed(url, capsys)
    ] == [("merge", str(victim), str(gone), str(public.event_id))]


async def test_a_user_id_that_only_a_public_key_gave_to_a_guest_is_listed(
    database: Database, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    public = browsed(BROWSER)
    await take(database, [by_server(OTHER_MAIL, BROWSER), public, by_server(VICTIM, VICTIMS_MAIL)])
    guest = (await profile_of(database, f"email:{OTHER_MAIL.value}"))["id"]
    victim = (await profile_of(database, "user_id:V"))["id"]
    await old_line(database, "link", guest, public, user("future"))
    await old_line(database, "link", victim, public, VICTIM)  # a server has named it with the address since

    assert [(one["kind"], one["profile_id"], one["value"]) for one in await listed(url, capsys)] == [
        ("user_id", str(guest), "future")
    ]


async def test_an_address_that_came_through_a_browser_s_link_is_listed(
    database: Database, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    order = by_server(BROWSER, OTHER_MAIL)
    await take(database, [by_server(VICTIM, VICTIMS_MAIL)])
    await take(database, [browsed(VICTIM, BROWSER)])
    await take(database, [order])
    await forget_who(database)
    victim = (await profile_of(database, "user_id:V"))["id"]
    assert await listed(url, capsys) == []
    async with database.work() as work:
        await work.run("UPDATE identity_log SET profile_id = :id WHERE value = :mail", id=victim, mail=OTHER_MAIL.value)

    assert [(one["kind"], one["profile_id"], one["value"]) for one in await listed(url, capsys)] == [
        ("contact", str(victim), OTHER_MAIL.value)
    ]


async def test_several_user_ids_are_listed_unless_an_explicit_merge_joined_them(
    database: Database, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await take(database, [by_server(user("ann"), BROWSER), by_server(user("old")), by_server(user("new"))])
    await take(database, [merged(user("new"), user("old"))])
    ann = (await profile_of(database, "user_id:ann"))["id"]
    assert await listed(url, capsys) == []
    async with database.work() as work:
        await work.run(
            """
            UPDATE profiles SET state = jsonb_set(state, '{identities,user_id}', '["ann", "bo\\tb"]') WHERE id = :id
            """,
            id=ann,
        )

    assert [(one["kind"], one["profile_id"], one["value"]) for one in await listed(url, capsys)] == [
        ("users", str(ann), "ann, bo?b")
    ]


async def test_what_today_s_rules_make_is_no_suspect(
    database: Database, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Identity(Namespace.ANONYMOUS_ID, "B")
    await take(database, [by_server(VICTIM, VICTIMS_MAIL), by_server(BROWSER, OTHER_MAIL), browsed(other, user("new"))])
    await take(database, [browsed(VICTIM, BROWSER), browsed(VICTIM, other), by_server(user("new"), other)])

    assert await listed(url, capsys) == []


async def test_two_shops_that_number_their_customers_alike_are_listed_and_one_shop_of_two_sources_is_not(
    url: str, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(number: str, address: str, source: str) -> Event:
        body = CustomerIdentified()
        return event(body, user(number), Identity(Namespace.EMAIL, address), source_id=source)

    await take(database, [told("7", "ann@example.com", "shop-1"), told("7", "bob@example.com", "shop-2")])
    await take(database, [told("8", "cat@example.com", "shop-1"), told("8", "cat@example.com", "its app")])
    await take(database, [told("8", "cat.new@example.com", "its app"), told("9", "dan@example.com", "shop-1")])

    assert [(one["kind"], one["value"]) for one in await listed(url, capsys)] == [("shops", "7")]
