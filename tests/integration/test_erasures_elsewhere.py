"""Campaign and feedback delete what they keep of an erased customer, and nothing that comes late brings it back."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import Boolean, Column, DateTime, Integer, LargeBinary, MetaData, Numeric, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSON, JSONB

from services.campaign.models import Base as OfCampaign
from services.campaign.repository import erasures as rows
from services.campaign.repository import suppressions
from services.campaign.service import changes, contacts, erasing
from services.feedback import repository
from services.feedback import service as feedback
from services.feedback.models import Base as OfFeedback
from shared.contracts.changes import (
    ContactPoint,
    ProfileChanged,
    ProfileErased,
    ProfileMerged,
    ProfileSplit,
    SegmentEntered,
)
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import FeedbackSubmitted, OrderPlaced
from shared.database import aliases
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.applications import asking, build, token
from tests.support.events import NOON, event, user

ANN: Final = UUID("0190a0b0-0000-7000-8000-00000000000a")
BOB: Final = UUID("0190a0b0-0000-7000-8000-00000000000b")
FORMER: Final = UUID("0190a0b0-0000-7000-8000-00000000000c")
SECRET: Final = b"a secret of a test, long enough"
CANARY: Final = "canary@example.com"
# Of definitions and of what became of a message, not of a customer; of coupons the name, too.
NOT_OF_CUSTOMERS: Final = {
    *("journey_id", "segment_id", "broadcast_id", "trigger_id", "step", "kind", "code", "channel", "outcome"),
    *("state", "gate_channel", "gate_purpose", "gate_template", "survey", "occasion", "status"),
}
STATE_OF_A_MESSAGE: Final = "sent"


@pytest.fixture
async def campaign(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of campaign."""
    made = Database(await database_factory("campaign"), application="test", clock=SystemClock())
    yield made
    await made.close()


@pytest.fixture
async def answers(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of feedback."""
    made = Database(await database_factory("feedback"), application="test", clock=SystemClock())
    yield made
    await made.close()


def told(body: Any, profile_id: UUID) -> Event:
    return event(body, source_kind=SourceKind.SERVICE, profile_id=profile_id)


def changed(profile_id: UUID, version: int = 1, mail: str = CANARY) -> Event:
    return told(
        ProfileChanged(
            profile_id=profile_id,
            version=version,
            first_seen=NOON,
            last_seen=NOON,
            contact_points=(ContactPoint(namespace="email", value=mail, verified=True),),
        ),
        profile_id,
    )


def value_of(column: "Column[Any]", profile_id: UUID) -> Any:
    """Something that fits a column: a canary, wherever a customer's own words could stand."""
    match column.type:
        case Uuid():
            return profile_id if column.name == "profile_id" else uuid4()
        case DateTime():
            return NOON
        case Boolean():
            return True
        case LargeBinary():
            return CANARY.encode()
        case JSONB() | JSON():
            return [] if column.name == "facts" else {"of": "nobody"}
        case Text():
            if column.name == "code":
                return f"of {profile_id}"[:20] if profile_id == BOB else "of nobody"
            if column.name in NOT_OF_CUSTOMERS or (column.table.name, column.name) == ("coupons", "name"):
                return column.name
            return f"{column.name}: {CANARY}"
        case Numeric() | Integer():
            return int(profile_id == BOB)
    raise AssertionError(column)


async def fill(database: Database, table: Table, profile_id: UUID, **own: Any) -> dict[str, Any]:
    """Adds a row of a customer to a table."""
    values = {one.name: value_of(one, profile_id) for one in table.columns} | own
    async with database.work() as work:
        await work.connection.execute(table.insert().values(values))
    return values


async def tables_with(database: Database, metadata: MetaData, word: str) -> set[str]:
    found: set[str] = set()
    async with database.work() as work:
        for name in metadata.tables:
            text = f"SELECT 1 FROM {name} AS t WHERE CAST(to_jsonb(t) AS text) LIKE :word LIMIT 1"
            if name not in ("outbox", "published") and await work.rows(text, word=f"%{word}%"):
                found.add(name)
    return found


async def test_in_campaign_no_table_holds_anything_of_a_customer_who_was_erased_and_figures_stay(
    campaign: Database,
) -> None:
    """A row in every table that has a customer's id: who adds a table learns of erasures here."""
    tables = [one for one in OfCampaign.metadata.sorted_tables if "profile_id" in one.columns]
    tables = [one for one in tables if one.name not in ("erasures", "profile_aliases")]
    assert {one.name for one in tables} == {"contacts", *rows.DELETED, *rows.KEPT}
    for customer in (ANN, BOB):
        for table in tables:
            own = {"state": STATE_OF_A_MESSAGE} if table.name == "messages" else {}
            made = await fill(campaign, table, customer, **own)
            if table.name == "messages" and customer == ANN:
                await fill(campaign, OfCampaign.metadata.tables["sent_copies"], ANN, message_id=made["id"])
            if table.name == "runs" and customer == ANN:
                await fill(campaign, OfCampaign.metadata.tables["run_steps"], ANN, run_id=made["id"])
    await fill(campaign, OfCampaign.metadata.tables["messages"], ANN, state="pending", trigger_id="another")
    assert await tables_with(campaign, OfCampaign.metadata, CANARY) >= {
        "contacts",
        "messages",
        "sent_copies",
        "run_steps",
    }
    async with campaign.work() as work:
        await work.run("UPDATE contacts SET email = 'bob@example.com' WHERE profile_id = :bob", bob=BOB)
        bobs = {one.name: await work.rows(f"SELECT * FROM {one.name} WHERE profile_id = :id", id=BOB) for one in tables}

    async with campaign.work() as work:
        await erasing.erase(work, [told(ProfileErased(profile_id=ANN), ANN)], partition_secret=SECRET)

    assert await tables_with(campaign, OfCampaign.metadata, str(ANN)) == {"erasures"}
    async with campaign.work() as work:
        for table in tables:
            left = await work.rows(f"SELECT * FROM {table.name}")
            assert [row for row in left if row.profile_id == BOB] == bobs[table.name]
            assert len(left) == (2 if table.name in rows.KEPT else 1), table.name
            words = [str(row) for row in left if row.profile_id != BOB]
            assert not [one for one in words if CANARY in one], table.name
        assert not await work.rows("SELECT 1 FROM sent_copies UNION ALL SELECT 1 FROM run_steps")


async def test_what_comes_late_of_an_erased_customer_brings_nothing_back(campaign: Database, answers: Database) -> None:
    """Another topic is read later, and a repeat comes again: under the id, and under one that was merged into it."""
    erased = [told(ProfileErased(profile_id=ANN), ANN)]
    async with campaign.work() as work:
        await contacts.note(work, [changed(ANN), told(ProfileMerged(loser=FORMER, survivor=ANN, verified=True), ANN)])
        await erasing.erase(work, erased, partition_secret=SECRET)
    entered = SegmentEntered(
        profile_id=FORMER, segment_id="vip", name="VIP", segment_version=1, version=9, reason="entered", cause="event"
    )
    late = [changed(ANN, version=7), changed(FORMER, version=8)]
    async with campaign.work() as work:
        await contacts.follow(work, late, partition_secret=SECRET)
        await changes.note(work, [told(entered, FORMER)])
        assert not await work.rows("SELECT profile_id FROM contacts UNION ALL SELECT profile_id FROM memberships")

    order = OrderPlaced(order_id="A-1", currency="USD", total_minor=1_00)
    async with answers.work() as work:
        await feedback.erase(work, erased)
    async with answers.work() as work:
        await feedback.note_orders(work, [told(order, ANN)])
        await feedback.on_feedback_submitted(work, [told(FeedbackSubmitted(survey="nps", rating=9), ANN)])
        assert not await work.rows("SELECT profile_id FROM responses UNION ALL SELECT profile_id FROM customer_orders")


async def test_an_erased_customers_suppressed_address_is_kept_as_a_hash_and_counts_when_they_are_back(
    campaign: Database,
) -> None:
    async with campaign.work() as work:
        await contacts.note(work, [changed(ANN)])
        await suppressions.suppress(work, uuid4(), "email", CANARY, reason=f"bounced: no mailbox {CANARY}")
        await erasing.erase(work, [told(ProfileErased(profile_id=ANN), ANN)], partition_secret=SECRET)
    assert await tables_with(campaign, OfCampaign.metadata, CANARY) == set()
    async with campaign.work() as work:
        (kept,) = await work.rows("SELECT address, reason FROM suppressions")
    assert (kept.address, kept.reason) == (erasing.hash_of("email", CANARY, secret=SECRET), "bounced")

    async with campaign.work() as work:
        await contacts.follow(work, [changed(BOB)], partition_secret=SECRET)
        assert await suppressions.suppressed(work, "email", [CANARY]) == {CANARY}


async def test_in_feedback_ratings_stay_as_nobodys_and_words_names_and_orders_go(answers: Database) -> None:
    said = FeedbackSubmitted(survey="nps", rating=2, text=f"write to {CANARY}", order_id="A-1")
    order = OrderPlaced(order_id="A-1", currency="USD", total_minor=1_00)
    async with answers.work() as work:
        await feedback.note_orders(work, [event(order, user(CANARY), profile_id=ANN)])
        await feedback.on_feedback_submitted(work, [event(said, user(CANARY), profile_id=ANN)])
        await work.run("UPDATE cases SET note = :note", note=f"called {CANARY}")
    assert await tables_with(answers, OfFeedback.metadata, CANARY) >= {"responses", "cases"}

    async with answers.work() as work:
        await feedback.erase(work, [told(ProfileErased(profile_id=ANN), ANN)])

    assert await tables_with(answers, OfFeedback.metadata, CANARY) == set()
    assert await tables_with(answers, OfFeedback.metadata, str(ANN)) == {"erasures"}
    assert await tables_with(answers, OfFeedback.metadata, "A-1") == set()
    async with answers.work() as work:
        assert await repository.ratings(work, "nps", since=NOON, until=NOON + timedelta(days=1)) == {2: 1}


async def test_who_was_separated_stands_for_themselves_again(campaign: Database, answers: Database) -> None:
    merged = told(ProfileMerged(loser=BOB, survivor=ANN, verified=True), ANN)
    parted = told(ProfileSplit(profile_id=ANN, separated=BOB, at=NOON), BOB)
    async with campaign.work() as work:
        await contacts.follow(work, [merged], partition_secret=SECRET)
        await contacts.part(work, [parted])
        await contacts.follow(work, [changed(BOB, version=9)], partition_secret=SECRET)
        assert await aliases.canonical(work, [BOB]) == {BOB: BOB}
        assert len(await work.rows("SELECT 1 FROM contacts WHERE profile_id = :id", id=BOB)) == 1
    async with answers.work() as work:
        await feedback.follow_merges(work, [merged])
        await feedback.follow_splits(work, [parted])
        assert await aliases.canonical(work, [BOB]) == {BOB: BOB}


async def test_a_service_tells_all_that_it_keeps_of_a_customer_and_nothing_of_another(campaign: Database) -> None:
    """Every table that has a customer's id, whichever there are, under an id that was merged into theirs, too."""
    tables = {name: one for name, one in OfCampaign.metadata.tables.items() if "profile_id" in one.columns}
    for name in ("erasures", "profile_aliases"):
        del tables[name]
    for name, table in tables.items():
        for customer in (ANN, BOB):
            made = await fill(campaign, table, customer)
            part = {"runs": ("run_steps", "run_id"), "messages": ("sent_copies", "message_id")}.get(name)
            if part is not None:
                await fill(campaign, OfCampaign.metadata.tables[part[0]], customer, **{part[1]: made["id"]})
    async with campaign.work() as work:
        await aliases.note_merges(work, [aliases.Merge(FORMER, ANN, True)])
    many = 2_100  # more than two pages
    async with campaign.work() as work:
        await work.run(
            """
            INSERT INTO memberships (segment_id, profile_id, version, segment_version, member)
            SELECT CAST(n AS text), :former, 1, 1, true FROM generate_series(1, :many) AS n
            """,
            former=FORMER,
            many=many,
        )
    service = build("campaign", campaign.engine.url.render_as_string(hide_password=False))
    async with asking(service, token(scope="campaign:admin")) as client:
        answer = await client.get(f"/v1/customer-data/{FORMER}")
        nobody = await client.get(f"/v1/customer-data/{uuid4()}")
        without = await client.get(f"/v1/customer-data/{ANN}", headers=token(scope="campaign:write"))
    first, *lines, last = [json.loads(line) for line in answer.text.splitlines()]
    assert first == {"service": "campaign", "profile_ids": [str(ANN), str(FORMER)]}
    assert last == {"end": len(lines)}
    assert Counter(one["table"] for one in lines) == Counter([*tables, "run_steps", "sent_copies"]) + Counter(
        memberships=many
    )
    assert {one["row"].get("profile_id", str(ANN)) for one in lines} == {str(ANN), str(FORMER)}
    assert json.loads(nobody.text.splitlines()[-1]) == {"end": 0}
    assert without.status_code == httpx2.codes.FORBIDDEN
