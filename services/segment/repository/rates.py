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
