"""SQL on contacts and standings."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from services.campaign.domain.channels.registry import CAPABILITIES
from services.campaign.domain.contact import Contact
from services.campaign.domain.journey.run import Customer
from shared.contracts.changes import DatedFact, ProfileChanged
from shared.database.database import Work
from shared.database.rows import Json, arrays, unnest, values


class _StoredContact(msgspec.Struct, frozen=True, kw_only=True):
    profile_id: UUID
    version: int
    email: str | None
    first_name: str
    name: str
    language: str
    country: str
    consent: Json
    orders: int
    spend_minor: Json
    phone: str | None
    time_zone: str
    facts: Json


class _StoredStanding(msgspec.Struct, frozen=True, kw_only=True):
    profile_id: UUID
    kind: str
    version: int
    value: str


async def upsert_contacts(work: Work, found: Sequence[tuple[ProfileChanged, Contact]]) -> None:
    """Keeps each state that is newer than what is here, of profiles that were not merged away. One per profile."""
    rows = [
        _StoredContact(
            profile_id=contact.profile_id,
            version=state.version,
            email=contact.email,
            first_name=contact.first_name,
            name=contact.name,
            language=contact.language,
            country=contact.country,
            consent=_json(contact.consent),
            orders=state.orders,
            spend_minor=_json(state.spend_minor),
            phone=contact.phone,
            time_zone=contact.time_zone,
            facts=_json(contact.facts),
        )
        for state, contact in sorted(found, key=lambda pair: pair[0].profile_id)
    ]
    await work.run(
        _newer("contacts", _StoredContact, key=("profile_id",)),
        **arrays(rows, _StoredContact),
    )


async def lock_contacts(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Contact]:
    """Returns the contacts of these customers, held in sorted order until the transaction ends."""
    rows = await work.rows(
        """
        SELECT c.profile_id, c.email, c.consent, c.first_name, c.name, c.language, c.country,
               ARRAY(
                   SELECT s.channel
                     FROM suppressions s
                    WHERE s.channel = ANY(CAST(:channels AS text[])) AND s.address IN (c.email, c.phone)
               ) AS suppressed,
               c.phone, c.time_zone
          FROM contacts c
         WHERE c.profile_id = ANY(CAST(:profile_ids AS uuid[]))
         ORDER BY c.profile_id
           FOR NO KEY UPDATE OF c
        """,
        profile_ids=sorted(set(profile_ids)),
        channels=sorted(CAPABILITIES),
    )
    return {row.profile_id: Contact(*row) for row in rows}


async def walkers(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Customer]:
    """Returns of these customers what journeys ask about: zone, language and dated facts."""
    rows = await work.rows(
        """
        SELECT profile_id, time_zone, language, CAST(facts AS text) AS facts
          FROM contacts
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=sorted(set(profile_ids)),
    )
    return {
        row.profile_id: Customer(
            time_zone=row.time_zone or "UTC",
            language=row.language,
            facts=msgspec.json.decode(row.facts, type=tuple[DatedFact, ...]),
        )
        for row in rows
    }


async def forget(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Deletes what is derived about profiles that stand for nobody any more."""
    ids = sorted(set(profile_ids))
    for table in ("contacts", "standings", "memberships", "date_entries"):
        await work.run(
            f"""
            DELETE FROM {table}
             WHERE profile_id IN (
                   SELECT profile_id
                     FROM {table}
                    WHERE profile_id = ANY(CAST(:ids AS uuid[]))
                    ORDER BY profile_id
                      FOR UPDATE
                   )
            """,
            ids=ids,
        )


async def standings(work: Work, profile_ids: Iterable[UUID]) -> dict[tuple[UUID, str], tuple[int, str]]:
    """Returns by (profile, kind) the newest version that came, and its value."""
    rows = await work.rows(
        """
        SELECT profile_id, kind, version, value
          FROM standings
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=sorted(set(profile_ids)),
    )
    return {(row.profile_id, row.kind): (row.version, row.value) for row in rows}


async def upsert_standings(work: Work, found: Mapping[tuple[UUID, str], tuple[int, str]]) -> None:
    """Keeps each standing that is newer than what is here, of profiles that were not merged away."""
    rows = [
        _StoredStanding(profile_id=profile_id, kind=kind, version=version, value=value)
        for (profile_id, kind), (version, value) in sorted(found.items())
    ]
    await work.run(
        _newer("standings", _StoredStanding, key=("profile_id", "kind")),
        **arrays(rows, _StoredStanding),
    )


def _newer(table: str, row: type[msgspec.Struct], *, key: tuple[str, ...]) -> str:
    """Returns the statement that stores rows of a higher version than is here, of profiles that stand for somebody."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in row.__struct_fields__ if name not in key)
    return f"""
        INSERT INTO {table} ({", ".join(row.__struct_fields__)})
        SELECT {values(row, "n")}
          FROM {unnest(row, "n")}
         WHERE NOT EXISTS (SELECT 1 FROM profile_aliases a WHERE a.profile_id = n.profile_id)
            ON CONFLICT ({", ".join(key)})
            DO UPDATE SET {changes}
         WHERE {table}.version < excluded.version
        """


def _json(value: Any) -> Json:
    return Json(msgspec.json.encode(value).decode())
