"""SQL on journeys and the send stop."""

from collections.abc import Sequence

import msgspec

from services.campaign.domain.gate import SendStop
from services.campaign.domain.journey import Journey, Published
from shared.db import Work


async def published(work: Work) -> Sequence[Published]:
    """Every version of every journey, by id, the newest version of each first."""
    rows = await work.rows(
        "SELECT CAST(definition AS text) AS definition, active FROM journeys ORDER BY id, version DESC"
    )
    return [Published(msgspec.json.decode(row.definition, type=Journey), row.active) for row in rows]


async def set_active(work: Work, journey_id: str, *, active: bool) -> None:
    """Runs or pauses a journey, in all its versions."""
    await work.run("UPDATE journeys SET active = :active WHERE id = :id", id=journey_id, active=active)


async def stopped(work: Work) -> SendStop | None:
    """The send stop, if there is one."""
    row = await work.row("SELECT stopped_at, stopped_by FROM send_stop")
    return None if row is None else SendStop(*row)


async def stop(work: Work, *, by: str) -> None:
    """Stops all sending; nothing changes if it is stopped already."""
    await work.run(
        "INSERT INTO send_stop (stopped_at, stopped_by) VALUES (:now, :by) ON CONFLICT (single) DO NOTHING",
        now=work.now,
        by=by,
    )


async def unstop(work: Work) -> None:
    """Ends the send stop."""
    await work.run("DELETE FROM send_stop")
