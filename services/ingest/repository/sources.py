"""SQL on sources and their keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.database.database import Work

_COLUMNS = (
    "s.id, s.name, s.kind, s.format, s.allow_orders, s.allowed_origins, s.events_per_second, s.ce_source, s.renaming, "
    "s.mapping, s.may_say, s.consent_words, s.country, s.id_space, s.max_batch_bytes, s.max_event_bytes, "
    "s.plan_version, s.version, s.created_at, s.disabled_at, s.last_seen_at, s.secret"
)
_PLANNED = (
    f"{_COLUMNS}, p.document AS plan FROM sources s "
    "LEFT JOIN plans p ON (p.source_id, p.version) = (s.id, s.plan_version)"
)
Row = Mapping[str, Any]


async def insert(work: Work, source_id: UUID, key_hash: bytes, definition: Row) -> bool:
    """Stores a source with its first key (a trigger keeps it). Returns False if its name is taken."""
    row = await work.row(
        "INSERT INTO sources (id, name, kind, key_hash, allow_orders, format, secret, allowed_origins, "
        "events_per_second, ce_source, renaming, mapping, may_say, consent_words, country, id_space, max_batch_bytes, "
        "max_event_bytes, created_at) "
        "VALUES (:id, :name, :kind, :key_hash, :allow_orders, :format, :secret, CAST(:allowed_origins AS text[]), "
        ":events_per_second, :ce_source, "
        "CAST(:renaming AS jsonb), CAST(:mapping AS jsonb), CAST(:may_say AS text[]), "
        "CAST(:consent_words AS jsonb), :country, :id_space, :max_batch_bytes, :max_event_bytes, :now) "
        "ON CONFLICT (name) DO NOTHING RETURNING id",
        id=source_id,
        key_hash=key_hash,
        now=work.now,
        **_parameters(definition),
    )
    return row is not None


async def update(work: Work, source_id: UUID, version: int, definition: Row) -> bool:
    """Stores an edited source, one version up. Returns False if another edit came first."""
    changed = await work.run(
        "UPDATE sources SET name = :name, kind = :kind, allow_orders = :allow_orders, format = :format, "
        "secret = :secret, allowed_origins = CAST(:allowed_origins AS text[]), "
        "events_per_second = :events_per_second, ce_source = :ce_source, renaming = CAST(:renaming AS jsonb), "
        "mapping = CAST(:mapping AS jsonb), may_say = CAST(:may_say AS text[]), "
        "consent_words = CAST(:consent_words AS jsonb), country = :country, id_space = :id_space, "
        "max_batch_bytes = :max_batch_bytes, max_event_bytes = :max_event_bytes, version = version + 1 "
        "WHERE id = :id AND version = :version",
        id=source_id,
        version=version,
        **_parameters(definition),
    )
    return changed == 1


def _parameters(definition: Row) -> dict[str, Any]:
    plain = ("name", "kind", "allow_orders", "format", "secret", "events_per_second", "ce_source", "country")
    limits = ("id_space", "max_batch_bytes", "max_event_bytes")
    documents = {name: _json(definition[name]) for name in ("renaming", "mapping", "consent_words")}
    return {
        **{name: definition[name] for name in (*plain, *limits)},
        **documents,
        "allowed_origins": sorted(definition["allowed_origins"]),
        "may_say": sorted(set(definition["may_say"])),
    }


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


async def by_key(work: Work, key_hash: bytes) -> Row | None:
    """Returns the source that a key belongs to, with its plan, unless it is disabled or the key has expired."""
    row = await work.row(
        f"SELECT k.expires_at AS key_expires_at, {_PLANNED} JOIN write_keys k ON k.source_id = s.id "
        "WHERE k.key_hash = :key_hash AND s.disabled_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > :now)",
        key_hash=key_hash,
        now=work.now,
    )
    return None if row is None else row._mapping


async def by_id(work: Work, source_id: UUID) -> Row | None:
    """Returns one source, with its plan."""
    row = await work.row(f"SELECT {_PLANNED} WHERE s.id = :id", id=source_id)
    return None if row is None else row._mapping


async def by_ce_sources(work: Work, names: Sequence[str]) -> Sequence[Row]:
    """Returns the sources of these CloudEvents sources, with their plans, unless they are disabled."""
    rows = await work.rows(
        f"SELECT {_PLANNED} WHERE s.ce_source = ANY(CAST(:names AS text[])) AND s.disabled_at IS NULL",
        names=list(names),
    )
    return [row._mapping for row in rows]


async def every(work: Work) -> Sequence[Row]:
    """Returns every source, by name."""
    return [row._mapping for row in await work.rows(f"SELECT {_PLANNED} ORDER BY s.name")]


async def by_name(work: Work, name: str) -> UUID | None:
    """Returns the id of the source of this name."""
    row = await work.row("SELECT id FROM sources WHERE name = :name", name=name)
    return None if row is None else row.id


async def set_disabled(work: Work, source_id: UUID, *, disabled: bool) -> None:
    """Stops a source's keys from working, or lets them work again; the first time stays noted."""
    await work.run(
        "UPDATE sources SET disabled_at = CASE WHEN CAST(:disabled AS boolean) THEN coalesce(disabled_at, :now) END, "
        "version = version + 1 WHERE id = :id AND (disabled_at IS NULL) = CAST(:disabled AS boolean)",
        id=source_id,
        disabled=disabled,
        now=work.now,
    )


async def delete(work: Work, source_id: UUID) -> bool:
    """Deletes a source that never sent anything. Returns False if it did."""
    used = await work.row(
        "SELECT 1 FROM sources s WHERE id = :id AND (last_seen_at IS NOT NULL "
        "OR EXISTS (SELECT 1 FROM quarantine WHERE source_id = s.id) "
        "OR EXISTS (SELECT 1 FROM source_figures WHERE source_id = s.id) "
        "OR EXISTS (SELECT 1 FROM imports WHERE source_id = s.id))",
        id=source_id,
    )
    if used is not None:
        return False
    for table in ("write_keys", "plans", "violations", "shapes", "tails"):
        await work.run(f"DELETE FROM {table} WHERE source_id = :id", id=source_id)
    await work.run("DELETE FROM sources WHERE id = :id", id=source_id)
    return True


async def lock(work: Work, source_id: UUID) -> bool:
    """Locks a source until the transaction ends. Returns False if there is no such source."""
    return await work.row("SELECT 1 FROM sources WHERE id = :id FOR UPDATE", id=source_id) is not None


async def add_key(work: Work, source_id: UUID, key_hash: bytes) -> None:
    """Gives a source one more key."""
    await work.run(
        "INSERT INTO write_keys (key_hash, source_id, created_at) VALUES (:key_hash, :id, :now)",
        key_hash=key_hash,
        id=source_id,
        now=work.now,
    )


async def expire_keys(work: Work, source_id: UUID, *, at: datetime, but: bytes) -> int:
    """Lets a source's other keys end at this moment, unless they end before. Returns how many."""
    return await work.run(
        "UPDATE write_keys SET expires_at = least(expires_at, :at) WHERE source_id = :id AND key_hash <> :but "
        "AND (expires_at IS NULL OR expires_at > :now)",
        id=source_id,
        at=at,
        but=but,
        now=work.now,
    )


async def keys(work: Work, source_ids: Sequence[UUID]) -> Sequence[Row]:
    """Returns the keys of these sources that still work: when each was made, and when it ends."""
    rows = await work.rows(
        "SELECT source_id, created_at, expires_at FROM write_keys WHERE source_id = ANY(CAST(:ids AS uuid[])) "
        "AND (expires_at IS NULL OR expires_at > :now) ORDER BY source_id, created_at",
        ids=list(source_ids),
        now=work.now,
    )
    return [row._mapping for row in rows]
