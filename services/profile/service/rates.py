"""Exchange rates: stated by people or their systems, never changed, published whole per pair and year."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from services.profile.domain import rates as domain
from services.profile.domain.rates import RatePlace
from services.profile.repository import rates as repository
from services.profile.repository.rates import RateRow
from services.profile.service.fold import SOURCE
from shared import audit
from shared.audit import Actor
from shared.contracts import topics
from shared.contracts.envelope import Event, SourceKind, derived_id
from shared.contracts.reference import DatedRate, RatesPublished, rates_key
from shared.database.database import Work

TOLD_KEYS: Final = 50  # named in the audit log's entry
_OF_RATES: Final = UUID("8c1d5c0e-59f3-5d0a-9f0b-5a0b9d6f8e21")  # what the ids of what is published are derived from


class RatesStated(NamedTuple):
    """What became of the rates of a request."""

    added: int
    corrected: int
    unchanged: int


async def state(work: Work, by: Actor, rates: Iterable[tuple[RatePlace, Decimal]]) -> RatesStated:
    """Adds what is new among these rates, and publishes their pairs' rates of those years.

    The same rates again change nothing. Raises `Invalid`.
    """
    wanted = domain.stated(rates, work.now.date())
    await repository.lock(work)
    known = await repository.known(work, wanted)
    changed = domain.changed(wanted, known)
    if changed:
        await repository.add(work, changed, by=by.subject)
        await _publish(work, {(one.base, one.quote, one.day.year) for one in changed})
    corrected = sum(place in known for place in changed)
    found = RatesStated(len(changed) - corrected, corrected, len(wanted) - len(changed))
    if changed:
        await audit.record(work, by, "rates.stated", "rates", _names(changed), {**found._asdict()})
    return found


def _names(changed: Mapping[RatePlace, Decimal]) -> str:
    keys = sorted({place.key for place in changed})
    return " ".join(keys[:TOLD_KEYS]) + (f" and {len(keys) - TOLD_KEYS} more" if len(keys) > TOLD_KEYS else "")


async def publish_all(work: Work) -> int:
    """Publishes all rates again, for readers of a topic that has lost them. Returns how many keys there are."""
    await repository.lock(work)
    keys = await repository.keys(work)
    await _publish(work, keys)
    return len(keys)


async def _publish(work: Work, keys: Iterable[tuple[str, str, int]]) -> None:
    published: list[tuple[bytes, Event]] = []
    for base, quote, year in sorted(keys):
        found = await repository.of_year(work, base, quote, year)
        key = rates_key(base, quote, year)
        body = RatesPublished(
            key=key,
            version=found.version,
            base=base,
            quote=quote,
            year=year,
            rates=tuple(DatedRate(day=day.isoformat(), rate=domain.text_of(one)) for day, one in found.rates.items()),
        )
        event = Event(
            event_id=derived_id(_OF_RATES, "RatesPublished", key, found.version),
            source_id=SOURCE,
            source_kind=SourceKind.SERVICE,
            occurred_at=work.now,
            received_at=work.now,
            body=body,
        )
        published.append((key.encode(), event))
    await work.outbox.add(topics.REFERENCE, published)


async def page(
    work: Work,
    *,
    base: str | None,
    quote: str | None,
    since: date | None,
    until: date | None,
    after: tuple[str, str, date] | None,
    limit: int,
) -> Sequence[RateRow]:
    """Returns rates as they stand, by base, quote and day."""
    return await repository.page(work, base=base, quote=quote, since=since, until=until, after=after, limit=limit)
