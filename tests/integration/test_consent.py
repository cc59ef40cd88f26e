"""Consent from the event that says it to what campaign goes by, on real PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.profile.service import read
from services.profile.service import rebuild as rebuilding
from shared.contracts import topics
from shared.contracts.changes import ConfirmationRequested, ProfileChanged
from shared.contracts.context import Context
from shared.contracts.envelope import SourceKind
from shared.contracts.events import ConsentChanged, CustomerIdentified
from shared.contracts.identity import Identity, Namespace
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_profile_service import published, take
from tests.support.events import NOON, days, event, user

ANN = user("ann")
MAIL = Identity(Namespace.EMAIL, "ann@example.com")


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of profile."""
    made = Database(await database_factory("profile"), application="test", clock=SystemClock())
    yield made
    await made.close()


async def consents(database: Database, ref: str) -> list[dict[str, Any]]:
    async with database.work() as work:
        return await read.consents(work, await read.resolve(work, ref))


async def test_consent_is_told_with_its_time_its_source_and_its_evidence(database: Database) -> None:
    given = event(ConsentChanged(channel="email", granted=True, evidence={"form": "footer"}), ANN)
    before = event(CustomerIdentified(consent={"sms": True}), ANN)
    withdrawn = event(ConsentChanged(channel="email", purpose="newsletter", granted=False), ANN, at=NOON + days(1))
    await take(database, [withdrawn, given, before])

    found = await consents(database, "user_id:ann")

    shown = [(one["channel"], one["purpose"], one["state"], one["changed_at"], one["evidence"]) for one in found]
    assert shown == [
        ("email", "marketing", "granted", NOON, {"form": "footer"}),
        ("email", "newsletter", "withdrawn", NOON + days(1), {}),
        ("sms", "marketing", "granted", NOON, {}),
    ]
    assert [one["event_id"] for one in found] == [given.event_id, withdrawn.event_id, before.event_id]
    assert {(one["source_id"], one["source_kind"]) for one in found} == {(given.source_id, "server")}


async def test_a_change_tells_all_consent_and_by_channel_alone_that_to_marketing(database: Database) -> None:
    await take(
        database,
        [
            event(ConsentChanged(channel="email", granted=True), ANN),
            event(ConsentChanged(channel="email", purpose="newsletter", granted=False), ANN),
        ],
    )
    [changed] = [one.body for one in await published(database, topics.PROFILES)]
    assert isinstance(changed, ProfileChanged)
    assert changed.consent == {"email": True}
    assert changed.consents is not None
    assert [(one.channel, one.purpose, one.granted) for one in changed.consents] == [
        ("email", "marketing", True),
        ("email", "newsletter", False),
    ]


async def test_a_rebuild_makes_the_same_of_consent(database: Database) -> None:
    await take(
        database,
        [
            event(ConsentChanged(channel="email", granted=True), ANN, MAIL),
            event(ConsentChanged(channel="email", granted=False), MAIL, at=NOON + days(1)),
        ],
    )
    before = await consents(database, "user_id:ann")
    async with database.work() as work:
        await work.run("UPDATE profiles SET state = '{\"events\": 1}'")
    async with database.work() as work:
        await rebuilding.mend_profiles(work, rebuilding.NOBODY)
    assert await consents(database, "user_id:ann") == before != []


async def test_a_stored_state_of_before_reads_on_as_consent_to_marketing(database: Database) -> None:
    """As the release before wrote it: two moments, by channel."""
    await take(database, [event(CustomerIdentified(), ANN)])
    old = {"user_id:ann": {"email": [NOON, None], "sms": [None, NOON]}}
    async with database.work() as work:
        await work.run(
            "UPDATE profiles SET state = state || jsonb_build_object('permissions', CAST(:old AS jsonb))",
            old=msgspec.json.encode(old).decode(),
        )
    assert [
        (one["channel"], one["purpose"], one["state"], one["event_id"])
        for one in await consents(database, "user_id:ann")
    ] == [
        ("email", "marketing", "granted", None),
        ("sms", "marketing", "withdrawn", None),
    ]
    await take(database, [event(ConsentChanged(channel="sms", granted=True), ANN, at=NOON + days(1))])
    assert {one["channel"]: one["state"] for one in await consents(database, "user_id:ann")} == {
        "email": "granted",
        "sms": "granted",
    }


async def test_what_a_visitor_agrees_to_is_asked_for_once_and_changes_nothing_yet(database: Database) -> None:
    visitor = Identity(Namespace.ANONYMOUS_ID, "a-1")
    body = ConsentChanged(channel="email", purpose="newsletter", granted=True, confirm_at="ann@example.com")
    agreed = event(body, visitor, source_kind=SourceKind.PUBLIC, unverified=True, context=Context(locale="zh-CN"))
    await take(database, [agreed])
    await take(database, [agreed])

    found = await published(database, topics.PROFILES)
    [asked] = [one for one in found if isinstance(one.body, ConfirmationRequested)]
    assert isinstance(asked.body, ConfirmationRequested)
    request = (asked.body.address, asked.body.channel, asked.body.purpose, asked.body.language, asked.body.requested_by)
    assert request == ("ann@example.com", "email", "newsletter", "zh-CN", agreed.event_id)
    assert await consents(database, "anonymous_id:a-1") == []


async def test_what_a_mailbox_confirms_is_consent_of_whoever_has_it_and_an_unsubscribe_is_lifted_by_a_later_yes(
    database: Database,
) -> None:
    visitor = Identity(Namespace.ANONYMOUS_ID, "a-1")
    body = ConsentChanged(channel="email", granted=True, confirm_at=MAIL.value)
    await take(database, [event(body, visitor, source_kind=SourceKind.PUBLIC, unverified=True)])
    by_link = {"source_kind": SourceKind.SERVICE}
    await take(database, [event(ConsentChanged(channel="email", granted=True), MAIL, at=NOON + days(1), **by_link)])
    assert [one["state"] for one in await consents(database, f"email:{MAIL.value}")] == ["granted"]
    async with database.work() as work:
        mailbox = await read.resolve(work, f"email:{MAIL.value}")
        assert await read.resolve(work, "anonymous_id:a-1") != mailbox

    end = ConsentChanged(channel="email", granted=False)
    await take(database, [event(end, MAIL, at=NOON + days(2), profile_id=mailbox, **by_link)])
    assert [one["state"] for one in await consents(database, f"email:{MAIL.value}")] == ["withdrawn"]
    await take(database, [event(CustomerIdentified(), ANN, MAIL, at=NOON + days(3))])
    await take(database, [event(ConsentChanged(channel="email", granted=True), ANN, at=NOON + days(4))])
    assert [one["state"] for one in await consents(database, "user_id:ann")] == ["granted"]
