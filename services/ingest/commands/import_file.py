"""`python -m services.ingest import FILE --source NAME …`: a file of customers, orders or events, by hand.

An import that was cut off goes on where it was when it is run again. Refused rows are written to a file beside it,
each with its reason.
"""

import argparse
import asyncio
import signal
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from services.ingest.domain.formats.columns import columns_of
from services.ingest.domain.formats.files import PRESETS, FileFormat, Options
from services.ingest.service import files, imports, sources
from services.ingest.service.imports import Batch, Report
from shared.audit.command import user
from shared.database.database import Database
from shared.errors import AppError
from shared.kafka.producer import BrokerAway

REJECTS_AT_ONCE: Final = 500
HELP_WIDTH: Final = 80  # characters
FORMATS: Final = {
    ".csv": FileFormat.CSV,
    ".txt": FileFormat.CSV,
    ".tsv": FileFormat.CSV,
    ".ndjson": FileFormat.NDJSON,
    ".jsonl": FileFormat.NDJSON,
    ".parquet": FileFormat.PARQUET,
}


class Imports(Protocol):
    """What works on a file."""

    holder: UUID

    async def work_on(
        self, row: Any, path: Path, *, stop: asyncio.Event, progress: Callable[[Batch], None], examined: bool
    ) -> bool:
        """Imports a file from where it was. Returns whether it came to its end."""
        ...


async def run(database: Database, importer: Imports, arguments: Sequence[str]) -> int:
    """Imports one file. Returns the exit status: 0 if all rows were accepted, 3 if some were refused, 1 on failure."""
    chosen = parser().parse_args(arguments)
    console = Console(stderr=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        return await _import(database, importer, chosen, console, stop)
    except AppError as error:
        console.print(f"{error.title()} {error.detail}", markup=False, soft_wrap=True)
    except BrokerAway as error:
        console.print(f"the broker is away: {error}; run it again to go on", markup=False)
    return 1


async def _import(
    database: Database, importer: Imports, chosen: argparse.Namespace, console: Console, stop: asyncio.Event
) -> int:
    options, path = _options(chosen), chosen.file
    files.examine(path, options)
    for note in files.column_notes(path, options):
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    content_hash, size = files.digest(path)
    async with database.work() as work:
        source_id = await sources.named(work, chosen.source)
        begun = await imports.begin(
            work, source_id, options, name=path.name, content_hash=content_hash, size=size, by=user()
        )
        if begun["state"] == "done":
            _summary(console, begun, Report(events=begun["events"], refused=begun["refused"]), "was imported before")
            return 0
        row = await imports.hold(work, begun["id"], importer.holder)
    report = Report(events=row["events"], refused=row["refused"])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(path.name, total=files.count(path, options), completed=row["next_row"])

        def progress(batch: Batch) -> None:
            report.add(batch)
            bar.update(task, completed=batch.next_row)

        ended = await importer.work_on(row, path, stop=stop, progress=progress, examined=True)
    _summary(console, row, report, "would be imported" if options.dry_run else "imported")
    if report.refused:
        rejects = chosen.rejects or path.with_suffix(path.suffix + ".rejects.ndjson")
        await _write_rejects(database, row["id"], rejects)
        console.print(f"refused rows, each with its reason: {rejects}", markup=False)
    if not ended:
        async with database.work() as work:
            now = await imports.one(work, row["id"])
        console.print(now["error"] or f"stopped at row {now['next_row']}; run it again to go on", markup=False)
        return 1
    return 3 if report.refused else 0


def _options(chosen: argparse.Namespace) -> Options:
    known = FORMATS.get(chosen.file.suffix.lower())
    fields = {
        "format": chosen.format or (known.value if known else None),
        "preset": "" if chosen.mapping else chosen.preset or "",
        "mapping": msgspec.json.decode(chosen.mapping.read_bytes()) if chosen.mapping else None,
        "group": chosen.group.split(",") if chosen.group else [],
        "columns": chosen.columns.split(",") if chosen.columns else [],
        "ignore_columns": chosen.ignore_columns.split(",") if chosen.ignore_columns else [],
        "skip": chosen.skip,
        "delimiter": _delimiter(chosen, known),
        "decimal": chosen.decimal,
        "encoding": chosen.encoding,
        "historical": not chosen.live,
        "dry_run": chosen.dry_run,
    }
    return imports.options_of(fields)


def _delimiter(chosen: argparse.Namespace, known: FileFormat | None) -> str:
    if chosen.delimiter is None:
        return "\t" if chosen.file.suffix.lower() == ".tsv" and known is FileFormat.CSV else ","
    return "\t" if chosen.delimiter == "\\t" else str(chosen.delimiter)


def _summary(console: Console, row: Any, report: Report, what: str) -> None:
    table = Table(title=f"{row['name']} {what}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("events", f"{report.events:,}")
    table.add_row("refused", f"{report.refused:,}")
    for reason, rows in report.reasons.most_common():
        table.add_row(f"  {reason}", f"{rows:,}")
    if report.unread_phones:
        table.add_row("phone numbers that link nobody", f"{report.unread_phones:,}")
    for namespace, values in report.placeholders.most_common():
        table.add_row(f"placeholders as {namespace}", f"{values:,}")
    console.print(table)
    for example in report.examples:
        console.print(f"  {example['at']:%Y-%m-%d %H:%M:%S} {example['who']}: {example['event']}", markup=False)


async def _write_rejects(database: Database, import_id: UUID, to: Path) -> None:
    """Writes the refused rows from the database, at the end: all of them, however often the import was cut off."""
    after = -1
    with to.open("wb") as file:
        while True:
            async with database.work() as work:
                rows = await imports.rejects(work, import_id, after=after, limit=REJECTS_AT_ONCE)
            for one in rows:
                file.write(msgspec.json.encode({**one, "raw": bytes(one["raw"]).decode(errors="replace")}) + b"\n")
            if len(rows) < REJECTS_AT_ONCE:
                return
            after = rows[-1]["row"]


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the arguments that follow `import`."""
    parser = argparse.ArgumentParser(
        prog="python -m services.ingest import",
        description="Imports a file, as history unless --live. An import that was cut off goes on if run again.",
        epilog="\n".join(["columns of the presets:", *map(_preset_help, PRESETS)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=_file, help="CSV, NDJSON or Parquet")
    parser.add_argument("--source", required=True, help="the name of the source that the file is from")
    parser.add_argument("--format", choices=list(FileFormat), help="by default what the file's name says")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--preset", choices=list(PRESETS), help="the columns have the names that are listed below")
    what.add_argument("--mapping", type=_file, help="a JSON file that says how rows become events")
    parser.add_argument("--group", default="", help="columns whose equal, adjoining rows are one payload; by comma")
    parser.add_argument("--columns", default="", help="the columns of a CSV file that does not name them; by comma")
    parser.add_argument("--ignore-columns", default="", help="columns that the preset ignores; by comma")
    parser.add_argument("--skip", type=int, default=0, help="lines before the first of a CSV file")
    parser.add_argument("--delimiter", help="of a CSV file: by default a comma, or a tab if the name ends in .tsv")
    parser.add_argument("--encoding", default="utf-8", help="of a CSV file; a mark at its beginning (BOM) is read, too")
    parser.add_argument("--decimal", default="", help="the sign before decimals in a preset's numbers, if not a point")
    parser.add_argument(
        "--live", action="store_true", help="as if it happened now: journeys may begin, messages are sent"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="report what would become of each row, and publish nothing"
    )
    parser.add_argument("--rejects", type=Path, help="where refused rows go; by default beside the file")
    return parser


def _preset_help(preset: str) -> str:
    names = ", ".join(one.name for one in columns_of(preset))
    return textwrap.fill(f"{preset}: {names}", HELP_WIDTH, initial_indent="  ", subsequent_indent="      ")


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is not a file")
    return path
