"""A service as a process: its parts, its run, and its command line.

The names below are what composition roots and their tests use.
"""

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import uvloop

from shared import audit
from shared.audit import command as audit_command
from shared.audit.command import user
from shared.database import migrate
from shared.dlq import command as dlq
from shared.kafka.consumer import offsets
from shared.service import failpoints, logging
from shared.service.assemble import Service, add_api, assemble
from shared.service.command_line import Command, parse
from shared.service.run import prepare, run
from shared.service.setting_kinds import levels_of
from shared.service.settings import Settings, load, require_token_key

__all__ = ["Service", "add_api", "assemble", "common_commands", "main", "prepare", "run"]

ALLOCATIONS_BETWEEN_COLLECTIONS: Final = 50_000
COLLECTION_SECONDS: Final = 60.0  # at the latest: a process with little to do must not keep its cycles for hours

log = logging.get_logger(__name__)

# The command line

S = TypeVar("S", bound=Settings)


def main(
    name: str,
    settings_class: type[S],
    build: Callable[[S], Service],
    *,
    commands: Mapping[str, Command] | None = None,
) -> int:
    """Runs `python -m services.<name> serve|migrate|resume|dlq|audit|…`. Returns the exit status.

    The command line is understood before any setting is read.
    """
    extra = {**common_commands(name, build), **(commands or {})}
    command, roles, rest = parse(name, extra, sys.argv[1:])
    settings = load(settings_class)
    logging.configure(name, settings.log_level, levels_of(settings.log_levels))
    failpoints.arm(settings.failpoint)
    if command in extra:
        return uvloop.run(extra[command].run(settings, rest))
    if command == "migrate":
        user = migrate.role_of(settings.database_url.get_secret_value())
        uvloop.run(migrate.upgrade(name, settings.owner_database_url(), user=user))
        return 0
    if "api" in roles:
        require_token_key(settings)
    return uvloop.run(_serve(build(settings), roles))


def common_commands(name: str, build: Callable[[S], Service]) -> Mapping[str, Command]:
    """Returns the commands that every service has beside `serve` and `migrate`."""
    return {
        "dlq": Command(partial(dlq.parser, name), lambda settings, rest: _dlq(build(settings), rest)),
        "resume": Command(partial(_resume_parser, name), lambda settings, rest: _resume(build(settings), rest)),
        "audit": Command(partial(audit_command.parser, name), lambda settings, rest: _audit(build(settings), rest)),
    }


async def _serve(service: Service, roles: Sequence[str]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    spare_collections(loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await run(service, stop=stop, roles=roles)
    except Exception:  # the process's edge: say why, and end
        log.exception("service.ends")
        return 1
    return 0


def spare_collections(loop: asyncio.AbstractEventLoop) -> None:
    """What stands by now stays, and is not looked through again; requests and batches leave few cycles, so that
    looking for them can wait. With Python's own settings a quarter of ingest's time went there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS)
    loop.call_later(COLLECTION_SECONDS, _collect, loop)


def _collect(loop: asyncio.AbstractEventLoop) -> None:
    gc.collect()
    loop.call_later(COLLECTION_SECONDS, _collect, loop)


def _resume_parser(service: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{service} resume", description="Opens partitions that were stopped for refusals."
    )
    parser.add_argument(
        "--accept", type=int, default=0, help="dead letters of each partition that may come before they count again"
    )
    return parser


async def _resume(service: Service, arguments: Sequence[str]) -> int:
    """Opens the partitions that the dead-letter breaker closed."""
    chosen = _resume_parser(service.name).parse_args(arguments)
    async with service.database.work() as work:
        opened = await offsets.resume(work.connection, accept=max(0, chosen.accept))
        change = {"opened": opened, "accept": chosen.accept}
        await audit.record(work, user(), "partitions.resumed", "service", service.name, change)
    await service.database.close()
    print(f"{opened} partitions opened; restart the service to read on", file=sys.stderr)
    return 0


async def _dlq(service: Service, arguments: Sequence[str]) -> int:
    """Dead letters by hand."""
    if service.consumer is None:
        print(f"{service.name} reads no topic, and so has no dead letters", file=sys.stderr)
        return 2
    try:
        return await dlq.run(service.consumer.subscription, arguments)
    finally:
        await service.database.close()


async def _audit(service: Service, arguments: Sequence[str]) -> int:
    """The audit log by hand."""
    try:
        return await audit_command.run(service.name, service.database, arguments)
    finally:
        await service.database.close()
