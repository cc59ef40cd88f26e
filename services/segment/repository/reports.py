"""SQL on what reports count, and on the sizes of segments, which nothing could recompute."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from services.segment.domain.reports import ABC_BOUNDS, AbcClass, AbcPoint, RfmCell
from shared.database.database import Work
from shared.database.rows import arrays, columns, rows_as, unnest

CURVE_POINTS: Final = 200  # of the ABC curve, the ends of its classes not counted


class NotedSize(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `segment_sizes`."""

    segment_id: str
    at: datetime
    members: int
    entered: int | None
    exited: int | None


class LatestSize(msgspec.Struct, frozen=True, kw_only=True):
    """How many members a segment had when that was noted last."""

    segment_id: str
    members: int


async def rfm_cells(work: Work) -> Sequence[RfmCell]:
    """Returns how many customers have which recency and frequency score, and what they have spent, ever."""
    return await rows_as(
        work,
        RfmCell,
        """
        SELECT recency, frequency, count(*) AS customers, CAST(sum(spend_minor) AS bigint) AS spend_minor
          FROM standings
         WHERE recency IS NOT NULL AND frequency IS NOT NULL
         GROUP BY recency, frequency
        """,
    )


async def abc(work: Work) -> tuple[Sequence[AbcPoint], Sequence[AbcClass]]:
    """Returns points of the curve of a year's revenue, with both ends, and the classes, which hold all who bring any.

    A customer is in the first class of whose bound those with more revenue fall short together, so that customers with
    equal revenue are in one class. Amounts are exact. Points stand at the last of customers with equal revenue: among
    these the curve is straight.
    """
    rows = await work.rows(
        """
        WITH paid AS (
            SELECT revenue_minor AS net
              FROM standings
             WHERE revenue_minor > 0
        ), alike AS (
            SELECT net, count(*) AS size
              FROM paid
             GROUP BY net
        ), ranked AS MATERIALIZED (
            SELECT size,
                   net * size AS revenue,
                   CAST(sum(size) OVER w AS bigint) AS place,
                   sum(net * size) OVER w AS passed,
                   CAST(sum(size) OVER () AS bigint) AS customers,
                   sum(net * size) OVER () AS total
              FROM alike
            WINDOW w AS (ORDER BY net DESC)
        )
        SELECT '' AS class, place AS customers, passed AS revenue
          FROM ranked
         WHERE place = customers OR place * :points / customers <> (place - size) * :points / customers
         UNION ALL
        SELECT b.class, coalesce(sum(r.size), 0), coalesce(sum(r.revenue), 0)
          FROM unnest(CAST(:names AS text[]), CAST(:from_percent AS bigint[]), CAST(:to_percent AS bigint[]))
               AS b(class, from_percent, to_percent)
          LEFT JOIN ranked r
            ON (r.passed - r.revenue) * 100 >= b.from_percent * r.total
           AND (r.passed - r.revenue) * 100 < b.to_percent * r.total
         GROUP BY b.class
         ORDER BY 1, 2
        """,
        points=CURVE_POINTS,
        names=[name for name, _ in ABC_BOUNDS],
        from_percent=[0, *(bound for _, bound in ABC_BOUNDS[:-1])],
        to_percent=[bound for _, bound in ABC_BOUNDS],
    )
    points = [AbcPoint(customers=int(one.customers), revenue_minor=int(one.revenue)) for one in rows if not one[0]]
    classes = [
        AbcClass(name=one[0], customers=int(one.customers), revenue_minor=int(one.revenue)) for one in rows if one[0]
    ]
    return points, classes


async def note_sizes(
    work: Work, at: datetime, members: Mapping[str, int], flows: Mapping[str, tuple[int, int]] | None = None
) -> None:
    """Notes how many members each segment has at a moment, by its id; a size that stays the same takes no row.

    `flows` tells how many entered and exited since the note before, where that is known: these take a row whenever one
    of them is not 0. A moment that a segment has a row of already stays as it is.
    """
    known = flows or {}
    rows = [
        NotedSize(segment_id=segment_id, at=at, members=count, entered=entered, exited=exited)
        for segment_id, count in sorted(members.items())
        for entered, exited in [known.get(segment_id, (None, None))]
    ]
    names = columns(NotedSize)
    await work.run(
        f"""
        INSERT INTO segment_sizes ({names})
        SELECT {columns(NotedSize, "n")}
          FROM {unnest(NotedSize, "n")}
         WHERE coalesce(n.entered, 0) <> 0
            OR coalesce(n.exited, 0) <> 0
            OR n.members IS DISTINCT FROM (
                   SELECT s.members
                     FROM segment_sizes s
                    WHERE s.segment_id = n.segment_id AND s.at <= n.at
                    ORDER BY s.at DESC
                    LIMIT 1
               )
            ON CONFLICT (segment_id, at) DO NOTHING
        """,
        **arrays(rows, NotedSize),
    )


async def latest_sizes(work: Work) -> Sequence[LatestSize]:
    """Returns every segment that a size was ever noted of, with the newest, the largest first.

    It jumps from segment to segment in the primary key, and does not read the rows between.
    """
    return await rows_as(
        work,
        LatestSize,
        """
        WITH RECURSIVE known(segment_id) AS (
            SELECT min(segment_id) FROM segment_sizes
             UNION ALL
            SELECT (SELECT min(s.segment_id) FROM segment_sizes s WHERE s.segment_id > k.segment_id)
              FROM known k
             WHERE k.segment_id IS NOT NULL
        )
        SELECT k.segment_id, l.members
          FROM known k
         CROSS JOIN LATERAL (
                   SELECT members FROM segment_sizes WHERE segment_id = k.segment_id ORDER BY at DESC LIMIT 1
               ) l
         WHERE k.segment_id IS NOT NULL
         ORDER BY l.members DESC, k.segment_id
        """,
    )


async def sizes(
    work: Work, segment_ids: Iterable[str], *, since: datetime, until: datetime, step_seconds: int
) -> Sequence[NotedSize]:
    """Returns the sizes of these segments between two moments, by segment and time: of each step the last one.

    Who entered and exited is added up over a step. What a segment had at `since` comes first, if that is known.
    """
    return await rows_as(
        work,
        NotedSize,
        """
        SELECT i.segment_id, CAST(:since AS timestamptz) AS at, l.members,
               CAST(NULL AS bigint) AS entered, CAST(NULL AS bigint) AS exited
          FROM unnest(CAST(:ids AS text[])) AS i(segment_id)
         CROSS JOIN LATERAL (
                   SELECT members
                     FROM segment_sizes
                    WHERE segment_id = i.segment_id AND at <= :since
                    ORDER BY at DESC
                    LIMIT 1
               ) l
         UNION ALL
        SELECT segment_id, max(at), (array_agg(members ORDER BY at DESC))[1],
               CAST(sum(entered) AS bigint), CAST(sum(exited) AS bigint)
          FROM segment_sizes
         WHERE segment_id = ANY(CAST(:ids AS text[])) AND at > :since AND at <= :until
         GROUP BY segment_id, date_bin(make_interval(secs => :step), at, :since)
         ORDER BY 1, 2
        """,
        ids=sorted(set(segment_ids)),
        since=since,
        until=until,
        step=step_seconds,
    )
