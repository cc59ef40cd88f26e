"""SQL on exchange rates. A statement is only ever added; the latest of a pair and day counts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import msgspec

from services.profile.domain.rates import RatePlace
from shared.database.database import Work

LOCK: Final = 0x5261_7465  # any number that nobody else locks


class RateRow(msgspec.Struct, kw_only=True):
    """A rate as it stands, and who stated it."""

    base: str
    quote: str
    day: date
    rate: Decimal
    stated_at: datetime
    stated_by: str


class PublishedRates(msgspec.Struct, kw_only=True):
    """All rates of a pair in a year, as they stand, and the number of the latest statement among them."""

    version: int
    rates: dict[date, Decimal]


async def lock(work: Work) -> None:
    """Makes those who state rates follow one another until the transaction ends, so that versions only rise."""
    await work.run("SELECT pg_advisory_xact_lock(:lock)", lock=LOCK)


async def known(work: Work, places: Collection[RatePlace]) -> dict[RatePlace, Decimal]:
    """Returns the rates that stand at these places."""
    wanted = sorted(places)
    rows = await work.rows(
        """
        SELECT DISTINCT ON (r.base, r.quote, r.day) r.base, r.quote, r.day, r.rate
          FROM rates r
          JOIN unnest(CAST(:bases AS text[]), CAST(:quotes AS text[]), CAST(:days AS date[])) AS w(base, quote, day)
         USING (base, quote, day)
         ORDER BY r.base, r.quote, r.day, r.id DESC
        """,
        bases=[one.base for one in wanted],
        quotes=[one.quote for one in wanted],
        days=[one.day for one in wanted],
    )
    return {RatePlace(row.base, row.quote, row.day): row.rate for row in rows}


async def add(work: Work, stated: Mapping[RatePlace, Decimal], *, by: str) -> None:
    """Adds statements."""
    rows = sorted(stated.items())
    await work.run(
        """
        INSERT INTO rates (base, quote, day, rate, stated_at, stated_by)
        SELECT base, quote, day, rate, :now, :by
          FROM unnest(CAST(:bases AS text[]), CAST(:quotes AS text[]), CAST(:days AS date[]),
                      CAST(:rates AS numeric[])) WITH ORDINALITY AS n(base, quote, day, rate, line)
         ORDER BY line
        """,
        now=work.now,
        by=by,
        bases=[place.base for place, _ in rows],
        quotes=[place.quote for place, _ in rows],
        days=[place.day for place, _ in rows],
        rates=[rate for _, rate in rows],
    )


async def of_year(work: Work, base: str, quote: str, year: int) -> PublishedRates:
    """Returns all rates of a pair in a year, as they stand."""
    rows = await work.rows(
        """
        SELECT DISTINCT ON (day) day, rate, max(id) OVER () AS version
          FROM rates
         WHERE base = :base AND quote = :quote AND day >= :first AND day <= :last
         ORDER BY day, id DESC
        """,
        base=base,
        quote=quote,
        first=date(year, 1, 1),
        last=date(year, 12, 31),
    )
    return PublishedRates(version=rows[0].version if rows else 0, rates={row.day: row.rate for row in rows})


async def keys(work: Work) -> Sequence[tuple[str, str, int]]:
    """Returns every pair and year of which there are rates."""
    rows = await work.rows(
        "SELECT DISTINCT base, quote, CAST(extract(year FROM day) AS integer) AS year FROM rates ORDER BY 1, 2, 3"
    )
    return [(row.base, row.quote, row.year) for row in rows]


async def page(
    work: Work,
    *,
    base: str | None,
    quote: str | None,
    since: date | None,
    until: date | None,
    after: tuple[str, str, date] | None,
    limit: int,
) -> list[RateRow]:
    """Returns rates as they stand, by base, quote and day: those of a base, of a quote, of some days, or all."""
    rows = await work.rows(
        """
        SELECT DISTINCT ON (base, quote, day) base, quote, day, rate, stated_at, stated_by
          FROM rates
         WHERE (CAST(:base AS text) IS NULL OR base = :base)
           AND (CAST(:quote AS text) IS NULL OR quote = :quote)
           AND (CAST(:since AS date) IS NULL OR day >= :since)
           AND (CAST(:until AS date) IS NULL OR day <= :until)
           AND (CAST(:after_base AS text) IS NULL OR (base, quote, day) > (:after_base, :after_quote, :after_day))
         ORDER BY base, quote, day, id DESC
         LIMIT :limit
        """,
        base=base,
        quote=quote,
        since=since,
        until=until,
        after_base=after[0] if after else None,
        after_quote=after[1] if after else None,
        after_day=after[2] if after else None,
        limit=limit,
    )
    return [RateRow(**row._mapping) for row in rows]
