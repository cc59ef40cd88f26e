"""On the full base of CDNOW, tiers as segment keeps and simulates them equal those that polars computes."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import polars as pl
import pytest

from deploy.demo import cdnow
from services.segment.service.programmes import definitions, rollout, simulation
from shared.audit import Actor
from shared.database.database import Database
from tests.conftest import DatabaseFactory

TIERS: Final = {"bronze": 0, "silver": 100_00, "gold": 250_00, "diamond": 1_000_00}
CUSTOMERS: Final = 23_570
NOW: Final = datetime.fromisoformat("1998-06-30T18:00:00+00:00")


class StandingClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


def lines() -> pl.DataFrame:
    """Every order of the base."""
    rows = cdnow.read(cdnow.path())
    return pl.DataFrame(
        {
            "customer": [int(line.customer) for line in rows],
            "at": [cdnow.moment(line, 0) for line in rows],
            "cents": [line.total_cents for line in rows],
        }
    )


def computed(counting: pl.DataFrame, everybody: pl.DataFrame, *, orders: bool = False) -> dict[str, int]:
    """Customers by tier: those of whom nothing counts are in the lowest, too."""
    measure = pl.len().cast(pl.Int64) if orders else pl.col("cents").sum()
    figures = counting.group_by("customer").agg(measure.alias("figure"))
    of_all = everybody.select("customer").unique().join(figures, on="customer", how="left").fill_null(0)
    reached = pl.lit("bronze")
    for name, amount in list(TIERS.items())[1:]:
        least = amount // 10_000 if orders else amount
        reached = pl.when(pl.col("figure") >= least).then(pl.lit(name)).otherwise(reached)
    return dict(of_all.select(reached.alias("tier")).group_by("tier").len().iter_rows())


def definition(window: dict[str, Any], *, orders: bool = False) -> dict[str, Any]:
    tiers = [{"name": name, "at_least": amount // 10_000 if orders else amount} for name, amount in TIERS.items()]
    return {"basis": "orders" if orders else "spend", "window": window, "tiers": tiers}


@pytest.fixture
async def base(database_factory: DatabaseFactory) -> AsyncIterator[tuple[Database, pl.DataFrame]]:
    """A database with the whole base, at a moment at which years of the calendar and the last 365 days differ."""
    database = Database(await database_factory("segment"), application="test", clock=StandingClock())
    found = lines()
    async with database.work() as work:
        await work.run(
            """
            INSERT INTO orders (profile_id, order_id, facts, counts, currency, net_minor, placed_at)
            SELECT profile_id, n::text, '{}', true, 'USD', net, at
              FROM unnest(CAST(:ids AS uuid[]), CAST(:net AS bigint[]), CAST(:at AS timestamptz[]))
                   WITH ORDINALITY AS t(profile_id, net, at, n)
            """,
            ids=[UUID(int=one) for one in found["customer"]],
            net=found["cents"].to_list(),
            at=found["at"].to_list(),
        )
        await work.run(
            """
            INSERT INTO standings (profile_id, tier, tier_version, stage, evaluated_at)
            SELECT DISTINCT profile_id, 'bronze', 1, 'new', CAST(:now AS timestamptz) FROM orders
            """,
            now=NOW,
        )
    yield database, found
    await database.close()


async def test_on_the_whole_base_tiers_are_what_polars_computes(base: tuple[Database, pl.DataFrame]) -> None:
    database, found = base
    made = found.filter(pl.col("at") <= NOW)
    cases: list[tuple[dict[str, Any], pl.DataFrame, bool]] = [
        ({"kind": "rolling", "days": 365}, made.filter(pl.col("at") > NOW - timedelta(days=365)), False),
        ({"kind": "calendar", "unit": "year"}, made.filter(pl.col("at").dt.year() == NOW.year), False),
        ({"kind": "lifetime"}, made, True),
    ]
    for window, counting, orders in cases:
        tried, _ = await simulation.simulate(database, "trial", definition(window, orders=orders))
        then = dict.fromkeys(TIERS, 0)
        for (_, after), customers in tried.customers.items():
            then[after] += customers
        assert {name: n for name, n in then.items() if n} == computed(counting, found, orders=orders)

    async with database.work() as work:
        document = definition({"kind": "lifetime"})
        await definitions.save(work, "default", document, version=1, effective_at=None, by=Actor("test"))
    looked_at = 0
    while True:
        async with database.work() as work:
            chunk = await rollout.roll_out(work, NOW)
        if not chunk:
            break
        looked_at += chunk
    async with database.work() as work:
        rows = await work.rows("SELECT tier, count(*) AS n FROM standings GROUP BY tier")
    assert {row.tier: row.n for row in rows} == computed(made, found)
    assert looked_at == CUSTOMERS == sum(row.n for row in rows)
