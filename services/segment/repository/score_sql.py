"""Scores in SQL: of a row of `standings` by its own values, as `domain.scores.scored` has them.

A property test holds the two to each other.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.segment.domain.rfm import GRID, Cuts
from services.segment.domain.scores import ScoreCuts

BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


def _passed(value: str, points: str, count: int) -> str:
    reached = " + ".join(f"CAST({value} >= (CAST(:{points} AS bigint[]))[{n}] AS int)" for n in range(1, count + 1))
    return f"({reached})"


def _recency(points: str, count: int) -> str:
    lost = " + ".join(
        f"CAST(last_order_at <= (CAST(:{points} AS timestamptz[]))[{n}] AS int)" for n in range(1, count + 1)
    )
    return f"({count + 1} - ({lost}))"


def expressions(count: int) -> tuple[str, str, str]:
    """Returns the SQL of the scores of recency, frequency and money by `count` cut points each; see `points_of`."""
    return (
        _recency("recency", count),
        f"(1 + {_passed('orders', 'frequency', count)})",
        f"(1 + {_passed('spend_minor', 'monetary', count)})",
    )


_R, _F, _M = expressions(4)
NAMES: Final = "recency, frequency, monetary, rfm_group, abc, key_customer"
SCORES: Final = f"""
        {_R}, {_F}, {_M},
        (CAST(:grid AS text[]))[(5 - {_R}) * 5 + ({_F} + {_M} + 1) / 2],
        CASE WHEN revenue_minor >= CAST(:a_from AS bigint) THEN 'A'
             WHEN revenue_minor >= CAST(:b_from AS bigint) THEN 'B' ELSE 'C' END,
        coalesce(revenue_minor >= CAST(:key_from AS bigint), false) AND orders >= CAST(:key_orders AS int)
"""


def points_of(points: Cuts, taken_at: datetime) -> dict[str, Any]:
    """Returns the parameters of `expressions`: cut points of recency are the moments so many days before."""
    return {
        "recency": [_days_before(taken_at, days) for days in points.recency],
        "frequency": list(points.frequency),
        "monetary": list(points.monetary),
    }


def parameters(cuts: ScoreCuts) -> dict[str, Any]:
    """Returns the parameters of `SCORES`, by a version."""
    return {
        **points_of(cuts.quintiles, cuts.taken_at),
        "grid": [name for row in GRID for name in row],
        "a_from": cuts.bounds.a_from,
        "b_from": cuts.bounds.b_from,
        "key_from": cuts.bounds.key_from,
        "key_orders": cuts.bounds.key_orders,
    }


def _days_before(moment: datetime, days: int) -> datetime:
    try:
        return moment - timedelta(days=days)
    except OverflowError:  # the oldest orders of the base are of the calendar's first day
        return BEGINNING
