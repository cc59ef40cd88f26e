"""The composition root of ingest."""

from datetime import timedelta

from services.ingest import commands
from services.ingest.api.operators import router as operators
from services.ingest.api.tracking import router as tracking
from services.ingest.service import KeyCache, Publisher
from services.ingest.settings import IngestSettings
from shared import process
from shared.clock import Clock, SystemClock

DESCRIPTION = "Takes events in as Segment's SDKs send them, and says of each what became of it."


def build(
    settings: IngestSettings, clock: Clock | None = None, *, producer: Publisher | None = None
) -> process.Service:
    """An ingest service, wired but not started. Tests give a `producer` of their own."""
    service = process.assemble(
        "ingest", settings, clock or SystemClock(timedelta(seconds=settings.clock_offset_seconds))
    )
    app = process.add_api(service, description=DESCRIPTION, routers=[tracking, operators])
    app.state.clock = service.clock
    app.state.keys = KeyCache(service.clock)
    app.state.publisher = producer or service.producer
    app.state.partition_secret = settings.partition_secret.encode()
    app.state.public_host = settings.public_host
    return service


def main() -> int:
    """The command line."""
    return process.main("ingest", IngestSettings, build, commands={"source": commands.source})
