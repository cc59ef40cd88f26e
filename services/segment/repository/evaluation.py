"""SQL of conditions over the base: how many customers meet one, and who."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from services.segment.domain.conditions.query import Query
from shared.database.database import Work

WORK_MEMORY: Final = "64MB"  # of one sort or table of hashes: a million customers fit
MAX_VERDICTS: Final = 62  # bits of a number of PostgreSQL's, and a sign


class Matched(NamedTuple):
    """How many customers meet a condition, of how many, and the first of them by id."""

    matches: int
    customers: int
    sample: Sequence[UUID]


async def preview(work: Work, query: Query, verdict: str, *, sample: int) -> Matched:
    """Returns how many customers meet a condition, whose expression over `query` this is."""
    await _over_the_base(work)
    # Apart, so that the expression is asked once a customer, not once for each use of its answer.
    row = await work.row(
        f"""
          WITH v AS MATERIALIZED (
               SELECT profile_id FROM ({query.statement({"verdict": verdict})}) q WHERE verdict
               )
        SELECT (SELECT count(*) FROM v) AS matches, (SELECT count(*) FROM standings) AS customers,
               ARRAY(SELECT profile_id FROM v ORDER BY profile_id LIMIT CAST(:sample AS int)) AS sample
        """,
        sample=sample,
        **query.parameters,
    )
    assert row is not None
    return Matched(row.matches, row.customers, row.sample)


async def differences(work: Work, query: Query, verdicts: Mapping[str, str], *, limit: int) -> dict[str, list[UUID]]:
    """Returns whose membership is otherwise than these expressions over `query` say, by segment; `limit` customers.

    Left out are customers of whom a look is due: that is the timers' to do. There may be `MAX_VERDICTS` at once.
    """
    await _over_the_base(work)
    bits = [(1 << n, name, one) for n, (name, one) in enumerate(verdicts.items())]
    assert len(bits) <= MAX_VERDICTS
    says = " | ".join(f"(CASE WHEN {one} THEN CAST({bit} AS bigint) ELSE 0 END)" for bit, _, one in bits)
    places = ", ".join(f"({query.value(name, 'text')}, CAST({bit} AS bigint))" for bit, name, _ in bits)
    rows = await work.rows(
        f"""
        SELECT v.profile_id, v.says # coalesce(k.has, 0) AS differs
          FROM ({query.statement({"says": says})}) v
          LEFT JOIN (
               SELECT m.profile_id, bit_or(w.bit) AS has
                 FROM memberships m
                 JOIN (VALUES {places}) w(segment_id, bit) ON w.segment_id = m.segment_id
                WHERE m.member
                GROUP BY m.profile_id
               ) k ON k.profile_id = v.profile_id
         WHERE v.says <> coalesce(k.has, 0)
           AND NOT EXISTS (SELECT FROM customer_segments d WHERE d.profile_id = v.profile_id AND d.due_at <= :now)
           AND NOT EXISTS (SELECT FROM memberships d WHERE d.profile_id = v.profile_id AND d.due_at <= :now)
           AND NOT EXISTS (SELECT FROM rereads r WHERE r.profile_id = v.profile_id)
         LIMIT :limit
        """,
        limit=limit,
        **query.parameters,
    )
    return {name: [row.profile_id for row in rows if row.differs & bit] for bit, name, _ in bits}


async def _over_the_base(work: Work) -> None:
    """Lets the statements of this transaction have what one over millions of rows needs."""
    await work.run(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
    # The planner takes a row that a worker hands on for as dear as ten that it reads; here few are handed on.
    await work.run("SET LOCAL parallel_tuple_cost = 0.005")


async def exists(work: Work, profile_id: UUID) -> bool:
    """Returns whether there is such a customer."""
    return await work.row("SELECT 1 FROM standings WHERE profile_id = :id", id=profile_id) is not None


async def marks(work: Work, topic: str, places: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Returns the highest sequence that was read, by (partition, origin), of these as far as any was."""
    rows = await work.rows(
        """
        SELECT m.partition, m.origin, m.sequence
          FROM stream_marks m
          JOIN unnest(CAST(:partitions AS bigint[]), CAST(:origins AS bigint[])) AS w(partition, origin)
         USING (partition, origin)
         WHERE m.topic = :topic
        """,
        topic=topic,
        partitions=[partition for partition, _ in places],
        origins=[origin for _, origin in places],
    )
    return {(row.partition, row.origin): row.sequence for row in rows}
