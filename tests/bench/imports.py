"""`python -m tests.bench.imports`: imports of two whole files of real orders, killed at 30 % and at 70 % of their rows.

Each goes on where it was, and in the end every customer's orders, order lines and cents are compared with the file.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deploy.local.placement import remove_data
from deploy.local.settings import Ports, broker_kind
from deploy.local.stack import Stack
from tests.support import imports
from tests.support.figures import keep
from tests.support.imports import Dataset, Done

DATASETS: Final[Mapping[str, Callable[[Path], Dataset]]] = {
    "cdnow": lambda folder: imports.cdnow_lines(folder=folder),
    "journey": lambda _: imports.journey_baskets(),
}
FIGURES: Final = Path(__file__).resolve().parents[2] / "docs" / "performance-imports.json"


class Figures(msgspec.Struct, frozen=True):
    """What one import came to. Seconds are those in which rows were read, without the waits for a lease."""

    rows: int
    events: int
    killed_at: list[int]
    seconds: float
    rows_per_second: float
    events_per_second: float
    memory_mebibytes: float
    folded_seconds: float
    published_again: int
    customers: int
    order_lines: int
    cents: int
    customers_that_differ: int


def main() -> int:
    """The command line; exit status 1 if a customer's sums differ from the file's."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.imports")
    parser.add_argument("files", nargs="*", metavar="file", help=f"of {', '.join(DATASETS)}; all of them by default")
    parser.add_argument("--broker", default="apache", help="apache or embedded")
    parser.add_argument("--keep", action="store_true", help="write docs/performance-imports.json")
    arguments = parser.parse_args()
    if unknown := set(arguments.files) - DATASETS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    console = Console(width=120)
    figures = {name: asyncio.run(_run(name, arguments.broker, console)) for name in arguments.files or DATASETS}
    _show(figures, arguments.broker, console)
    if arguments.keep:
        keep(FIGURES, figures)
    return 1 if any(one.customers_that_differ for one in figures.values()) else 0


async def _run(name: str, broker: str, console: Console) -> Figures:
    with tempfile.TemporaryDirectory(prefix="rapport-imports-") as folder:
        data, home = DATASETS[name](Path(folder)), Path(folder) / "stack"
        home.mkdir()
        try:
            async with Stack(home, Ports.free(), broker=broker_kind(broker), services=("ingest", "profile")) as stack:
                with Progress(console=console) as bar:
                    task = bar.add_task(data.name, total=data.rows)
                    done = await imports.run(stack, data, progress=lambda row: bar.update(task, completed=row))
                found = await imports.by_customer(stack)
        finally:
            remove_data(home)
    return _figures(data, done, found)


def _figures(data: Dataset, done: Done, found: Mapping[str, imports.Sums]) -> Figures:
    everyone = data.expected.keys() | found.keys()
    return Figures(
        rows=data.rows,
        events=data.orders,
        killed_at=done.killed_at,
        seconds=round(done.seconds, 1),
        rows_per_second=round(data.rows / done.seconds),
        events_per_second=round(data.orders / done.seconds),
        memory_mebibytes=round(done.memory_mebibytes, 1),
        folded_seconds=round(done.folded_seconds, 1),
        published_again=done.records - data.orders,
        customers=len(found),
        order_lines=sum(one.lines for one in found.values()),
        cents=sum(one.cents for one in found.values()),
        customers_that_differ=sum(data.expected.get(one) != found.get(one) for one in everyone),
    )


def _show(figures: Mapping[str, Figures], broker: str, console: Console) -> None:
    table = Table(title=f"Imports, each killed twice, {broker} broker")
    table.add_column("")
    for name in figures:
        table.add_column(name, justify="right")
    for field in Figures.__struct_fields__:
        values = [getattr(one, field) for one in figures.values()]
        texts = (", ".join(f"{n:,}" for n in value) if isinstance(value, list) else f"{value:,}" for value in values)
        table.add_row(field.replace("_", " "), *texts)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
