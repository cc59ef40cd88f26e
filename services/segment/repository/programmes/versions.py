"""SQL on versions of programmes, and on how far each has been rolled out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Final
from uuid import UUID

import msgspec

from services.segment.domain.documents import InvalidDefinition
from services.segment.domain.programmes.definition import DEFAULT, DEFAULT_PROGRAMME, Programme, parse
from services.segment.domain.programmes.versions import ProgrammesInForce, ProgrammeVersion
from shared.database.database import Work
from shared.database.rows import Json, columns, row_as, rows_as
from shared.service.logging import get_logger

RATES: Final = ""  # the roll-out, of no programme, of rates that have become known
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)  # from when what comes with the service is in force

log: Final = get_logger(__name__)


class StoredProgramme(msgspec.Struct, kw_only=True):
    """One version of a programme, as stored."""

    id: str
    version: int
    definition: Json
    effective_at: datetime
    author: str
    made_at: datetime

    @property
    def programme(self) -> Programme:
        """Returns the programme. Raises `InvalidDefinition`."""
        return _parsed(self.definition)


class Rollout(msgspec.Struct, kw_only=True):
    """How far the base has been looked at by a version."""

    programme: str
    version: int
    effective_at: datetime
    reached: UUID | None
    customers: int
    changed: int
    done_at: datetime | None


@lru_cache(maxsize=256)
def _parsed(definition: str) -> Programme:
    return parse(msgspec.json.decode(definition))


async def in_force(work: Work, *, since: datetime) -> ProgrammesInForce:
    """Returns every programme's versions from the one in force at `since` on, or before a roll-out that is under way.

    A version that makes no sense is logged and passed over: the one before it stays in force.
    """
    rows = await work.rows(
        """
        WITH under_way AS (SELECT programme, min(effective_at) AS at FROM programme_rollouts
                            WHERE done_at IS NULL AND effective_at <= :now GROUP BY programme)
        SELECT p.id, p.version, CAST(p.definition AS text) AS definition, p.effective_at, u.at IS NOT NULL AS rolling
          FROM programmes p
          LEFT JOIN under_way u ON u.programme = p.id
         WHERE NOT EXISTS (
               SELECT 1 FROM programmes n
                WHERE n.id = p.id AND n.version > p.version AND n.effective_at <= :since
                  AND (u.at IS NULL OR n.effective_at < u.at)
               )
        """,
        since=since,
        now=work.now,
    )
    found: list[ProgrammeVersion] = []
    broken = False
    for row in rows:
        try:
            programme = _parsed(row.definition)
        except InvalidDefinition as error:
            _report(work, row.id, row.version, error)
            broken = True
            continue
        found.append(
            ProgrammeVersion(id=row.id, version=row.version, programme=programme, effective_at=row.effective_at)
        )
    if broken:
        found = await _all_that_make_sense(work)
    return ProgrammesInForce(found, {row.id for row in rows if row.rolling})


async def _all_that_make_sense(work: Work) -> list[ProgrammeVersion]:
    found = []
    for row in await rows_as(work, StoredProgramme, f"SELECT {columns(StoredProgramme)} FROM programmes"):
        try:
            programme = row.programme
        except InvalidDefinition:
            continue
        found.append(
            ProgrammeVersion(id=row.id, version=row.version, programme=programme, effective_at=row.effective_at)
        )
    return found


def _report(work: Work, programme: str, version: int, error: InvalidDefinition) -> None:
    work.afterwards.append(
        partial(log.error, "programme.invalid", programme=programme, version=version, error=error.detail)
    )


async def newest(work: Work) -> Sequence[StoredProgramme]:
    """Returns the newest version of each programme, by id."""
    return await rows_as(
        work,
        StoredProgramme,
        f"SELECT DISTINCT ON (id) {columns(StoredProgramme)} FROM programmes ORDER BY id, version DESC",
    )


async def versions(work: Work, programme: str) -> Sequence[StoredProgramme]:
    """Returns every version of a programme, the newest first."""
    return await rows_as(
        work,
        StoredProgramme,
        f"SELECT {columns(StoredProgramme)} FROM programmes WHERE id = :id ORDER BY version DESC",
        id=programme,
    )


async def publish(work: Work) -> bool:
    """Publishes the programme that comes with the service, unless there is one. Returns whether it was not there."""
    added = await work.run(
        """
        INSERT INTO programmes (id, version, definition, effective_at, author, made_at)
        SELECT CAST(:id AS text), 1, CAST(:definition AS jsonb), CAST(:since AS timestamptz), 'release',
               CAST(:now AS timestamptz)
         WHERE NOT EXISTS (SELECT 1 FROM programmes WHERE id = :id)
            ON CONFLICT (id, version) DO NOTHING
        """,
        id=DEFAULT,
        definition=msgspec.json.encode(DEFAULT_PROGRAMME).decode(),
        since=EPOCH,
        now=work.now,
    )
    return added > 0


async def add(work: Work, one: StoredProgramme) -> bool:
    """Adds a version, and its roll-out. Returns whether there was none of that number.

    Versions before it that would have been in force later never are, and roll out no more.
    """
    added = await work.run(
        """
        INSERT INTO programmes (id, version, definition, effective_at, author, made_at)
        VALUES (:id, :version, CAST(:definition AS jsonb), :effective_at, :author, :made_at)
            ON CONFLICT (id, version) DO NOTHING
        """,
        **msgspec.structs.asdict(one),
    )
    if added:
        await _start(work, one.id, one.version, one.effective_at)
    return added > 0


async def _start(work: Work, programme: str, version: int, effective_at: datetime) -> None:
    """Has every customer looked at by a version, once it is in force."""
    await work.run(
        """
        UPDATE programme_rollouts SET done_at = :now
         WHERE programme = :programme AND done_at IS NULL AND effective_at >= :effective_at
        """,
        programme=programme,
        effective_at=effective_at,
        now=work.now,
    )
    await work.run(
        """
        INSERT INTO programme_rollouts (programme, version, effective_at)
        VALUES (:programme, :version, :effective_at)
        """,
        programme=programme,
        version=version,
        effective_at=effective_at,
    )


async def look_again_for_rates(work: Work) -> None:
    """Has every customer with orders in another currency than a programme's looked at again."""
    await work.run(
        """
        INSERT INTO programme_rollouts (programme, version, effective_at) VALUES (:programme, 0, :now)
            ON CONFLICT (programme, version)
            DO UPDATE SET effective_at = excluded.effective_at,
                          reached = NULL, customers = 0, changed = 0, done_at = NULL
        """,
        programme=RATES,
        now=work.now,
    )


async def claim(work: Work, now: datetime) -> Rollout | None:
    """Locks the roll-out to go on with: one whose time has come and that nobody else works on, the oldest first."""
    return await row_as(
        work,
        Rollout,
        f"""
        SELECT {columns(Rollout)}
          FROM programme_rollouts
         WHERE done_at IS NULL AND effective_at <= :now
         ORDER BY effective_at, programme, version
         LIMIT 1
           FOR UPDATE SKIP LOCKED
        """,
        now=now,
    )


async def advance(work: Work, one: Rollout) -> None:
    """Stores how far a locked roll-out is."""
    await work.run(
        """
        UPDATE programme_rollouts SET reached = :reached, customers = :customers, changed = :changed, done_at = :done_at
         WHERE programme = :programme AND version = :version
        """,
        **{name: value for name, value in msgspec.structs.asdict(one).items() if name != "effective_at"},
    )


async def rollouts(work: Work) -> Sequence[Rollout]:
    """Returns the newest roll-out of each programme."""
    return await rows_as(
        work,
        Rollout,
        f"SELECT DISTINCT ON (programme) {columns(Rollout)} FROM programme_rollouts ORDER BY programme, version DESC",
    )
