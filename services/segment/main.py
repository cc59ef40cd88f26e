"""The composition root of segment."""

from datetime import timedelta
from functools import partial
from typing import Final

from services.segment import commands, consumer
from services.segment.api import (
    conditions,
    dry_run,
    lists,
    programmes,
    reports,
    scores,
    segments,
    standings,
    tags,
)
from services.segment.service import policies
from services.segment.service.png import PngRenderer
from services.segment.service.programmes import definitions
from services.segment.settings import SegmentSettings
from services.segment.worker import Backfills, Housekeeping, Rereads, Rollouts, Scoring, Timers
from shared.customer_data import Kept
from shared.rebuild import command
from shared.service import process
from shared.service.clock import Clock, SystemClock
from shared.service.command_line import Command

DESCRIPTION = "Segments in words, tiers, lifecycle stages and RFM, kept current by events and by passing time."


def build(settings: SegmentSettings, clock: Clock | None = None) -> process.Service:
    """Returns a segment service, wired but not started."""
    service = process.assemble(
        "segment",
        settings,
        clock or SystemClock(timedelta(seconds=settings.clock_offset_seconds)),
        reads=consumer.TOPICS,
        handlers=consumer.HANDLERS,
        together_records=consumer.TOGETHER_RECORDS,
    )
    assert service.consumer is not None
    timers = Timers(service.database, service.consumer, tick=service.heartbeat.loop("timers"))
    rollouts = Rollouts(service.database, service.consumer, tick=service.heartbeat.loop("rollouts"))
    service.at_start += [policies.publish, definitions.publish]
    service.loops["timers"] = timers.run
    service.loops["rollouts"] = rollouts.run
    service.loops["scoring"] = Scoring(service.database, service.consumer, tick=service.heartbeat.loop("scoring")).run
    service.loops["backfills"] = Backfills(service.database, tick=service.heartbeat.loop("backfills")).run
    service.loops["housekeeping"] = Housekeeping(service.database, tick=service.heartbeat.loop("housekeeping")).run
    rereads = Rereads(service.database, settings.profile, tick=service.heartbeat.loop("rereads"))
    service.loops["rereads"] = rereads.run
    routers = [
        *(segments.router, conditions.router, dry_run.router, tags.router, lists.router, standings.router),
        *(programmes.router, scores.router, reports.router),
    ]
    process.add_api(service, description=DESCRIPTION, routers=routers, customer_data=Kept())
    assert service.app is not None
    service.larger_bodies["/v1/lists/"] = lists.MAX_UPLOAD_BYTES
    service.app.state.partition_secret = settings.partition_secret.get_secret_value().encode()
    service.app.state.png = PngRenderer()
    return service


COMMANDS: Final = {
    "rebuild": Command(partial(command.parser, "segment", topics=True), commands.rebuild),
    "verify": Command(commands.verify_parser, commands.verify),
}


def main() -> int:
    """Runs the command line. Returns the exit status."""
    return process.main("segment", SegmentSettings, build, commands=COMMANDS)
