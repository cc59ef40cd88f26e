"""SQL on versions and drafts of journeys, and on the send stop."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import msgspec

from services.campaign.domain.gate import SendStop
from services.campaign.domain.journey.definition import Journey, Published
from services.campaign.domain.journey.former import journey_of
from shared.database.database import Work
from shared.database.rows import Json, columns, row_as, rows_as


class StoredVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A published version in a list. Field names are column names."""

    id: str
    version: int
    active: bool
    published_at: datetime
    published_by: str


class StoredDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A draft. `revision` counts its edits. Field names are column names."""

    id: str
    revision: int
    definition: Json
    created_at: datetime
    updated_at: datetime
    updated_by: str


@lru_cache(maxsize=1_024)
def _journey(definition: str) -> Journey:
    """A version never changes, so each is read once."""
    return journey_of(msgspec.json.decode(definition))


async def published(work: Work) -> Sequence[Published]:
    """Returns every version of every journey, by id, the newest version of each first."""
    rows = await work.rows(
        """
        SELECT CAST(definition AS text) AS definition, active, published_by
          FROM journey_versions
         ORDER BY id, version DESC
        """
    )
    return [Published(_journey(row.definition), row.active, row.published_by) for row in rows]


async def publish(work: Work, journeys: Sequence[Journey], *, by: str = "") -> Sequence[tuple[str, int]]:
    """Adds the versions that are not there yet, each running or paused as the newest before it. Returns those."""
    rows = await work.rows(
        """
        INSERT INTO journey_versions (id, version, definition, active, published_at, published_by)
        SELECT new.id, new.version, CAST(new.definition AS jsonb), coalesce(
            (SELECT j.active FROM journey_versions j WHERE j.id = new.id ORDER BY j.version DESC LIMIT 1), true),
            :now, :by
          FROM unnest(CAST(:ids AS text[]), CAST(:versions AS int[]), CAST(:definitions AS text[]))
            AS new (id, version, definition)
         WHERE :by <> ''
            OR NOT EXISTS (SELECT 1 FROM journey_versions j WHERE j.id = new.id AND j.published_by <> '')
        ON CONFLICT (id, version) DO NOTHING
        RETURNING id, version
        """,
        ids=[one.id for one in journeys],
        versions=[one.version for one in journeys],
        definitions=[msgspec.json.encode(one).decode() for one in journeys],
        now=work.now,
        by=by,
    )
    return [(row.id, row.version) for row in rows]


async def versions(work: Work, journey_id: str) -> Sequence[StoredVersion]:
    """Returns the versions of a journey, the newest first."""
    return await rows_as(
        work,
        StoredVersion,
        f"""
        SELECT {columns(StoredVersion)}
          FROM journey_versions
         WHERE id = :id
         ORDER BY version DESC
        """,
        id=journey_id,
    )


async def drafts(work: Work) -> Sequence[StoredDraft]:
    """Returns all drafts, by id."""
    return await rows_as(work, StoredDraft, f"SELECT {columns(StoredDraft)} FROM journey_drafts ORDER BY id")


async def draft(work: Work, journey_id: str, *, lock: bool = False) -> StoredDraft | None:
    """Returns the draft of a journey, held until the transaction ends if `lock`."""
    return await row_as(
        work,
        StoredDraft,
        f"""
        SELECT {columns(StoredDraft)}
          FROM journey_drafts
         WHERE id = :id
               {"FOR UPDATE" if lock else ""}
        """,
        id=journey_id,
    )


async def add_draft(work: Work, journey_id: str, definition: str, *, by: str) -> bool:
    """Adds a draft. Returns False if the journey has one."""
    added = await work.run(
        """
        INSERT INTO journey_drafts (id, revision, definition, created_at, updated_at, updated_by)
        VALUES (:id, 1, CAST(:definition AS jsonb), :now, :now, :by)
        ON CONFLICT (id) DO NOTHING
        """,
        id=journey_id,
        definition=definition,
        now=work.now,
        by=by,
    )
    return added > 0


async def set_draft(work: Work, journey_id: str, definition: str, *, by: str) -> None:
    """Writes a draft that the caller holds; a new revision."""
    await work.run(
        """
        UPDATE journey_drafts
           SET revision = revision + 1, definition = CAST(:definition AS jsonb), updated_at = :now, updated_by = :by
         WHERE id = :id
        """,
        id=journey_id,
        definition=definition,
        now=work.now,
        by=by,
    )


async def delete_draft(work: Work, journey_id: str) -> None:
    """Deletes a draft."""
    await work.run("DELETE FROM journey_drafts WHERE id = :id", id=journey_id)


async def set_active(work: Work, journey_id: str, *, active: bool) -> bool:
    """Runs or pauses a journey, in all its versions. Returns whether that changed anything."""
    return (
        await work.run(
            "UPDATE journey_versions SET active = :active WHERE id = :id AND active <> :active",
            id=journey_id,
            active=active,
        )
        > 0
    )


async def stopped(work: Work) -> SendStop | None:
    """Returns the send stop, if there is one."""
    row = await work.row("SELECT stopped_at, stopped_by, reason FROM send_stop")
    return None if row is None else SendStop(*row)


async def stop(work: Work, *, by: str, reason: str) -> bool:
    """Stops all sending. Returns whether it was not stopped already."""
    stopped = await work.run(
        """
        INSERT INTO send_stop (stopped_at, stopped_by, reason)
        VALUES (:now, :by, :reason)
        ON CONFLICT (single) DO NOTHING
        """,
        now=work.now,
        by=by,
        reason=reason,
    )
    return stopped > 0


async def unstop(work: Work) -> bool:
    """Ends the send stop. Returns whether there was one."""
    return await work.run("DELETE FROM send_stop") > 0
