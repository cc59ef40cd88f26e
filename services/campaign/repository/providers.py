"""SQL on providers that take nothing from us."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from services.campaign.domain.provider import ProviderStop
from services.campaign.domain.replies import ProviderReply, Stage
from shared.database.database import Work

_COLUMNS: Final = "channel, stopped_at, stage, code, status, reply, replied_at, probes, probe_at"


async def stops(work: Work) -> Sequence[ProviderStop]:
    """Returns the stops, by channel."""
    rows = await work.rows(f"SELECT {_COLUMNS} FROM provider_stops ORDER BY channel")
    return [_stop(row) for row in rows]


async def lock(work: Work, channel: str) -> ProviderStop | None:
    """Returns a channel's stop, held until the transaction ends; None if there is none."""
    row = await work.row(f"SELECT {_COLUMNS} FROM provider_stops WHERE channel = :channel FOR UPDATE", channel=channel)
    return None if row is None else _stop(row)


async def acquire_probe(work: Work, channel: str) -> ProviderStop | None:
    """Returns a channel's stop, held until the transaction ends, if a probe is due and nobody else is about to send it.

    Whoever sends one says so by `set_probe`.
    """
    row = await work.row(
        f"""
        SELECT {_COLUMNS}
          FROM provider_stops
         WHERE channel = :channel AND probe_at <= :now
           FOR UPDATE SKIP LOCKED
        """,
        channel=channel,
        now=work.now,
    )
    return None if row is None else _stop(row)


async def set_probe(work: Work, channel: str, *, probes: int, probe_at: datetime) -> None:
    """Notes how many probes there were, and when the next one may leave."""
    await work.run(
        "UPDATE provider_stops SET probes = :probes, probe_at = :probe_at WHERE channel = :channel",
        channel=channel,
        probes=probes,
        probe_at=probe_at,
    )


async def stop(
    work: Work, channel: str, reply: ProviderReply, *, replied_at: datetime, probe_at: datetime
) -> tuple[ProviderStop, bool]:
    """Notes that a provider takes nothing from us. Returns its stop, and whether it is new."""
    row = await work.row(
        f"""
        INSERT INTO provider_stops AS p (channel, stopped_at, stage, code, status, reply, replied_at, probe_at)
        VALUES (:channel, :at, :stage, :code, :status, :reply, :at, :probe_at)
            ON CONFLICT (channel)
            DO UPDATE SET stage = excluded.stage, code = excluded.code, status = excluded.status,
                          reply = excluded.reply, replied_at = excluded.replied_at
        RETURNING {_COLUMNS}, xmax = 0 AS is_new
        """,
        channel=channel,
        at=replied_at,
        stage=reply.stage.value,
        code=reply.code,
        status=reply.status,
        reply=reply.text,
        probe_at=probe_at,
    )
    assert row is not None
    return _stop(row), bool(row.is_new)


async def end(work: Work, channel: str) -> None:
    """Ends a channel's stop."""
    await work.run("DELETE FROM provider_stops WHERE channel = :channel", channel=channel)


def _stop(row: Any) -> ProviderStop:
    return ProviderStop(
        channel=row.channel,
        stopped_at=row.stopped_at,
        reply=ProviderReply(Stage(row.stage), row.code, row.status, row.reply),
        replied_at=row.replied_at,
        probes=row.probes,
        probe_at=row.probe_at,
    )
