"""`python -m tests.walk`: prints the way of one order; `--write` puts it into docs/architecture.md."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from rich.console import Console

from deploy.local.broker import EmbeddedBroker
from deploy.local.placement import remove_data
from deploy.local.postgres import Postgres
from deploy.local.process import free_port
from shared.service import logging
from tests.support.databases import Databases
from tests.walk import table
from tests.walk.run import walk
from tests.walk.stops import Walk


async def made(home: Path) -> Walk:
    """Returns the walk, on servers of its own."""
    postgres, broker = Postgres(home / "postgres", free_port(), durable=False), EmbeddedBroker(home, free_port())
    databases = Databases(postgres)

    async def url(service: str) -> str:
        return databases.url(service, await databases.take(service))

    try:
        await postgres.start()
        await broker.start()
        return await walk(broker, url, home / "mail")
    finally:
        await broker.kill()
        await postgres.stop()
        remove_data(home / "postgres")


parser = argparse.ArgumentParser(prog="python -m tests.walk", description=__doc__)
parser.add_argument("--write", action="store_true", help="write the table into docs/architecture.md")
write = parser.parse_args().write
logging.configure("walk", "ERROR", {})
with tempfile.TemporaryDirectory(prefix="rapport-walk-") as home:
    found = asyncio.run(made(Path(home)))
Console().print(table.for_terminal(found))
if write:
    table.write(found)
