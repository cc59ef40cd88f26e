"""The composition root of ingest."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from services.ingest import consumer
from services.ingest.api import browser, erasures, facts, imports, quarantine, sources, tracking, vocabulary
from services.ingest.commands import import_file, source
from services.ingest.domain.errors import TrackingError
from services.ingest.domain.request.rate import AddressLimiter
from services.ingest.domain.values.context import nowhere
from services.ingest.service.inbound import InboundHandler
from services.ingest.service.intake import Intake, Limits
from services.ingest.service.places import Places
from services.ingest.service.source_stats import SourceStats
from services.ingest.service.triage import Publisher
from services.ingest.service.vault import Vault
from services.ingest.settings import IngestSettings
from services.ingest.worker import Importer, StatsWriter
from shared.service import process
from shared.service.clock import Clock, SystemClock
from shared.service.command_line import Command

DESCRIPTION = "Accepts events, whichever way they come, and reports what became of each."
MEBIBYTE = 1 << 20


def build(
    settings: IngestSettings, clock: Clock | None = None, *, producer: Publisher | None = None
) -> process.Service:
    """Returns an ingest service, wired but not started. Tests give a `producer` of their own."""
    clock = clock or SystemClock(timedelta(seconds=settings.clock_offset_seconds))
    vault, stats = vault_of(settings), SourceStats()
    secret = settings.partition_secret.get_secret_value().encode()
    locate = Places(settings.geoip_database).locate if settings.geoip_database else nowhere
    service = process.assemble(
        "ingest",
        settings,
        clock,
        reads=consumer.READS,
        handlers=consumer.handlers(InboundHandler(vault, stats, secret, locate)),
        decode=consumer.decode,
    )
    service.needs_broker = False  # it spools
    service.app = process.add_api(
        service,
        description=DESCRIPTION,
        routers=[
            tracking.router,
            facts.router,
            browser.router,
            sources.router,
            vocabulary.router,
            quarantine.router,
            erasures.router,
            imports.router,
        ],
        fast_routes=tracking.DIRECT,
    )
    service.app.state.intake = Intake(
        database=service.database,
        publisher=producer or service.producer,
        clock=clock,
        vault=vault,
        limits=Limits(
            spool_bytes=settings.spool_megabytes * MEBIBYTE,
            produce_seconds=settings.produce_seconds,
            public_per_second=settings.public_events_per_second,
            batch_bytes=settings.batch_megabytes * MEBIBYTE,
            outbox_first=settings.kafka_volatile,
        ),
        by_address=AddressLimiter(settings.address_events_per_second),
        partition_secret=secret,
        stats=stats,
        locate=locate,
    )
    service.app.state.public_host = settings.public_host
    service.app.state.import_bytes = settings.import_megabytes * MEBIBYTE
    service.larger_bodies["/v1/imports/"] = settings.import_megabytes * MEBIBYTE  # first: the others are shorter
    for path in ("/v1/b", "/v1/import", "/v1/cloudevents"):
        service.larger_bodies[path] = settings.batch_megabytes * MEBIBYTE
    service.app.add_exception_handler(TrackingError, facts.on_tracking_error)
    keep = timedelta(days=settings.quarantine_days)
    tick = service.heartbeat.loop("stats_writer")
    service.always["stats_writer"] = StatsWriter(service.database, stats, keep, tick).run
    service.loops["importer"] = importer(settings, service, vault).run
    return service


def importer(settings: IngestSettings, service: process.Service, vault: Vault) -> Importer:
    """Returns the importer of files."""
    secret = settings.partition_secret.get_secret_value().encode()
    return Importer(
        service.database,
        service.producer,
        service.clock,
        vault,
        secret,
        outbox_bytes=settings.spool_megabytes * MEBIBYTE if settings.kafka_volatile else None,
    )


def vault_of(settings: IngestSettings) -> Vault:
    """Returns the vault of webhook secrets."""
    return Vault(settings.secrets_keys())


async def _source(settings: IngestSettings, arguments: Sequence[str]) -> int:
    service = build(settings)
    try:
        return await source.run(service.database, vault_of(settings), arguments)
    finally:
        await service.database.close()


async def _import(settings: IngestSettings, arguments: Sequence[str]) -> int:
    service = build(settings)
    try:
        return await import_file.run(service.database, importer(settings, service, vault_of(settings)), arguments)
    finally:
        await service.producer.close()
        await service.database.close()


COMMANDS: Final = {
    "source": Command(source.parser, _source),
    "import": Command(import_file.parser, _import),
}


def main() -> int:
    """Runs the command line. Returns the exit status."""
    return process.main("ingest", IngestSettings, build, commands=COMMANDS)
