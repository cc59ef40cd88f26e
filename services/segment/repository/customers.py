"""SQL on what is known of customers: what profile says, what they were put into, and all that conditions ask for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from services.segment.domain.conditions.customer import Customer, Date, Happening, Occurrence
from shared.database.database import Work, moments_sent
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
    rfm_group: str | None
    abc: str | None
    key_customer: bool


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


class Need(NamedTuple):
    """What conditions ask of one customer: parts of what is known, and histories of events, by name.

    Of the histories in `details` they ask more than when the events happened.
    """

    parts: frozenset[str]
    events: frozenset[str]
    details: frozenset[str]


EVERYTHING: Final = frozenset({"profile", "standing", "occurrences", "belongings", "segments"})
"""The parts of what is known of a customer, beside histories."""


async def load(work: Work, profile_ids: Iterable[UUID], *, events: Iterable[str]) -> dict[UUID, Customer]:
    """Returns these customers with the histories of these events, and all else that conditions may ask for."""
    names = frozenset(events)
    need = Need(EVERYTHING, names, details=names)
    return await load_needed(work, dict.fromkeys(profile_ids, need))


async def load_needed(work: Work, needs: Mapping[UUID, Need]) -> dict[UUID, Customer]:
    """Returns customers, each with what is needed of it; what is not needed looks as if nothing were known."""
    found = {one: Customer(profile_id=one) for one in sorted(needs)}

    def who(part: str) -> list[UUID]:
        return [one for one in found if part in needs[one].parts]

    if ids := who("profile"):
        for profile_id, row in (await stored(work, ids)).items():
            _apply(found[profile_id], row)
    if ids := who("standing"):
        for one in await rows_as(
            work,
            StandingColumns,
            f"SELECT {columns(StandingColumns)} FROM standings WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
            ids=ids,
        ):
            _stand(found[one.profile_id], one)
    await _load_histories(work, found, needs)
    if ids := who("occurrences"):
        await _load_occurrences(work, found, ids)
    if ids := who("belongings"):
        await _load_belongings(work, found, ids)
    if ids := who("segments"):
        await _load_segments(work, found, ids)
    return found


_Histories = dict[UUID, dict[str, Sequence[Happening]]]


async def _load_histories(work: Work, found: Mapping[UUID, Customer], needs: Mapping[UUID, Need]) -> None:
    histories: _Histories = {}
    if pairs := [(one, name) for one in found for name in needs[one].events - needs[one].details]:
        await _load_moments(work, histories, pairs)
    if pairs := [(one, name) for one in found for name in needs[one].details]:
        await _load_details(work, histories, pairs)
    for profile_id, history in histories.items():
        found[profile_id].history = history


async def _load_moments(work: Work, histories: _Histories, pairs: Sequence[tuple[UUID, str]]) -> None:
    """Loads when events happened, a history in one value: most conditions ask for nothing else."""
    for n, moments in await work.rows(
        """
        SELECT w.n, string_agg(timestamptz_send(h.at), CAST('' AS bytea) ORDER BY h.at)
          FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) WITH ORDINALITY AS w(profile_id, name, n)
          JOIN history h ON h.profile_id = w.profile_id AND h.name = w.name
         GROUP BY w.n
        """,
        ids=[one for one, _ in pairs],
        names=[name for _, name in pairs],
    ):
        profile_id, name = pairs[n - 1]
        histories.setdefault(profile_id, {})[name] = [Happening(at) for at in moments_sent(moments)]


async def _load_details(work: Work, histories: _Histories, pairs: Sequence[tuple[UUID, str]]) -> None:
    several: dict[tuple[UUID, str], list[Happening]] = {}
    for profile_id, name, at, properties in await work.rows(
        """
        SELECT h.profile_id, h.name, h.at, CAST(nullif(h.properties, '{}') AS text)
          FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) AS w(profile_id, name)
          JOIN history h ON h.profile_id = w.profile_id AND h.name = w.name
         ORDER BY h.profile_id, h.name, h.at, h.event_id
        """,
        ids=[one for one, _ in pairs],
        names=[name for _, name in pairs],
    ):
        of = several.setdefault((profile_id, name), [])
        of.append(Happening(at, {} if properties is None else _plain(properties)))
    for (profile_id, name), happenings in several.items():
        histories.setdefault(profile_id, {})[name] = happenings


async def _load_occurrences(work: Work, found: Mapping[UUID, Customer], ids: Sequence[UUID]) -> None:
    several: dict[UUID, dict[str, Occurrence]] = {}
    for row in await work.rows(
        """
        SELECT profile_id, name, times, first_at, last_at
          FROM occurrences
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=ids,
    ):
        several.setdefault(row.profile_id, {})[row.name] = Occurrence(row.times, row.first_at, row.last_at)
    for profile_id, occurrences in several.items():
        found[profile_id].occurrences = occurrences


async def _load_belongings(work: Work, found: Mapping[UUID, Customer], ids: Sequence[UUID]) -> None:
    """Loads tags and lists, in one statement."""
    parts: dict[UUID, dict[str, dict[str, datetime | None]]] = {}
    for row in await work.rows(
        """
        SELECT profile_id, 'tags' AS kind, tag AS name, expires_at
          FROM customer_tags
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND set
         UNION ALL
        SELECT profile_id, 'lists', list_id, expires_at
          FROM list_members
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND member
        """,
        ids=ids,
    ):
        parts.setdefault(row.profile_id, {}).setdefault(row.kind, {})[row.name] = row.expires_at
    for profile_id, part in parts.items():
        found[profile_id].tags = part.get("tags", {})
        found[profile_id].lists = part.get("lists", {})


async def _load_segments(work: Work, found: Mapping[UUID, Customer], ids: Sequence[UUID]) -> None:
    several: dict[UUID, set[str]] = {}
    for row in await work.rows(
        "SELECT profile_id, segment_id FROM memberships WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND member",
        ids=ids,
    ):
        several.setdefault(row.profile_id, set()).add(row.segment_id)
    for profile_id, segments in several.items():
        found[profile_id].segments = frozenset(segments)


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
    classes = {"rfm_group": row.rfm_group, "abc": row.abc, "key_customer": "yes" if row.key_customer else None}
    customer.classes = {name: one for name, one in classes.items() if one is not None}
