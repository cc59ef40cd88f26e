"""The walk as a table, for a terminal and for docs/architecture.md."""

from typing import Final

from rich.table import Table

from tests.walk.stops import Stop, Walk
from tests.walk.tracing import ROOT

DOCUMENT: Final = ROOT / "docs" / "architecture.md"
BEGIN: Final = "<!-- the walk, written by `make walk ARGS=--write` -->\n\n"
END: Final = "<!-- the walk ends -->"
HEADS: Final = ("stop", "entered by", "from", "asks")


def rows(walk: Walk) -> list[tuple[str, ...]]:
    """Returns a row a stop: its number, its place, how and from where it was entered, whom it asks."""
    return [
        (str(n), one.place, one.function, ", ".join(one.entered_from), ", ".join(_asked(one)))
        for n, one in enumerate(walk.stops.values(), 1)
    ]


def for_terminal(walk: Walk) -> Table:
    """Returns the table for people at a terminal."""
    table = Table("", *HEADS, title="An order from POST /v1/batch to SMTP")
    for row in rows(walk):
        table.add_row(*row)
    return table


def markdown(walk: Walk) -> str:
    """Returns the table as it stands in the document."""
    lines = [f"| | {' | '.join(HEADS)} |", "|---|---|---|---|---|"]
    for number, *cells in rows(walk):
        lines.append(f"| {number} | " + " | ".join(_code(one) for one in cells) + " |")
    return "\n".join(lines) + "\n\n"


def written() -> str:
    """Returns the table that stands in the document."""
    return DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def write(walk: Walk) -> None:
    """Puts the table into the document."""
    before, begin, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    DOCUMENT.write_text(before + begin + markdown(walk) + END + rest.partition(END)[2], encoding="utf-8")


def _asked(stop: Stop) -> list[str]:
    """The files that a stop asks, without the service that is its own."""
    return [file.split("/", 2)[2] for file in stop.asks]


def _code(cell: str) -> str:
    return ", ".join(f"`{one}`" for one in cell.split(", ") if one)
