"""`python -m tests.faults run|full|soak|local`: longer runs than a test may take. See docs/reliability.md."""

import argparse
import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.faults.ledger import Ledger
from tests.faults.load import Shape
from tests.faults.local_soak import soak_local
from tests.faults.run import Report, Script, run, show
from tests.faults.soak import FIGURES, soak
from tests.faults.world import World
from tests.support.figures import keep

FULL: Final = Script(seed=0, shape=Shape(5800, silent=20), faults=66, kills_while_sending=34, pause_seconds=0.8)


def main() -> int:
    """The command line; exit status 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("what", choices=["run", "full", "soak", "local"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="of faults (5), of the soak (62), of the local stack (60)")
    parser.add_argument("--nodes", type=int, default=0, help="Kafka brokers: 1 or 3")
    parser.add_argument("--restarts", type=int, default=50, help="of each service, in the soak")
    parser.add_argument("--every", type=float, default=7.5, help="seconds from one kill of the local stack to the next")
    parser.add_argument("--rate", type=float, default=100, help="events a second, for the local stack")
    arguments = parser.parse_args()
    console = Console(width=150)
    folder = Path(tempfile.mkdtemp(prefix="rapport-faults-"))
    console.print(f"seed {arguments.seed}; history and logs in {folder}")
    if arguments.what == "soak":
        return asyncio.run(
            soak(
                folder,
                console,
                minutes=arguments.minutes or 62,
                restarts=arguments.restarts,
                nodes=arguments.nodes or 3,
            )
        )
    if arguments.what == "local":
        return asyncio.run(
            soak_local(
                folder,
                console,
                minutes=arguments.minutes or 60,
                every_seconds=arguments.every,
                per_second=arguments.rate,
                seed=arguments.seed,
            )
        )
    if arguments.what == "full":
        script = replace(FULL, seed=arguments.seed)
    else:
        script = Script(seed=arguments.seed, faults=100_000, kills_while_sending=5, minutes=arguments.minutes or 5)
    report = asyncio.run(_run(folder, script, nodes=arguments.nodes or (3 if arguments.what == "full" else 1)))
    show(report, console)
    if arguments.what == "full":
        keep(FIGURES, {"full": report.plain()})
    return 1 if report.broken else 0


async def _run(folder: Path, script: Script, *, nodes: int) -> Report:
    ledger = Ledger(folder / "ledger.jsonl")
    try:
        async with World(folder / "world", nodes=nodes) as world:
            await world.launch_all()
            return await run(world, ledger, script)
    finally:
        ledger.close()


if __name__ == "__main__":
    sys.exit(main())
