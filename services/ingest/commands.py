"""`python -m services.ingest source create NAME | list | disable NAME`: sources from the command line."""

import argparse
import sys
from collections.abc import Sequence

from services.ingest import service
from services.ingest.settings import IngestSettings
from shared.clock import SystemClock
from shared.contracts.envelope import SourceKind
from shared.db import Database
from shared.errors import AppError
from shared.failpoints import failpoint


async def source(settings: IngestSettings, arguments: Sequence[str]) -> int:
    """Runs one command on sources; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m services.ingest source")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a source and print its write key, which is not shown again")
    create.add_argument("name")
    create.add_argument("--kind", choices=["public", "server"], default="server")
    create.add_argument("--allow-orders", action="store_true", help="believe a public key when it speaks of orders")
    commands.add_parser("list", help="print every source: name, kind, id, whether it may order, whether it is disabled")
    disable = commands.add_parser("disable", help="stop a source's key from working")
    disable.add_argument("name")
    chosen = parser.parse_args(arguments)
    database = Database(settings.database_url, application="rapport-ingest-source", clock=SystemClock(), pool_size=1)
    try:
        match chosen.command:
            case "create":
                await _create(database, chosen.name, SourceKind(chosen.kind), allow_orders=chosen.allow_orders)
            case "disable":
                await _disable(database, chosen.name)
            case _:
                await _list(database)
    except AppError as error:
        print(f"{error.title()} {error.detail}", file=sys.stderr)
        return 1
    finally:
        await database.close()
    return 0


async def _create(database: Database, name: str, kind: SourceKind, *, allow_orders: bool) -> None:
    async with database.work() as work:
        _, key = await service.create_source(work, name=name, kind=kind, allow_orders=allow_orders)
    failpoint("source.after_create")
    print(key)


async def _disable(database: Database, name: str) -> None:
    async with database.work() as work:
        found = [one["id"] for one in await service.sources(work) if one["name"] == name]
        if not found:
            raise service.UnknownSource(f"source {name!r}")
        await service.disable_source(work, found[0])


async def _list(database: Database) -> None:
    async with database.work() as work:
        for one in await service.sources(work):
            orders = "orders" if one["allow_orders"] else "-"
            print(
                one["name"], one["kind"], one["id"], orders, "disabled" if one["disabled_at"] else "enabled", sep="\t"
            )
