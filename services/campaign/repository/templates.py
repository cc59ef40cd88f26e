"""SQL on templates and their versions."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from services.campaign.domain.template.document import Template
from shared.database.database import Work
from shared.database.rows import Json, columns, row_as, rows_as


class StoredTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template as it is being written. `revision` counts its edits. Field names are column names."""

    id: str
    revision: int
    document: Json
    created_at: datetime
    updated_at: datetime
    updated_by: str


class StoredTemplateVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A published version. Field names are column names."""

    id: str
    version: int
    document: Json
    digest: str
    published_at: datetime
    published_by: str


def digest_of(template: Template) -> str:
    """Returns the digest of what a template has, however it was spelt."""
    return hashlib.sha256(msgspec.json.encode(template, order="sorted")).hexdigest()


class Cache:
    """Versions that were read before. They never change, so each is read once while it is used."""

    def __init__(self, *, most: int = 1_000) -> None:
        self._kept: dict[tuple[str, int, str], Template] = {}
        self._most = most

    async def newest(self, work: Work, ids: Iterable[str]) -> Mapping[str, tuple[int, Template]]:
        """Returns by id the newest version and what it has, of those that are published."""
        rows = await work.rows(
            """
            SELECT DISTINCT ON (id) id, version, digest
              FROM template_versions
             WHERE id = ANY(CAST(:ids AS text[]))
             ORDER BY id, version DESC
            """,
            ids=sorted(set(ids)),
        )
        keys = [(row.id, row.version, row.digest) for row in rows]
        if missing := [key for key in keys if key not in self._kept]:
            if len(self._kept) + len(missing) > self._most:
                self._kept.clear()
            for row in await _documents(work, missing):
                self._kept[row.id, row.version, row.digest] = msgspec.json.decode(row.document, type=Template)
        return {key[0]: (key[1], self._kept[key]) for key in keys}


async def _documents(work: Work, keys: Sequence[tuple[str, int, str]]) -> Sequence[StoredTemplateVersion]:
    return await rows_as(
        work,
        StoredTemplateVersion,
        f"""
        SELECT {columns(StoredTemplateVersion, "t")}
          FROM unnest(CAST(:ids AS text[]), CAST(:versions AS int[])) AS n (id, version)
          JOIN template_versions t USING (id, version)
        """,
        ids=[key[0] for key in keys],
        versions=[key[1] for key in keys],
    )


async def newest(work: Work) -> Sequence[StoredTemplateVersion]:
    """Returns the newest version of every template, by id."""
    return await rows_as(
        work,
        StoredTemplateVersion,
        f"""
        SELECT DISTINCT ON (id) {columns(StoredTemplateVersion)}
          FROM template_versions
         ORDER BY id, version DESC
        """,
    )


async def versions(work: Work, template_id: str) -> Sequence[StoredTemplateVersion]:
    """Returns the versions of a template, the newest first."""
    return await rows_as(
        work,
        StoredTemplateVersion,
        f"""
        SELECT {columns(StoredTemplateVersion)}
          FROM template_versions
         WHERE id = :id
         ORDER BY version DESC
        """,
        id=template_id,
    )


async def languages(work: Work) -> Mapping[str, frozenset[str]]:
    """Returns the languages of each template that is published, in its newest version, by id."""
    rows = await work.rows(
        """
        SELECT DISTINCT ON (id) id, ARRAY(SELECT jsonb_object_keys(document -> 'languages')) AS languages
          FROM template_versions
         ORDER BY id, version DESC
        """
    )
    return {row.id: frozenset(row.languages) for row in rows}


async def publish(work: Work, template_id: str, version: int, template: Template, *, by: str) -> bool:
    """Adds a version. Returns False if it is there already."""
    added = await work.run(
        """
        INSERT INTO template_versions (id, version, document, digest, published_at, published_by)
        VALUES (:id, :version, CAST(:document AS jsonb), :digest, :now, :by)
            ON CONFLICT (id, version) DO NOTHING
        """,
        id=template_id,
        version=version,
        document=msgspec.json.encode(template).decode(),
        digest=digest_of(template),
        now=work.now,
        by=by,
    )
    return added > 0


async def ship(work: Work, templates: Mapping[str, Template]) -> Sequence[tuple[str, int]]:
    """Adds what the service brings as a new version of its id, unless it was one before. Returns what was added.

    A template of which somebody here has published a version is the shop's own, and gets none.
    """
    rows = await work.rows(
        """
        INSERT INTO template_versions (id, version, document, digest, published_at, published_by)
        SELECT n.id, coalesce((SELECT max(t.version) FROM template_versions t WHERE t.id = n.id), 0) + 1,
               CAST(n.document AS jsonb), n.digest, :now, ''
          FROM unnest(CAST(:ids AS text[]), CAST(:documents AS text[]), CAST(:digests AS text[]))
            AS n (id, document, digest)
         WHERE NOT EXISTS (
               SELECT FROM template_versions t WHERE t.id = n.id AND (t.published_by <> '' OR t.digest = n.digest)
               )
            ON CONFLICT (id, version) DO NOTHING
        RETURNING id, version
        """,
        ids=list(templates),
        documents=[msgspec.json.encode(one).decode() for one in templates.values()],
        digests=[digest_of(one) for one in templates.values()],
        now=work.now,
    )
    return [(row.id, row.version) for row in rows]


async def drafts(work: Work) -> Sequence[StoredTemplate]:
    """Returns all templates as they are being written, by id."""
    return await rows_as(work, StoredTemplate, f"SELECT {columns(StoredTemplate)} FROM templates ORDER BY id")


async def draft(work: Work, template_id: str, *, lock: bool = False) -> StoredTemplate | None:
    """Returns a template as it is being written, held until the transaction ends if `lock`."""
    return await row_as(
        work,
        StoredTemplate,
        f"""
        SELECT {columns(StoredTemplate)}
          FROM templates
         WHERE id = :id
               {"FOR UPDATE" if lock else ""}
        """,
        id=template_id,
    )


async def add(work: Work, template_id: str, document: str, *, by: str) -> bool:
    """Adds a template in its first revision. Returns False if there is one of this id."""
    added = await work.run(
        """
        INSERT INTO templates (id, revision, document, created_at, updated_at, updated_by)
        VALUES (:id, 1, CAST(:document AS jsonb), :now, :now, :by)
            ON CONFLICT (id) DO NOTHING
        """,
        id=template_id,
        document=document,
        now=work.now,
        by=by,
    )
    return added > 0


async def change(work: Work, template_id: str, document: str, *, by: str) -> None:
    """Writes a template that the caller holds; a new revision."""
    await work.run(
        """
        UPDATE templates
           SET revision = revision + 1, document = CAST(:document AS jsonb), updated_at = :now, updated_by = :by
         WHERE id = :id
        """,
        id=template_id,
        document=document,
        now=work.now,
        by=by,
    )
