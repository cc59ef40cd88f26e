"""What was tried and what came of it, counted over all tests and processes of a run, and told as a table at its end."""

from collections import Counter
from typing import Final

from rich.console import Console
from rich.table import Table

TRIED: Final = Counter[str]()
"""By kind of input: how many requests were made."""

FAILED: Final = Counter[str]()
"""By kind of input: how many were answered with 5xx, or not at all."""


def count(kind: str, tried: int, failed: int = 0) -> None:
    """Adds to this process's figures."""
    TRIED[kind] += tried
    FAILED[kind] += failed


def show(tried: Counter[str], failed: Counter[str], console: Console) -> None:
    """Prints the table that docs/security.md quotes."""
    table = Table(title="Bad input")
    table.add_column("kind")
    table.add_column("requests", justify="right")
    table.add_column("5xx, or no answer", justify="right")
    for kind, number in sorted(tried.items()):
        table.add_row(kind, f"{number:,}", f"{failed[kind]:,}")
    table.add_row("all", f"{tried.total():,}", f"{failed.total():,}", style="bold")
    console.print(table)
