"""SQL on what is known of customers: what profile says, what they were put into, and all that conditions ask for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from services.segment.domain.conditions.customer import Customer, Date, Happening, Occurrence
from shared.database.database import Work
from shared.database.rows import Json, arrays, columns, rows_as, unnest, values


class CustomerRow(msgspec.Struct, kw_only=True):
    """What profile says of a customer, as stored."""

    profile_id: UUID
    version: int
    zone: str = "UTC"
    language: str = ""
    traits: Json = Json("{}")
    dates: Json = Json("{}")
    identities: Json = Json("{}")
    consents: Json = Json("{}")
    orders: int = 0
    spend_minor: Json = Json("{}")
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None


class StandingColumns(msgspec.Struct, kw_only=True):
    """Where a customer stands, as conditions ask for it."""

    profile_id: UUID
    tier: str
    stage: str
    recency: int | None
    frequency: int | None
    monetary: int | None


# Numbers of customers' own documents are exact: PostgreSQL compares them so, too.
_plain: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_dates: Final = msgspec.json.Decoder(dict[str, tuple[Date, ...]]).decode
_texts: Final = msgspec.json.Decoder(dict[str, tuple[str, ...]]).decode
_flags: Final = msgspec.json.Decoder(dict[str, bool]).decode
_amounts: Final = msgspec.json.Decoder(dict[str, int]).decode


async def save_newer(work: Work, rows: Sequence[CustomerRow]) -> dict[UUID, CustomerRow]:
    """Stores what is newer than what is stored; returns what was stored of those customers before, if anything."""
    before = await stored(work, (one.profile_id for one in rows))
    ascending = sorted(rows, key=_profile_id)
    newer = [one for one in ascending if one.profile_id not in before or before[one.profile_id].version < one.version]
    names = CustomerRow.__struct_fields__
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != "profile_id")
    await work.run(
        f"""
        INSERT INTO customers AS c ({", ".join(names)})
        SELECT {values(CustomerRow, "n")}
          FROM {unnest(CustomerRow, "n")}
            ON CONFLICT (profile_id)
            DO UPDATE SET {changes}
         WHERE c.version < excluded.version
        """,
        **arrays(newer, CustomerRow),
    )
    return {
        one.profile_id: before.get(one.profile_id, CustomerRow(profile_id=one.profile_id, version=-1)) for one in newer
    }


def _profile_id(row: CustomerRow) -> UUID:
    return row.profile_id


async def stored(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, CustomerRow]:
    """Returns what is stored of these customers, as far as anything is."""
    found = await rows_as(
        work,
        CustomerRow,
        f"SELECT {columns(CustomerRow)} FROM customers WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(set(profile_ids)),
    )
    return {one.profile_id: one for one in found}


async def remove(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Deletes what is stored of these customers."""
    await work.run("DELETE FROM customers WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=sorted(set(profile_ids)))


async def load(work: Work, profile_ids: Iterable[UUID], *, events: Iterable[str]) -> dict[UUID, Customer]:
    """Returns these customers with the histories of these events, and all else that conditions may ask for."""
    ids = sorted(set(profile_ids))
    found = {one: Customer(profile_id=one) for one in ids}
    for profile_id, row in (await stored(work, ids)).items():
        _apply(found[profile_id], row)
    standings = await rows_as(
        work,
        StandingColumns,
        f"SELECT {columns(StandingColumns)} FROM standings WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=ids,
    )
    for one in standings:
        _stand(found[one.profile_id], one)
    names = sorted(set(events))
    if names:
        await _load_histories(work, found, names)
    await _load_belongings(work, found)
    return found


async def _load_histories(work: Work, found: Mapping[UUID, Customer], names: Sequence[str]) -> None:
    histories: dict[UUID, dict[str, list[Happening]]] = {}
    for row in await work.rows(
        """
        SELECT profile_id, name, at, CAST(properties AS text) AS properties, event_id
          FROM history
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND name = ANY(CAST(:names AS text[]))
         ORDER BY profile_id, name, at, event_id
        """,
        ids=list(found),
        names=names,
    ):
        properties: Mapping[str, Any] = {} if row.properties == "{}" else _plain(row.properties)
        of = histories.setdefault(row.profile_id, {}).setdefault(row.name, [])
        of.append(Happening(row.at, properties, row.event_id))
    for profile_id, history in histories.items():
        found[profile_id].history = history


async def _load_belongings(work: Work, found: Mapping[UUID, Customer]) -> None:
    """Loads counts for ever, tags, lists and memberships, in one statement."""
    parts: dict[UUID, dict[str, dict[str, Any]]] = {}
    for row in await work.rows(
        """
        SELECT profile_id, 'occurrences' AS kind, name, times, first_at, last_at
          FROM occurrences
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
         UNION ALL
        SELECT profile_id, 'tags', tag, 0, NULL, expires_at
          FROM customer_tags
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND set
         UNION ALL
        SELECT profile_id, 'lists', list_id, 0, NULL, expires_at
          FROM list_members
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND member
         UNION ALL
        SELECT profile_id, 'segments', segment_id, 0, NULL, NULL
          FROM memberships
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND member
        """,
        ids=list(found),
    ):
        value: Any = row.last_at
        if row.kind == "occurrences":
            value = Occurrence(row.times, row.first_at, row.last_at)
        parts.setdefault(row.profile_id, {}).setdefault(row.kind, {})[row.name] = value
    for profile_id, part in parts.items():
        customer = found[profile_id]
        customer.occurrences = part.get("occurrences", {})
        customer.tags = part.get("tags", {})
        customer.lists = part.get("lists", {})
        customer.segments = frozenset(part.get("segments", ()))


def _apply(customer: Customer, row: CustomerRow) -> None:
    customer.zone, customer.language = row.zone, row.language
    customer.traits = _plain(row.traits)
    customer.dates = _dates(row.dates)
    customer.identities = _texts(row.identities)
    customer.consents = _flags(row.consents)
    customer.orders, customer.spend_minor = row.orders, _amounts(row.spend_minor)
    customer.first_seen, customer.last_seen = row.first_seen, row.last_seen
    customer.first_order_at, customer.last_order_at = row.first_order_at, row.last_order_at


def _stand(customer: Customer, row: StandingColumns) -> None:
    customer.tiers, customer.stage = {"default": row.tier}, row.stage
    scores = {"recency": row.recency, "frequency": row.frequency, "monetary": row.monetary}
    customer.scores = {name: score for name, score in scores.items() if score is not None}
