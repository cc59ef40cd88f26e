"""SQL on sources and their keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.database.database import Work
from shared.database.rows import columns, row_as, rows_as


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator defines of a source, checked. Field names are column names."""

    name: str
    kind: str = "server"
    format: str = "tracking"
    allow_orders: bool = False
    allowed_origins: Sequence[str] = ()
    events_per_second: int | None = None
    ce_source: str | None = None
    renaming: dict[str, Any] | None = None
    mapping: dict[str, Any] | None = None
    secret: bytes | None = None
    may_say: Sequence[str] = ()
    consent_words: str | dict[str, Any] | None = None
    country: str | None = None
    id_space: str = ""
    max_batch_bytes: int | None = None
    max_event_bytes: int | None = None

    @property
    def has_secret(self) -> bool:
        """Whether it has a secret, which nobody is shown."""
        return self.secret is not None


class SourceRow(Definition, frozen=True, kw_only=True):
    """A source's row."""

    id: UUID
    plan_version: int | None
    version: int
    created_at: datetime
    disabled_at: datetime | None
    last_seen_at: datetime | None


class StoredSource(SourceRow, frozen=True, kw_only=True):
    """A source, with its plan in force."""

    plan: dict[str, Any] | None


class KeyedSource(StoredSource, frozen=True, kw_only=True):
    """A source, and until when the key works by which it was found."""

    key_expires_at: datetime | None


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that works: of which source it is, when it was made, and when it ends."""

    source_id: UUID
    created_at: datetime
    expires_at: datetime | None


_CASTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("allowed_origins", "may_say"), "text[]"),
    **dict.fromkeys(("renaming", "mapping", "consent_words"), "jsonb"),
}
_VALUES: Final[Mapping[str, str]] = {
    name: f"CAST(:{name} AS {_CASTS[name]})" if name in _CASTS else f":{name}" for name in Definition.__struct_fields__
}
_PLANNED: Final = f"""
        SELECT {columns(SourceRow, "s")}, p.document AS plan
          FROM sources s
          LEFT JOIN plans p ON (p.source_id, p.version) = (s.id, s.plan_version)
"""


async def insert(work: Work, source_id: UUID, key_hash: bytes, definition: Definition) -> bool:
    """Stores a source with its first key (a trigger keeps it). Returns False if its name is taken."""
    row = await work.row(
        f"""
        INSERT INTO sources (id, key_hash, created_at, {", ".join(_VALUES)})
        VALUES (:id, :key_hash, :now, {", ".join(_VALUES.values())})
            ON CONFLICT (name) DO NOTHING
        RETURNING id
        """,
        id=source_id,
        key_hash=key_hash,
        now=work.now,
        **_parameters(definition),
    )
    return row is not None


async def update(work: Work, source_id: UUID, version: int, definition: Definition) -> bool:
    """Stores an edited source, one version up. Returns False if another edit came first."""
    changed = await work.run(
        f"""
        UPDATE sources
           SET {", ".join(f"{name} = {value}" for name, value in _VALUES.items())}, version = version + 1
         WHERE id = :id AND version = :version
        """,
        id=source_id,
        version=version,
        **_parameters(definition),
    )
    return changed == 1


def _parameters(definition: Definition) -> dict[str, Any]:
    documents = {name: _json(getattr(definition, name)) for name, kind in _CASTS.items() if kind == "jsonb"}
    return {
        **{name: getattr(definition, name) for name in Definition.__struct_fields__},
        **documents,
        "allowed_origins": sorted(definition.allowed_origins),
        "may_say": sorted(set(definition.may_say)),
    }


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


async def by_key(work: Work, key_hash: bytes) -> KeyedSource | None:
    """Returns the source that a key belongs to, with its plan, unless it is disabled or the key has expired."""
    return await row_as(
        work,
        KeyedSource,
        f"""
        SELECT k.expires_at AS key_expires_at, s.*
          FROM ({_PLANNED}) s
          JOIN write_keys k ON k.source_id = s.id
         WHERE k.key_hash = :key_hash
           AND s.disabled_at IS NULL
           AND (k.expires_at IS NULL OR k.expires_at > :now)
        """,
        key_hash=key_hash,
        now=work.now,
    )


async def by_id(work: Work, source_id: UUID) -> StoredSource | None:
    """Returns one source, with its plan."""
    return await row_as(work, StoredSource, f"{_PLANNED} WHERE s.id = :id", id=source_id)


async def by_ce_sources(work: Work, names: Sequence[str]) -> Sequence[StoredSource]:
    """Returns the sources of these CloudEvents sources, with their plans, unless they are disabled."""
    return await rows_as(
        work,
        StoredSource,
        f"{_PLANNED} WHERE s.ce_source = ANY(CAST(:names AS text[])) AND s.disabled_at IS NULL",
        names=list(names),
    )


async def every(work: Work) -> Sequence[StoredSource]:
    """Returns every source, by name."""
    return await rows_as(work, StoredSource, f"{_PLANNED} ORDER BY s.name")


async def by_name(work: Work, name: str) -> UUID | None:
    """Returns the id of the source of this name."""
    row = await work.row("SELECT id FROM sources WHERE name = :name", name=name)
    return None if row is None else row.id


async def set_disabled(work: Work, source_id: UUID, *, disabled: bool) -> None:
    """Stops a source's keys from working, or lets them work again; the first time stays noted."""
    await work.run(
        """
        UPDATE sources
           SET disabled_at = CASE WHEN CAST(:disabled AS boolean) THEN coalesce(disabled_at, :now) END,
               version = version + 1
         WHERE id = :id AND (disabled_at IS NULL) = CAST(:disabled AS boolean)
        """,
        id=source_id,
        disabled=disabled,
        now=work.now,
    )


async def delete(work: Work, source_id: UUID) -> bool:
    """Deletes a source that never sent anything. Returns False if it did."""
    used = await work.row(
        """
        SELECT 1
          FROM sources s
         WHERE id = :id
           AND (
               last_seen_at IS NOT NULL
               OR EXISTS (SELECT 1 FROM quarantine WHERE source_id = s.id)
               OR EXISTS (SELECT 1 FROM source_figures WHERE source_id = s.id)
               OR EXISTS (SELECT 1 FROM imports WHERE source_id = s.id)
               )
        """,
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
        """
        UPDATE write_keys SET expires_at = least(expires_at, :at)
         WHERE source_id = :id AND key_hash <> :but AND (expires_at IS NULL OR expires_at > :now)
        """,
        id=source_id,
        at=at,
        but=but,
        now=work.now,
    )


async def keys(work: Work, source_ids: Sequence[UUID]) -> Sequence[StoredKey]:
    """Returns the keys of these sources that still work: when each was made, and when it ends."""
    return await rows_as(
        work,
        StoredKey,
        f"""
        SELECT {columns(StoredKey)}
          FROM write_keys
         WHERE source_id = ANY(CAST(:ids AS uuid[])) AND (expires_at IS NULL OR expires_at > :now)
         ORDER BY source_id, created_at, expires_at
        """,
        ids=list(source_ids),
        now=work.now,
    )
