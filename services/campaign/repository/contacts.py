"""SQL on contacts and standings."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from services.campaign.domain.contact import Contact
from shared.contracts.changes import ProfileChanged
from shared.database.database import Work


async def upsert_contacts(work: Work, found: Sequence[tuple[ProfileChanged, Contact]]) -> None:
    """Keeps each state that is newer than what is here, of profiles that were not merged away. One per profile."""
    ordered = sorted(found, key=lambda pair: pair[0].profile_id)
    await work.run(
        "INSERT INTO contacts (profile_id, version, email, first_name, name, language, country, consent, orders, "
        "spend_minor) SELECT t.profile_id, t.version, t.email, t.first_name, t.name, t.language, t.country, "
        "CAST(t.consent AS jsonb), t.orders, CAST(t.spend AS jsonb) "
        "FROM unnest(CAST(:profile_ids AS uuid[]), CAST(:versions AS bigint[]), CAST(:emails AS text[]), "
        "CAST(:first_names AS text[]), CAST(:names AS text[]), CAST(:languages AS text[]), "
        "CAST(:countries AS text[]), CAST(:consents AS text[]), CAST(:orders AS int[]), CAST(:spends AS text[])) "
        "AS t(profile_id, version, email, first_name, name, language, country, consent, orders, spend) "
        "WHERE NOT EXISTS (SELECT 1 FROM profile_aliases a WHERE a.profile_id = t.profile_id) "
        "ON CONFLICT (profile_id) DO UPDATE SET version = excluded.version, email = excluded.email, "
        "first_name = excluded.first_name, name = excluded.name, language = excluded.language, "
        "country = excluded.country, consent = excluded.consent, orders = excluded.orders, "
        "spend_minor = excluded.spend_minor WHERE contacts.version < excluded.version",
        profile_ids=[contact.profile_id for _, contact in ordered],
        versions=[state.version for state, _ in ordered],
        emails=[contact.email for _, contact in ordered],
        first_names=[contact.first_name for _, contact in ordered],
        names=[contact.name for _, contact in ordered],
        languages=[contact.language for _, contact in ordered],
        countries=[contact.country for _, contact in ordered],
        consents=[_json(contact.consent) for _, contact in ordered],
        orders=[state.orders for state, _ in ordered],
        spends=[_json(state.spend_minor) for state, _ in ordered],
    )


async def lock_contacts(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Contact]:
    """Returns the contacts of these customers, held in sorted order until the transaction ends."""
    rows = await work.rows(
        """
        SELECT c.profile_id, c.email, c.consent, c.first_name, c.name, c.language, c.country,
               EXISTS (SELECT FROM suppressions s WHERE s.channel = 'email' AND s.address = c.email) AS suppressed
          FROM contacts c
         WHERE c.profile_id = ANY(CAST(:profile_ids AS uuid[]))
         ORDER BY c.profile_id
           FOR NO KEY UPDATE OF c
        """,
        profile_ids=sorted(set(profile_ids)),
    )
    return {row.profile_id: Contact(*row) for row in rows}


async def forget(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Deletes what is derived about profiles that stand for nobody any more."""
    ids = sorted(set(profile_ids))
    for table in ("contacts", "standings"):
        await work.run(
            f"DELETE FROM {table} WHERE profile_id IN (SELECT profile_id FROM {table} "
            "WHERE profile_id = ANY(CAST(:ids AS uuid[])) ORDER BY profile_id FOR UPDATE)",
            ids=ids,
        )


async def standings(work: Work, profile_ids: Iterable[UUID]) -> dict[tuple[UUID, str], tuple[int, str]]:
    """Returns by (profile, kind) the newest version that came, and its value."""
    rows = await work.rows(
        "SELECT profile_id, kind, version, value FROM standings WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
        ids=sorted(set(profile_ids)),
    )
    return {(row.profile_id, row.kind): (row.version, row.value) for row in rows}


async def upsert_standings(work: Work, found: Mapping[tuple[UUID, str], tuple[int, str]]) -> None:
    """Keeps each standing that is newer than what is here, of profiles that were not merged away."""
    ordered = sorted(found.items())
    await work.run(
        "INSERT INTO standings (profile_id, kind, version, value) SELECT * FROM unnest(CAST(:profile_ids AS uuid[]), "
        "CAST(:kinds AS text[]), CAST(:versions AS bigint[]), CAST(:values AS text[])) "
        "AS t(profile_id, kind, version, value) "
        "WHERE NOT EXISTS (SELECT 1 FROM profile_aliases a WHERE a.profile_id = t.profile_id) "
        "ON CONFLICT (profile_id, kind) DO UPDATE SET version = excluded.version, value = excluded.value "
        "WHERE standings.version < excluded.version",
        profile_ids=[profile_id for (profile_id, _), _ in ordered],
        kinds=[kind for (_, kind), _ in ordered],
        versions=[version for _, (version, _) in ordered],
        values=[value for _, (_, value) in ordered],
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
