"""SQL that counts customers by their scores."""

from collections.abc import Mapping, Sequence

import msgspec

from services.segment.domain.abc import Class
from services.segment.domain.scores import ScoreCuts
from services.segment.repository import score_sql
from shared.database.database import Work
from shared.database.rows import rows_as


class Cell(msgspec.Struct, kw_only=True):
    """How many customers have these scores."""

    recency: int
    frequency: int
    monetary: int
    customers: int


class ClassCount(msgspec.Struct, kw_only=True):
    """How many customers are of an ABC class and key or not, and what they bring."""

    abc: Class
    key_customer: bool
    customers: int
    revenue_minor: int


async def cells(work: Work) -> Sequence[Cell]:
    """Returns how many customers have which scores of quintiles."""
    return await rows_as(
        work,
        Cell,
        """
        SELECT recency, frequency, monetary, count(*) AS customers
          FROM standings
         WHERE recency IS NOT NULL
         GROUP BY recency, frequency, monetary
         ORDER BY recency DESC, frequency DESC, monetary DESC
        """,
    )


async def tertile_cells(work: Work, cuts: ScoreCuts) -> Sequence[Cell]:
    """Returns how many customers have which scores of tertiles, by a version."""
    recency, frequency, monetary = score_sql.expressions(2)
    return await rows_as(
        work,
        Cell,
        f"""
        SELECT recency, frequency, monetary, count(*) AS customers
          FROM (
               SELECT {recency} AS recency, {frequency} AS frequency, {monetary} AS monetary
                 FROM standings
                WHERE last_order_at IS NOT NULL
               ) s
         GROUP BY recency, frequency, monetary
         ORDER BY recency DESC, frequency DESC, monetary DESC
        """,
        **score_sql.points_of(cuts.tertiles, cuts.taken_at),
    )


async def groups(work: Work) -> Mapping[str, int]:
    """Returns how many customers each group of RFM has."""
    rows = await work.rows(
        "SELECT rfm_group, count(*) AS customers FROM standings WHERE rfm_group IS NOT NULL GROUP BY rfm_group"
    )
    return {row.rfm_group: row.customers for row in rows}


async def classes(work: Work) -> Sequence[ClassCount]:
    """Returns how many customers each ABC class has, and the revenue that they bring."""
    return await rows_as(
        work,
        ClassCount,
        """
        SELECT abc, key_customer, count(*) AS customers, CAST(sum(revenue_minor) AS bigint) AS revenue_minor
          FROM standings
         WHERE abc IS NOT NULL
         GROUP BY abc, key_customer
        """,
    )
