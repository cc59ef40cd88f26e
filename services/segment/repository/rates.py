"""SQL on exchange rates, a copy of profile's."""

from collections.abc import Collection, Sequence

import msgspec

from shared.database.database import Work
from shared.database.rows import Json, arrays, columns, rows_as, unnest, values


class RatesRow(msgspec.Struct, kw_only=True):
    """All rates of a pair of currencies in a year, by day."""

    key: str
    version: int
    base: str
    quote: str
    rates: Json


async def save(work: Work, rows: Sequence[RatesRow]) -> None:
    """Stores these, each where it is newer than what is here. No two have one key."""
    await work.run(
        f"""
        INSERT INTO rates AS r ({", ".join(RatesRow.__struct_fields__)})
        SELECT {values(RatesRow, "n")}
          FROM {unnest(RatesRow, "n")}
         ORDER BY key
            ON CONFLICT (key)
            DO UPDATE SET version = excluded.version, base = excluded.base, quote = excluded.quote,
                          rates = excluded.rates
         WHERE r.version < excluded.version
        """,
        **arrays(rows, RatesRow),
    )


async def of_currencies(work: Work, currencies: Collection[str]) -> list[RatesRow]:
    """Returns all rates from or to these currencies."""
    return await rows_as(
        work,
        RatesRow,
        f"""
        SELECT {columns(RatesRow)}
          FROM rates
         WHERE base = ANY(CAST(:currencies AS text[])) OR quote = ANY(CAST(:currencies AS text[]))
        """,
        currencies=sorted(currencies),
    )


async def every(work: Work) -> list[RatesRow]:
    """Returns all rates."""
    return await rows_as(work, RatesRow, f"SELECT {columns(RatesRow)} FROM rates")


async def fingerprint(work: Work) -> str:
    """Returns a text that is another one whenever any rate is."""
    row = await work.row(
        "SELECT md5(coalesce(string_agg(key || md5(rates::text), ',' ORDER BY key), '')) AS md5 FROM rates"
    )
    assert row is not None
    return str(row.md5)


async def known(work: Work, keys: Collection[str]) -> dict[str, str]:
    """Returns the rates that are stored under these keys, as they stand there."""
    rows = await work.rows(
        "SELECT key, CAST(rates AS text) AS rates FROM rates WHERE key = ANY(CAST(:keys AS text[]))", keys=sorted(keys)
    )
    return {row.key: row.rates for row in rows}
