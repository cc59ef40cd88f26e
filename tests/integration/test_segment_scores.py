"""Scores on real PostgreSQL: cut points are taken of the base, and customers are scored by them."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import polars as pl
import pytest

from deploy.demo import cdnow
from services.segment.domain import rfm
from services.segment.domain import scores as domain
from services.segment.domain.scores import ScoreCuts
from services.segment.domain.standing import DEFAULT_POLICY, Purchase, Stage, Standing, standing
from services.segment.repository import scores as stored_scores
from services.segment.repository import standings as repository
from services.segment.service import scores, segments
from services.segment.service import standings as service
from services.segment.worker import Scoring
from shared.contracts.changes import StageChanged
from shared.contracts.envelope import Event
from shared.contracts.events import OrderPlaced
from shared.database import aliases
from shared.database.database import Database, Work
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.integration.test_segment_service import at, published
from tests.integration.test_segments import defined, meet
from tests.support.applications import asking, build, token
from tests.support.events import NOON, days, event
from tests.support.memberships import agree
from tests.support.running import eventually

HOUR: Final = timedelta(hours=1)
ANN: Final = UUID(int=1)


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of segment."""
    made = Database(await database_factory("segment"), application="test", clock=SystemClock())
    yield made
    async with made.work() as work:
        await agree(work)
    await made.close()


def order(customer: UUID, placed_at: datetime, total_minor: int = 10_00) -> Event:
    body = OrderPlaced(order_id=f"{customer.int}/{placed_at.isoformat()}", currency="USD", total_minor=total_minor)
    return event(body, profile_id=customer, at=placed_at)


async def bought(database: Database, *events: Event, now: datetime = NOON) -> None:
    async with at(database, now) as work:
        await service.fold_orders(work, events)


async def take(database: Database, now: datetime = NOON) -> ScoreCuts | None:
    async with at(database, now) as work:
        return await scores.take(work, now)


async def apply(database: Database, now: datetime = NOON, limit: int = scores.CHUNK) -> list[UUID]:
    """Scores everybody. Returns who changed."""
    changed: list[UUID] = []
    while True:
        async with at(database, now) as work:
            found = await scores.apply(work, now, limit=limit)
        if found is None:
            return changed
        changed += found


async def flip(database: Database, now: datetime) -> None:
    """Lets time pass for everybody."""
    async with at(database, now) as work:
        while await service.flip(work, now):
            pass


async def rows(database: Database) -> Mapping[UUID, Any]:
    async with database.work() as work:
        return {row.profile_id: row for row in await work.rows("SELECT *, xmin::text AS written_by FROM standings")}


async def stage_changes(database: Database) -> list[tuple[str, str, datetime]]:
    """Cause, stage and moment of every change of a stage, in order."""
    return [
        (one.body.cause, one.body.current, one.occurred_at)
        for one in await published(database)
        if isinstance(one.body, StageChanged)
    ]


async def stages_of(database: Database, customer: UUID) -> list[tuple[str, str, datetime]]:
    """The same of one customer."""
    return [
        (one.body.cause, one.body.current, one.occurred_at)
        for one in await published(database)
        if isinstance(one.body, StageChanged) and one.profile_id == customer
    ]


async def many(database: Database, seed: int, customers: int = 150, *, every: int | None = None) -> None:
    """A base of customers with one to nine orders, at random, or each so many days."""
    draw = random.Random(seed)
    made: list[Event] = []
    for number in range(customers):
        first = NOON - days(draw.randint(1, 700)) - timedelta(seconds=draw.randint(0, 80_000))
        for turn in range(draw.choice([1, 1, 1, 2, 3, 5, 9]) if every is None else 4):
            placed_at = first + days(turn * (every or draw.randint(1, 60)))
            if placed_at <= NOON:
                made.append(order(UUID(int=1000 + number), placed_at, draw.choice([0, 5_00, draw.randint(1, 900_00)])))
    await bought(database, *made)


def of_row(row: Any) -> tuple[Any, ...]:
    return row.recency, row.frequency, row.monetary, row.rfm_group, row.abc, row.key_customer


def by_rule(cuts: ScoreCuts, row: Any) -> tuple[Any, ...]:
    found = domain.scored(cuts, values_of(row))
    return (*msgspec.structs.astuple(found.scores), found.group, found.abc, found.key)


def values_of(row: Any) -> domain.ScoredValues:
    return domain.ScoredValues(
        last_order_at=row.last_order_at,
        orders=row.orders,
        spend_minor=row.spend_minor,
        revenue_minor=row.revenue_minor,
    )


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_base_is_scored_as_the_rules_say_and_counted_so(database: Database, seed: int) -> None:
    await many(database, seed)
    cuts = await take(database)
    assert cuts is not None
    await apply(database)

    found = [row for row in (await rows(database)).values() if row.last_order_at is not None]
    assert [of_row(row) for row in found] == [by_rule(cuts, row) for row in found]
    async with database.work() as work:
        tertiles = await scores.rfm(work, tertiles=True)
        quintiles = await scores.rfm(work, tertiles=False)
        classes = await scores.abc(work)
    expected = Counter(msgspec.structs.astuple(domain.tertiles(cuts, values_of(row))) for row in found)
    assert {(one.recency, one.frequency, one.monetary): one.customers for one in tertiles.cells} == expected
    assert sum(one.customers for one in quintiles.cells) == sum(quintiles.groups.values()) == len(found)
    assert {name: one.customers for name, one in classes.classes.items()} == {
        name: sum(row.abc == name for row in found) for name in "ABC"
    }


async def test_cut_points_are_those_of_the_base_counted_by_hand(database: Database) -> None:
    await many(database, 3)
    cuts = await take(database)
    assert cuts is not None

    found = [row for row in (await rows(database)).values() if row.last_order_at is not None]
    silence = Counter((NOON - row.last_order_at) // days(1) for row in found)
    spend, orders = Counter(row.spend_minor for row in found), Counter(row.orders for row in found)
    assert cuts.quintiles == rfm.cuts_of(silence, orders, spend, rfm.QUINTILES)
    assert cuts.tertiles == rfm.cuts_of(silence, orders, spend, rfm.TERTILES)
    assert (cuts.version, cuts.taken_at, cuts.customers) == (1, NOON, len(found))


async def test_below_a_hundred_customers_the_policys_cut_points_stay(database: Database) -> None:
    await many(database, 4, 99)

    assert await take(database) is None
    assert await apply(database) == []


async def test_a_version_is_hourly_and_more_often_while_the_base_is_young(database: Database) -> None:
    await many(database, 5)
    minutes = (0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 123, 124, 183, 184)
    taken = [minute for minute in minutes if await take(database, NOON + timedelta(minutes=minute)) is not None]

    assert taken == [0, 1, 2, 4, 8, 16, 32, 64, 124, 184]


async def test_only_customers_whose_score_changes_are_written(database: Database) -> None:
    await many(database, 6)
    await take(database)
    await apply(database)
    before = await rows(database)
    await bought(database, order(UUID(int=1000), NOON), order(UUID(int=1001), NOON, 5_000_00))
    bystanders = {one: row for one, row in (await rows(database)).items() if row.written_by == before[one].written_by}
    await take(database, NOON + HOUR)
    changed = await apply(database, NOON + HOUR)

    after = await rows(database)
    for profile_id, row in bystanders.items():
        assert (after[profile_id].written_by != row.written_by) is (profile_id in changed)
        assert (of_row(after[profile_id]) != of_row(row)) is (profile_id in changed)
    assert 0 < len(changed) < len(after) / 2


async def test_scoring_goes_on_where_it_was_left(database: Database) -> None:
    await many(database, 7)
    cuts = await take(database)
    assert cuts is not None
    async with at(database) as work:
        first = await scores.apply(work, NOON, limit=40)
    async with at(database) as work:
        version = (await scores.rfm(work, tertiles=False)).version
    assert version is not None
    assert version.applied_at is None
    rest = await apply(database, limit=40)

    assert first is not None
    assert not set(first) & set(rest)
    found = await rows(database)
    assert [of_row(row) for row in found.values()] == [by_rule(cuts, row) for row in found.values()]
    assert await apply(database) == []


async def test_a_new_version_waits_for_batches_and_then_all_are_scored_by_it(database: Database) -> None:
    await many(database, 8)
    async with asyncio.TaskGroup() as tasks, at(database) as batch:
        await aliases.lock_merges(batch, shared=True)
        taking = tasks.create_task(take(database))
        await service.fold_orders(batch, [order(ANN, NOON, 7_000_00)])
        assert not taking.done()
    cuts = taking.result()
    assert cuts is not None
    await apply(database)

    row = (await rows(database))[ANN]
    assert of_row(row) == by_rule(cuts, row)
    assert (row.abc, row.recency, row.monetary) == ("A", 5, 5)


async def with_rhythm(database: Database, every: int) -> ScoreCuts:
    """A base that has stood for a day, whose customers buy each so many days; what was taken last."""
    await many(database, 9, every=every)
    await take(database, NOON)
    await apply(database, NOON)
    cuts = await take(database, NOON + days(1))
    assert cuts is not None
    return cuts


async def test_the_shops_rhythm_is_taken_after_a_day_and_redefines_stages(database: Database) -> None:
    await bought(database, order(ANN, NOON - days(100)))
    cuts = await with_rhythm(database, 80)
    assert (cuts.rhythm_days, cuts.rhythm_since) == (80, NOON + days(1))
    before = len(await stage_changes(database))
    await apply(database, NOON + days(1))

    changes = (await stage_changes(database))[before:]
    assert {since for cause, _, since in changes if cause == "redefined"} == {NOON + days(1)}
    assert all(since < NOON + days(1) for cause, _, since in changes if cause == "time")
    row = (await rows(database))[ANN]
    assert (row.stage, row.stage_reason) == (Stage.ACTIVE, "1 orders, the last less than 120 days ago")
    assert row.due_at == NOON + days(20)


async def test_what_passes_before_the_rhythm_is_in_force_passes_by_the_policys_days(database: Database) -> None:
    await bought(database, order(ANN, NOON - days(90) + HOUR))
    await with_rhythm(database, 80)
    later = NOON + days(40)
    for step in (flip, apply, flip):
        await step(database, later)

    row = (await rows(database))[ANN]
    assert (row.stage, row.shop_rhythm_days) == (Stage.AT_RISK, 80)
    assert await stages_of(database, ANN) == [
        ("event", Stage.ACTIVE, NOON - days(90) + HOUR),
        ("time", Stage.AT_RISK, NOON + HOUR),
        ("redefined", Stage.ACTIVE, NOON + days(1)),
        ("time", Stage.AT_RISK, NOON + days(30) + HOUR),
    ]


async def test_an_event_before_the_walk_tells_what_it_does_apart_from_what_the_rhythm_does(database: Database) -> None:
    await bought(database, order(ANN, NOON - days(200)))
    await with_rhythm(database, 10)
    before = len(await stage_changes(database))
    now = NOON + days(1)
    await bought(database, order(ANN, now - days(80)), now=now)

    assert (await stage_changes(database))[before:] == [
        ("event", Stage.RETURNING, now - days(80)),
        ("redefined", Stage.SILENT, now),
    ]


async def test_rows_of_a_release_without_scores_are_computed_again(database: Database) -> None:
    await many(database, 10)
    whole = await rows(database)
    async with database.work() as work:
        await work.run("UPDATE standings SET spend_minor = 0, revenue_minor = 0, rhythm_pauses = 0, values_at = NULL")
    after: UUID | None = scores.NOBODY
    while after is not None:
        async with at(database, NOON + HOUR) as work:
            after = await scores.bring_up_to_date(work, after)

    found = await rows(database)
    names = [name for name in whole[UUID(int=1000)]._fields if name != "written_by"]
    assert all(getattr(found[one], name) == getattr(row, name) for one, row in whole.items() for name in names)


async def test_while_one_process_takes_cut_points_another_takes_none(database: Database) -> None:
    await many(database, 11)
    async with at(database) as work:
        assert await stored_scores.try_to_take(work)
        assert await take(database) is None


async def test_customers_enter_and_leave_a_segment_of_scores_when_they_are_scored_otherwise(database: Database) -> None:
    await many(database, 15)
    await meet(database, *await rows(database))
    await defined(database, "best", {"kind": "score", "of": "monetary", "op": "ge", "value": 5})
    before = set(await whole(database, "best"))
    await take(database)
    await apply(database)

    found = await rows(database)
    assert await whole(database, "best") == {one for one, row in found.items() if row.monetary == 5} != before


async def whole(database: Database, segment_id: str) -> set[UUID]:
    """All members of a segment."""
    async with database.work() as work:
        return {row.profile_id for row in await segments.members(work, segment_id, after=None, limit=1000)}


class UpTo:
    """A log that has been read up to a moment."""

    def __init__(self, moment: datetime | None) -> None:
        self._moment = moment

    async def read_until(self, work: Work) -> datetime | None:  # noqa: ARG002 - read nowhere
        return self._moment


async def test_the_loop_computes_what_is_missing_takes_cut_points_and_scores_everybody(database: Database) -> None:
    await many(database, 13)
    async with database.work() as work:
        await work.run("UPDATE standings SET spend_minor = 0, values_at = NULL WHERE orders > 1")
    stop, signs = asyncio.Event(), list[bool]()
    loop = Scoring(database, UpTo(NOON), tick=lambda: signs.append(True))

    async def applied() -> bool:
        async with database.work() as work:
            newest = await stored_scores.newest(work)
        return newest is not None and newest.applied_at is not None

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(loop.run(stop))
        await eventually(applied, bool, working=running)
        stop.set()

    async with database.work() as work:
        newest = await stored_scores.newest(work)
    assert newest is not None
    assert newest.taken_at == NOON
    found = (await rows(database)).values()
    assert [of_row(row) for row in found] == [by_rule(newest.cuts, row) for row in found]
    assert {row.values_at == row.evaluated_at for row in found} == {True}
    assert len(signs) > 3


async def test_nothing_is_scored_before_it_is_known_how_far_the_log_has_been_read(database: Database) -> None:
    await many(database, 14)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Scoring(database, UpTo(None), tick=stop.set).run(stop))  # its first turn is its last

    async with database.work() as work:
        assert await stored_scores.newest(work) is None


# The full base of CDNOW, computed again with another library


def cdnow_base() -> tuple[dict[UUID, list[Purchase]], datetime]:
    """The orders of each customer of CDNOW, and a moment after the last."""
    orders: dict[UUID, list[Purchase]] = {}
    for line in cdnow.read(cdnow.path()):
        purchase = Purchase(cdnow.moment(line, 0), line.total_cents)
        orders.setdefault(UUID(int=int(line.customer)), []).append(purchase)
    return orders, max(one.placed_at for bought in orders.values() for one in bought) + HOUR


def polars_scores(values: pl.Series) -> pl.Series:
    """Quintiles from the worst value up, as docs/scores.md defines them."""
    table = values.value_counts(name="customers").sort(values.name)
    scored = pl.Series(dtype=pl.Int64, values=[])
    for left in range(5, 0, -1):
        middle = (table["customers"].cum_sum() - table["customers"] / 2) / table["customers"].sum()
        within = max(1, min(int((middle < 1 / left).sum()), table.height - left + 1)) if left > 1 else table.height
        scored = scored.append(pl.Series([6 - left] * within))
        table = table[within:]
    distinct = values.unique().sort()
    return pl.DataFrame({"value": values}).join(pl.DataFrame({"value": distinct, "score": scored}), on="value")["score"]


def polars_counts(orders: Mapping[UUID, Sequence[Purchase]], now: datetime) -> dict[str, dict[Any, int]]:
    """Customers by their three scores, and by ABC class with the mark of key customers."""
    lines = pl.DataFrame(
        {
            "customer": [one.int for one, bought in orders.items() for _ in bought],
            "at": [line.placed_at for bought in orders.values() for line in bought],
            "cents": [line.net_minor for bought in orders.values() for line in bought],
        }
    )
    customers = lines.group_by("customer", maintain_order=True).agg(
        (-(now - pl.col("at").max()).dt.total_days()).alias("r"),
        pl.len().cast(pl.Int64).alias("f"),
        pl.col("cents").sum().alias("m"),
        pl.col("cents").filter(pl.col("at") > now - days(365)).sum().alias("revenue"),
    )
    scored = customers.with_columns(polars_scores(customers[name]).alias(name) for name in ("r", "f", "m"))
    paying = (
        customers.filter(pl.col("revenue") > 0)
        .group_by("revenue")
        .agg(pl.len().alias("n"))
        .sort("revenue", descending=True)
        .with_columns(
            ahead=pl.col("n").cum_sum() - pl.col("n"),
            before=(pl.col("revenue") * pl.col("n")).cum_sum() - pl.col("revenue") * pl.col("n"),
        )
        .with_columns(
            abc=pl.when(pl.col("before") * 100 < 80 * (pl.col("revenue") * pl.col("n")).sum())
            .then(pl.lit("A"))
            .when(pl.col("before") * 100 < 95 * (pl.col("revenue") * pl.col("n")).sum())
            .then(pl.lit("B"))
            .otherwise(pl.lit("C")),
            first=pl.col("ahead") * 100 < pl.col("n").sum(),
        )
    )
    classed = customers.join(paying, on="revenue", how="left").with_columns(
        pl.col("abc").fill_null("C"), key=pl.col("first").fill_null(value=False) & (pl.col("f") >= 2)
    )
    return {
        "rfm": {(r, f, m): n for r, f, m, n in scored.group_by("r", "f", "m").len().iter_rows()},
        "abc": {(name, key): n for name, key, n in classed.group_by("abc", "key").len().iter_rows()},
    }


async def test_on_the_whole_base_of_cdnow_rfm_and_abc_are_what_polars_computes(database: Database) -> None:
    orders, now = cdnow_base()
    standings: dict[UUID, tuple[int, Standing, datetime]] = {
        one: (0, standing(DEFAULT_POLICY, bought, now), now) for one, bought in orders.items()
    }
    async with at(database, now) as work:
        await repository.add_customers(work, standings, tier="bronze", tier_version=1, stage=Stage.PROSPECT)
        await repository.save(work, standings)
    assert await take(database, now) is not None
    await apply(database, now)

    async with database.work() as work:
        cells = await scores.rfm(work, tertiles=False)
        classes = await work.rows("SELECT abc, key_customer, count(*) AS n FROM standings GROUP BY 1, 2")
    expected = polars_counts(orders, now)
    assert {(one.recency, one.frequency, one.monetary): one.customers for one in cells.cells} == expected["rfm"]
    assert {(row.abc, row.key_customer): row.n for row in classes} == expected["abc"]
    assert (sum(expected["rfm"].values()), len(expected["abc"])) == (23_570, 4)


async def test_the_api_shows_cut_points_groups_classes_and_where_a_customer_stands(
    database_factory: DatabaseFactory,
) -> None:
    built = build("segment", await database_factory("segment"))
    async with asking(built, token(scope="segment:read")) as client:
        empty = (await client.get("/v1/rfm")).json()
        assert (empty["version"], empty["cells"], len(empty["groups"])) == (None, [], 11)
        await many(built.database, 12)
        for minute in (0, 2):
            assert await take(built.database, NOON + timedelta(minutes=minute)) is not None
            await apply(built.database, NOON + timedelta(minutes=minute))

        rfm_now = (await client.get("/v1/rfm")).json()
        tertiles = (await client.get("/v1/rfm", params={"scale": "tertiles"})).json()
        page = (await client.get("/v1/rfm/versions", params={"limit": 1})).json()
        older = (await client.get("/v1/rfm/versions", params={"cursor": page["next"]})).json()
        abc = (await client.get("/v1/abc")).json()
        best = (await client.get("/v1/standings", params={"abc": "A", "rfm_group": "champions"})).json()
        nobody = await client.get("/v1/standings", params={"rfm_group": "champion"})
        somebody = (await client.get(f"/v1/profiles/{UUID(int=1000)}/standing")).json()

    assert rfm_now["version"] == page["versions"][0]
    assert rfm_now["version"]["applied_at"] is not None
    assert [one["version"] for one in older["versions"]] == [1]
    counted = [sum(one["customers"] for one in of) for of in (rfm_now["cells"], rfm_now["groups"], tertiles["cells"])]
    assert counted == [rfm_now["version"]["customers"]] * 3
    assert {cell["group"] for cell in tertiles["cells"]} == {None}
    assert [one["name"] for one in abc["classes"]] == ["A", "B", "C"]
    assert abc["classes"][0]["from_minor"] > abc["classes"][1]["from_minor"] > 0
    assert (abc["curve"][0], abc["curve"][-1], len(abc["curve"])) == (0, 10_000, 101)
    assert {(one["rfm_group"], one["abc"]) for one in best["standings"]} == {("champions", "A")}
    assert (nobody.status_code, "there is no champion;" in nobody.json()["detail"]) == (422, True)
    assert somebody["rfm_group"] in {one["name"] for one in rfm_now["groups"]}
    assert set(somebody["tertiles"]) == {"recency", "frequency", "monetary"}
    assert somebody["abc"] in {"A", "B", "C"}
    assert (somebody["rhythm"]["shop_days"], somebody["rhythm"]["at_risk_days"]) == (None, 90)
