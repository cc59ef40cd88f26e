"""Exchange rates come in from profile, and are what money in several currencies is counted by."""

from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

import msgspec

from services.segment.domain.programmes.rates import Rates
from services.segment.repository import rates as repository
from services.segment.repository.programmes import versions as rollouts
from services.segment.repository.rates import RatesRow
from shared.contracts.envelope import Event
from shared.contracts.rates import RateTable, convert, rate_table
from shared.contracts.reference import RatesPublished, rates_key
from shared.database.database import Work
from shared.database.rows import Json
from shared.errors import Refused

_decode: Final = msgspec.json.Decoder(dict[str, str]).decode


async def on_rates_published(work: Work, events: Sequence[Event]) -> None:
    """Copies what profile publishes. Raises `Refused` for what is no rate of its pair and year."""
    newest: dict[str, RatesRow] = {}
    for event in events:
        if isinstance(event.body, RatesPublished):
            row = _row(event.body)
            known = newest.get(row.key)
            newest[row.key] = row if known is None or known.version < row.version else known
    if newest:
        before = await repository.known(work, newest)
        await repository.save(work, list(newest.values()))
        if await repository.known(work, newest) != before:
            await rollouts.look_again_for_rates(work)


def _row(body: RatesPublished) -> RatesRow:
    if body.key != rates_key(body.base, body.quote, body.year):
        raise Refused(f"data.key: {body.key[:60]!r} is not that of {body.base}/{body.quote} in {body.year}")
    by_day = {one.day: one.rate for one in body.rates}
    try:
        rate_table((body.base, body.quote, _day_of(day, body.year), Decimal(rate)) for day, rate in by_day.items())
    except ValueError as error:
        raise Refused(f"data.rates: {error}") from None
    return RatesRow(
        key=body.key,
        version=body.version,
        base=body.base,
        quote=body.quote,
        rates=Json(msgspec.json.encode(by_day).decode()),
    )


def _day_of(text: str, year: int) -> date:
    day = date.fromisoformat(text)
    if day.year != year:
        raise ValueError(f"{text} is not a day of {year}")
    return day


class Converter:
    """Converts by a table of rates."""

    def __init__(self, rates: RateTable) -> None:
        self._table = rates

    def convert(self, amount_minor: int, from_currency: str, to_currency: str, day: date) -> int | None:
        """Returns an amount in minor units of `to_currency`, at the rate of that day; None without a rate."""
        return convert(amount_minor, from_currency, to_currency, day, self._table)


# Of this process: a table is made once from what is stored, as making it takes as long as hundreds of looks.
_converters: Final[dict[str, Converter]] = {}


async def converter(work: Work) -> Rates:
    """Returns what converts by all rates that are stored."""
    fingerprint = await repository.fingerprint(work)
    if fingerprint not in _converters:
        made = Converter(_table_of(await repository.every(work)))
        _converters.clear()
        _converters[fingerprint] = made
    return _converters[fingerprint]


async def table(work: Work, currencies: Collection[str]) -> RateTable:
    """Returns the rates by which money of these currencies is converted among them, by way of a third one, too."""
    return _table_of(await repository.of_currencies(work, currencies))


def _table_of(rows: Sequence[RatesRow]) -> RateTable:
    return rate_table(
        (row.base, row.quote, date.fromisoformat(day), Decimal(rate))
        for row in rows
        for day, rate in _decode(row.rates).items()
    )
