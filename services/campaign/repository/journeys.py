"""SQL on journeys and the send stop."""

from collections.abc import Sequence

import msgspec

from services.campaign.domain.gate import SendStop
from services.campaign.domain.journey import Journey, Published
from shared.database.database import Work


async def published(work: Work) -> Sequence[Published]:
    """Returns every version of every journey, by id, the newest version of each first."""
    rows = await work.rows(
        "SELECT CAST(definition AS text) AS definition, active FROM journeys ORDER BY id, version DESC"
    )
    return [Published(msgspec.json.decode(row.definition, type=Journey), row.active) for row in rows]


async def publish(work: Work, journeys: Sequence[Journey]) -> Sequence[tuple[str, int]]:
    """Adds the versions that are not there yet, each running or paused as the newest before it. Returns those."""
    rows = await work.rows(
        """
        INSERT INTO journeys (id, version, definition, active)
        SELECT new.id, new.version, CAST(new.definition AS jsonb), coalesce(
            (SELECT j.active FROM journeys j WHERE j.id = new.id ORDER BY j.version DESC LIMIT 1), true)
          FROM unnest(CAST(:ids AS text[]), CAST(:versions AS int[]), CAST(:definitions AS text[]))
            AS new (id, version, definition)
        ON CONFLICT (id, version) DO NOTHING
        RETURNING id, version
        """,
        ids=[one.id for one in journeys],
        versions=[one.version for one in journeys],
        definitions=[msgspec.json.encode(one).decode() for one in journeys],
    )
    return [(row.id, row.version) for row in rows]


async def set_active(work: Work, journey_id: str, *, active: bool) -> bool:
    """Runs or pauses a journey, in all its versions. Returns whether that changed anything."""
    return (
        await work.run(
            "UPDATE journeys SET active = :active WHERE id = :id AND active <> :active", id=journey_id, active=active
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
