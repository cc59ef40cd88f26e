"""Which day it is for a customer: in Python by the zone's rules, in SQL by look-up.

At any moment there are two or three dates on earth, and the zones in which it is each. So a condition about a
customer's today is compiled for each of them, and PostgreSQL needs to know neither zones nor calendars.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache

from services.segment.domain.conditions.query import Query
from shared.calendars.zones import local_date, zone_names


@lru_cache(maxsize=64)
def zones_by_date(now: datetime) -> Mapping[date, tuple[str, ...]]:
    """Returns the dates that it is anywhere, and in which zones."""
    found: dict[date, list[str]] = {}
    for name in sorted(zone_names()):
        found.setdefault(local_date(now, name), []).append(name)
    return {day: tuple(names) for day, names in found.items()}


def by_today(query: Query, expression: Callable[[date], str]) -> str:
    """Returns an expression of a customer's today; a zone that nobody knows is UTC."""
    usual = query.now.date()
    cases = "".join(
        f" WHEN p.zone = ANY({query.value(list(names), 'text[]')}) THEN {expression(day)}"
        for day, names in zones_by_date(query.now).items()
        if day != usual
    )
    return f"(CASE{cases} ELSE {expression(usual)} END)" if cases else expression(usual)
