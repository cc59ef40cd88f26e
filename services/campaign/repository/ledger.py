"""SQL on the ledger, and on the database that it lies in."""

from datetime import datetime
from typing import Final

from services.campaign.domain.ledger import Identity, Ledger
from shared.database.database import Work

# The timeline that is written now; the one that pg_control_checkpoint() tells is the last checkpoint's, which after a
# promotion is the old one for as long as the first checkpoint takes. Any role may call these functions.
_FOUND: Final = """
        SELECT s.system_identifier,
               CAST(d.oid AS bigint) AS database_oid,
               CAST(CAST('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS bit(32)) AS bigint)
                   AS timeline_id
          FROM pg_control_system() s, pg_database d
         WHERE d.datname = current_database()
"""
_AWAITS: Final = """
               awaiting_since = coalesce(awaiting_since, :now),
               reason = CASE WHEN reason IS NULL THEN CAST(:reason AS text)
                             WHEN position(CAST(:reason AS text) IN reason) > 0 THEN reason
                             ELSE reason || '; ' || CAST(:reason AS text)
                        END
"""


async def read(work: Work) -> tuple[Ledger | None, Identity]:
    """Returns the ledger as it was noted, if it ever was, and which database this is."""
    row = await work.row(
        f"""
        SELECT f.system_identifier AS found_system,
               f.timeline_id AS found_timeline,
               f.database_oid AS found_database,
               l.*
          FROM ({_FOUND}) f
          LEFT JOIN ledger l ON true
        """
    )
    assert row is not None
    found = Identity(row.found_system, row.found_timeline, row.found_database)
    if row.single is None:
        return None, found
    noted = Identity(row.system_identifier, row.timeline_id, row.database_oid)
    return Ledger(noted, row.floor, row.awaiting_since, row.reason), found


async def begin(work: Work, identity: Identity) -> None:
    """Notes which database the ledger lies in, at the first start ever."""
    await work.run(
        """
        INSERT INTO ledger (system_identifier, timeline_id, database_oid)
        VALUES (:system, :timeline, :database)
            ON CONFLICT (single) DO NOTHING
        """,
        **_parameters(identity),
    )


async def move(work: Work, identity: Identity, *, reason: str) -> None:
    """Notes that the ledger lies in another database now, which awaits a send cutoff; once noted, does nothing."""
    await work.run(
        f"""
        UPDATE ledger
           SET {_AWAITS}, system_identifier = :system, timeline_id = :timeline, database_oid = :database
         WHERE (system_identifier, timeline_id, database_oid) IS DISTINCT FROM (:system, :timeline, :database)
        """,
        now=work.now,
        reason=reason,
        **_parameters(identity),
    )


async def await_send_cutoff(work: Work, *, reason: str) -> None:
    """Notes that a send cutoff is awaited; if one was already, adds the reason."""
    await work.run(f"UPDATE ledger SET {_AWAITS}", now=work.now, reason=reason)


async def set_send_cutoff(work: Work, at: datetime) -> bool:
    """Sets the send cutoff and ends the wait for it. Returns False if a later one stands."""
    changed = await work.run(
        """
        UPDATE ledger SET floor = :at, awaiting_since = NULL, reason = NULL
         WHERE coalesce(floor <= :at, true)
        """,
        at=at,
    )
    return changed == 1


async def last_handed(work: Work) -> datetime | None:
    """Returns when the newest message that the ledger knows of was handed over."""
    row = await work.row("SELECT max(handed_at) AS at FROM messages")
    assert row is not None
    moment: datetime | None = row.at
    return moment


def _parameters(identity: Identity) -> dict[str, int]:
    return {
        "system": identity.system_identifier,
        "timeline": identity.timeline_id,
        "database": identity.database_oid,
    }
