"""Sources: created, changed, their keys rotated; and found by key, by id or by CloudEvents source."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import structs
from uuid_utils.compat import uuid7

from services.ingest.domain.definitions import consent, mapping, plan, renaming, write_key
from services.ingest.domain.definitions.consent import NO_WORDS, Words
from services.ingest.domain.definitions.mapping import Mapper
from services.ingest.domain.definitions.plan import NO_PLAN, Plan
from services.ingest.domain.definitions.renaming import NO_RENAMING, Renaming
from services.ingest.domain.definitions.source import MAX_BATCH_BYTES, MAX_EVENT_BYTES, MAX_GRACE, MAX_KEYS, Source
from services.ingest.domain.errors import BadDefinition, definition_of
from services.ingest.domain.formats.webhooks.registry import VENDORS
from services.ingest.domain.values import phone
from services.ingest.repository import sources as repository
from services.ingest.repository.sources import Definition, StoredKey, StoredSource
from services.ingest.service.vault import Vault
from shared import audit
from shared.audit import Actor, difference, digest
from shared.contracts.envelope import SourceKind
from shared.database.database import Work
from shared.errors import Conflict, Invalid, NotFound, PreconditionFailed

REMEMBERED_KEYS: Final = 1_024  # with their hashes: each takes as long as understanding an event
SECONDS_PER_HOUR: Final = 3600
SPACE_DIGITS: Final = 8  # of a source's id, at its random end, in the name of its space
MAX_REMEMBERED_KEY: Final = 128  # characters; no key is as long

# What the audit log shows of a source as it is.
PLAIN: Final = (
    *("name", "kind", "format", "allow_orders", "events_per_second", "ce_source", "country", "id_space"),
    *("max_batch_bytes", "max_event_bytes"),
)


class NameTaken(Conflict):
    """A source has this name already."""


class UnknownSource(NotFound):
    """There is no such source."""


class KeysInUse(Conflict):
    """Two keys of this source work already."""


class SourceUsed(Conflict):
    """This source has sent events; disable it instead."""


def hash_of(key: str) -> bytes:
    """Returns what is kept of a write key. Keys are long and random, so a plain hash can't be turned back."""
    return _remembered_hash(key) if len(key) <= MAX_REMEMBERED_KEY else _hash(key)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()


_remembered_hash: Final = lru_cache(REMEMBERED_KEYS)(_hash)


def new_key() -> str:
    """Returns a new write key."""
    return write_key.PREFIX + secrets.token_urlsafe(write_key.RANDOM_BYTES)


# Making and changing


async def create(work: Work, vault: Vault, fields: Mapping[str, Any], *, by: Actor) -> tuple[UUID, str]:
    """Creates a source of these fields of a `Definition`; its secret is a text.

    Returns its id and its write key, which is not kept. Raises `NameTaken` or `BadDefinition`.
    """
    source_id, key = uuid7(), new_key()
    made = _checked(vault, fields, None)
    if fields.get("id_space") is None:
        made = structs.replace(made, id_space=_space_of(made.format, source_id))
    if not await repository.insert(work, source_id, hash_of(key), made):
        raise NameTaken(f"source {made.name!r} exists")
    change = {"source": difference({}, _auditable(made))}
    await audit.record(work, by, "source.created", "source", source_id, change)
    return source_id, key


async def edit(
    work: Work, vault: Vault, source_id: UUID, *, version: int, changes: Mapping[str, Any], by: Actor
) -> StoredSource:
    """Changes fields of a source's definition. Returns the source.

    Raises `UnknownSource`, `PreconditionFailed`, `NameTaken` or `BadDefinition`.
    """
    known = await one(work, source_id)
    if known.version != version:
        raise PreconditionFailed(f"the source is at version {known.version} by now: read it again")
    other = await repository.by_name(work, changes.get("name", known.name))
    if other not in (None, source_id):
        raise NameTaken(f"source {changes['name']!r} exists")
    kept = None if "secret" in changes else known.secret
    fields = {**{name: getattr(known, name) for name in Definition.__struct_fields__}, **changes}
    if not await repository.update(work, source_id, version, _checked(vault, fields, kept)):
        raise PreconditionFailed("somebody changed the source meanwhile: read it again")
    changed = await one(work, source_id)
    change = {"source": difference(_auditable(known), _auditable(changed)), "new_secret": "secret" in changes}
    await audit.record(work, by, "source.changed", "source", source_id, change)
    return changed


def _auditable(source: Definition) -> Mapping[str, Any]:
    """Returns what the audit log shows of a source: digests of long documents, and only whether there is a secret."""
    return {
        **{name: getattr(source, name) for name in PLAIN},
        "allowed_origins": sorted(source.allowed_origins),
        "may_say": sorted(source.may_say),
        "consent_words": digest(source.consent_words),
        "renaming": digest(source.renaming),
        "mapping": digest(source.mapping),
        "has_secret": source.has_secret,
    }


def _checked(vault: Vault, fields: Mapping[str, Any], kept_secret: bytes | None) -> Definition:
    """Returns what is kept of a definition. Raises `BadDefinition` if any part of it can't be used."""
    secret = fields.get("secret")
    closed = vault.close(secret) if isinstance(secret, str) else kept_secret
    made = Definition(**{**fields, "secret": closed, "id_space": fields.get("id_space") or ""})
    _renaming(made.renaming)
    _mapper(made.mapping)
    _words(made.consent_words)
    return structs.replace(made, country=_country(made.country))


async def rotate(work: Work, source_id: UUID, *, grace: timedelta, by: Actor) -> str:
    """Gives a source a new key, and lets the earlier one end after `grace`.

    Raises `UnknownSource`, `Invalid`, or `KeysInUse` if it would then have more than `MAX_KEYS`. Without a grace every
    other key ends at once, so that a key that leaked can be taken away at any time.
    """
    if not timedelta(0) <= grace <= MAX_GRACE:
        raise Invalid(f"grace: from 0 to {MAX_GRACE.days * 24} hours")
    if not await repository.lock(work, source_id):
        raise UnknownSource(f"source {source_id}")
    working = await repository.keys(work, [source_id])
    if grace and len(working) >= MAX_KEYS:
        ends = min((key.expires_at for key in working if key.expires_at), default=None)
        until = f"until {ends:%Y-%m-%d %H:%M}Z, when one of them ends" if ends else "until one of them has ended"
        raise KeysInUse(f"wait {until}, or rotate without a grace, which ends both at once")
    key = new_key()
    await repository.add_key(work, source_id, hash_of(key))
    await repository.expire_keys(work, source_id, at=work.now + grace, but=hash_of(key))
    change = {"grace_hours": grace.total_seconds() / SECONDS_PER_HOUR}
    await audit.record(work, by, "source.key_rotated", "source", source_id, change)
    return key


async def set_disabled(work: Work, source_id: UUID, *, disabled: bool, by: Actor) -> StoredSource:
    """Stops a source's keys from working, or lets them work again. Raises `UnknownSource`."""
    known = await one(work, source_id)
    await repository.set_disabled(work, source_id, disabled=disabled)
    if (known.disabled_at is not None) != disabled:
        await audit.record(work, by, f"source.{'disabled' if disabled else 'enabled'}", "source", source_id)
    return await one(work, source_id)


async def delete(work: Work, source_id: UUID, *, by: Actor) -> None:
    """Deletes a source that never sent anything. Raises `UnknownSource` or `SourceUsed`."""
    known = await one(work, source_id)
    if not await repository.delete(work, source_id):
        raise SourceUsed(f"source {source_id}")
    change = {"source": difference(_auditable(known), {})}
    await audit.record(work, by, "source.deleted", "source", source_id, change)


# Finding


async def one(work: Work, source_id: UUID) -> StoredSource:
    """Returns one source as it is kept. Raises `UnknownSource`."""
    found = await repository.by_id(work, source_id)
    if found is None:
        raise UnknownSource(f"source {source_id}")
    return found


async def named(work: Work, name: str) -> UUID:
    """Returns the id of the source of this name. Raises `UnknownSource`."""
    found = await repository.by_name(work, name)
    if found is None:
        raise UnknownSource(f"source {name!r}")
    return found


async def every(work: Work) -> Sequence[StoredSource]:
    """Returns every source, by name."""
    return await repository.every(work)


async def keys(work: Work, source_ids: Sequence[UUID]) -> Mapping[UUID, list[StoredKey]]:
    """Returns by source the keys that work: when each was made, and when it ends."""
    found: dict[UUID, list[StoredKey]] = {source_id: [] for source_id in source_ids}
    for row in await repository.keys(work, source_ids):
        found[row.source_id].append(row)
    return found


async def by_key(work: Work, vault: Vault, key_hash: bytes) -> Source | None:
    """Returns the source that a key belongs to, unless it is disabled or the key has expired."""
    row = await repository.by_key(work, key_hash)
    return None if row is None else compiled(row, vault, key_expires_at=row.key_expires_at)


async def by_id(work: Work, vault: Vault, source_id: UUID) -> Source | None:
    """Returns a source that is not disabled."""
    row = await repository.by_id(work, source_id)
    return None if row is None or row.disabled_at is not None else compiled(row, vault)


async def by_ce_sources(work: Work, vault: Vault, names: Sequence[str]) -> Mapping[str, Source]:
    """Returns sources by their CloudEvents source."""
    return {row.ce_source: compiled(row, vault) for row in await repository.by_ce_sources(work, names) if row.ce_source}


def compiled(row: StoredSource, vault: Vault, *, key_expires_at: datetime | None = None) -> Source:
    """Returns a source with its words, mapping and plan compiled."""
    return Source(
        id=row.id,
        name=row.name,
        kind=SourceKind(row.kind),
        format=row.format,
        allow_orders=row.allow_orders,
        allowed_origins=frozenset(row.allowed_origins),
        events_per_second=row.events_per_second,
        secret=vault.open(row.secret),
        renaming=_renaming(row.renaming),
        mapper=_mapper(row.mapping),
        plan=_plan(row.plan, row.plan_version),
        key_expires_at=key_expires_at,
        may_say=frozenset(row.may_say),
        consent_words=_words(row.consent_words),
        country=row.country,
        id_space=row.id_space,
        max_batch_bytes=row.max_batch_bytes or MAX_BATCH_BYTES,
        max_event_bytes=row.max_event_bytes or MAX_EVENT_BYTES,
    )


def _renaming(document: Any) -> Renaming:
    if document is None:
        return NO_RENAMING
    with definition_of("renaming"):
        return Renaming(msgspec.convert(document, dict[str, renaming.Renamed]))


def _mapper(document: Any) -> Mapper | None:
    if document is None:
        return None
    with definition_of("mapping"):
        return Mapper(msgspec.convert(document, mapping.Document))


def _words(document: Any) -> Words:
    if document is None:
        return NO_WORDS
    with definition_of("consent_words"):
        return Words(msgspec.convert(document, consent.Document))


def _country(value: Any) -> str | None:
    if value is None:
        return None
    code = phone.country(value)
    if code is None:
        raise BadDefinition(f"country: {value!r} is not a country whose phone numbers are known; give {phone.EXAMPLE}")
    return code


def _space_of(form: str, source_id: UUID) -> str:
    """The space of a new source that names none: a shop numbers its customers and orders as every other shop does."""
    vendor = VENDORS.get(form)
    return f"{form}-{source_id.hex[-SPACE_DIGITS:]}" if vendor is not None and vendor.numbers_its_own else ""


def _plan(document: Any, version: int | None) -> Plan:
    return NO_PLAN if document is None else Plan(msgspec.convert(document, plan.PlanDocument), version or 0)
