"""What is told of a condition on real PostgreSQL: what can't be, what nobody has seen, and what would have been."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.segment.domain.conditions.document import InvalidCondition
from services.segment.service import intake, segments
from services.segment.service.dry_run import InvalidPeriod, dry_run
from shared.contracts.events import CustomEvent, ProductViewed, TagSet
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.integration.test_segments import ANN, BOB, MARKETER, ORDERED, at, changed, fact, fold, meet, placed
from tests.support.databases import Databases
from tests.support.events import NOON, days

VIEWED = {"kind": "did", "event": "product_viewed", "window": {"within": "P7D"}}


@pytest.fixture(scope="module")
async def database(databases: Databases) -> AsyncIterator[Database]:
    """A database of segment with two customers: Ann, who ordered and viewed, and Bob, who is known."""
    name = await databases.take("segment")
    made = Database(databases.url("segment", name), application="test", clock=SystemClock())
    await meet(made, ANN, BOB, now=NOON - days(60))
    await fold(made, placed("A-1", NOON - days(40)), now=NOON - days(40))
    viewed = fact(ProductViewed(sku="T-1", category="tea"), when=NOON - days(5))
    quiz = fact(CustomEvent(name="quiz_done", properties={"score": 3}), when=NOON - days(5))
    await fold(made, viewed, quiz, fact(TagSet(tag="vip"), when=NOON - days(5)), now=NOON - days(5))
    async with at(made) as work:
        await intake.follow(work, [changed(ANN, version=2, traits={"city": "Berlin"}, identities={"email": ["a@b.c"]})])
    yield made
    await made.close()
    await databases.give_back("segment", name)


async def warned(database: Database, *parts: Any) -> list[tuple[str, str]]:
    async with at(database) as work:
        found = await segments.warnings(work, {"kind": "all", "of": list(parts)})
    return [(one.pointer, one.detail) for one in found]


async def test_names_that_were_seen_are_no_cause_for_a_warning(database: Database) -> None:
    assert (
        await warned(
            database,
            ORDERED,
            {**VIEWED, "where": [{"property": "category", "op": "eq", "value": "tea"}]},
            {"kind": "did", "event": "quiz_done"},
            {"kind": "trait", "name": "city", "op": "exists"},
            {"kind": "identity", "namespace": "email", "op": "exists"},
            {"kind": "tag", "name": "vip"},
            {"kind": "stage", "among": ["new"]},
        )
        == []
    )


async def test_names_that_nobody_has_seen_are_told_with_the_nearest(database: Database) -> None:
    found = await warned(
        database,
        {"kind": "did", "event": "quiz_don"},
        {"kind": "did", "event": "order_cancelld"},
        {**VIEWED, "where": [{"property": "categry", "op": "eq", "value": "tea"}]},
        {"kind": "trait", "name": "citi", "op": "exists"},
        {"kind": "tag", "name": "vpi"},
        {"kind": "list", "id": "press"},
        {"kind": "tier", "among": ["golden"]},
        {"kind": "stage", "among": ["loyl"]},
    )

    assert [pointer for pointer, _ in found] == [
        *("/of/0/event", "/of/1/event", "/of/2/where/0/property", "/of/3/name", "/of/4/name", "/of/5/id"),
        *("/of/6/among/0", "/of/7/among/0"),
    ]
    assert [detail.rpartition("did you mean ")[2] for _, detail in found] == [
        *("quiz_done?", "order_cancelled?", "category?", "city?", "vip?", "there is no list press"),
        *("gold?", "loyal?"),
    ]


async def test_what_nobody_could_meet_is_neither_saved_nor_previewed(database: Database) -> None:
    never = {"kind": "all", "of": [VIEWED, {"kind": "not", "of": {**VIEWED, "window": {"within": "P30D"}}}]}
    with pytest.raises(InvalidCondition) as refused:
        async with at(database) as work:
            await segments.create(work, "never", name="Never", description="", document=never, by=MARKETER)
    with pytest.raises(InvalidCondition):
        async with at(database) as work:
            await segments.preview(work, never)

    assert [one["at"] for one in refused.value.errors] == ["/of/0", "/of/1/of"]


async def test_a_dry_run_says_who_would_have_entered_and_left_and_when(database: Database) -> None:
    async with at(database) as work:
        found = await dry_run(work, ORDERED, start=NOON - days(50))
        now = await segments.evaluate(work, ORDERED, [ANN, BOB])

    entered, left = NOON - days(40), NOON - days(10)
    assert {one: list(replayed.entries()) for one, replayed in found.replayed.items()} == {
        ANN: [(entered, True), (left, False)],
        BOB: [],
    }
    assert {one: replayed.member for one, replayed in found.replayed.items()} == now
    changes = {day: (one.entered, one.left, one.size) for day, one in found.days.items() if one.entered or one.left}
    assert changes == {entered.date(): (1, 0, 1), left.date(): (0, 1, 0)}
    assert len(found.days) == 51
    assert found.next is None


async def test_a_dry_run_counts_for_ever_as_it_was_then(database: Database) -> None:
    ever = {"kind": "did", "event": "quiz_done"}
    async with at(database) as work:
        found = await dry_run(work, ever, profile_ids=[ANN])
        sampled = await dry_run(work, ever, sample=100)

    assert list(found.replayed[ANN].entries()) == [(NOON - days(5), True)]
    assert sampled.replayed == {**found.replayed, BOB: sampled.replayed[BOB]}


async def test_a_dry_run_goes_on_where_its_time_ended(database: Database) -> None:
    looked_at: list[UUID] = []
    after = None
    for _ in range(3):
        async with at(database) as work:
            found = await dry_run(work, ORDERED, after=after, batch=1, seconds=0.0)
        looked_at += found.replayed
        after = found.next
        if after is None:
            break

    assert looked_at == [ANN, BOB]
    assert after is None


@pytest.mark.parametrize(
    ("start", "until", "message"),
    [
        (NOON, NOON - timedelta(days=1), "earlier than until"),
        (NOON - timedelta(days=1), NOON + timedelta(days=1), "future"),
        (NOON - timedelta(days=731), NOON, "or later"),
    ],
)
async def test_a_period_that_histories_do_not_have_is_refused(
    database: Database, start: Any, until: Any, message: str
) -> None:
    with pytest.raises(InvalidPeriod, match=message):
        async with at(database) as work:
            await dry_run(work, ORDERED, start=start, until=until)
