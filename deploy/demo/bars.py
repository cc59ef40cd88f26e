"""How far a long job has come: bars on a terminal; elsewhere a plain line now and then."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

TENTHS: Final = 10
LEAST_SECONDS: Final = 1.0  # between two lines of one job
MOST_SECONDS: Final = 5.0  # without a line, while something moves

Clock = Callable[[], float]


class Bar(Protocol):
    """One job's."""

    def update(self, completed: int) -> None:
        """Says how far it is."""
        ...


class Bars(Protocol):
    """Several jobs', side by side."""

    def add(self, name: str, total: int, completed: int = 0) -> Bar:
        """One more."""
        ...


class _Drawn:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def add(self, name: str, total: int, completed: int = 0) -> Bar:
        """One more."""
        progress, task = self._progress, self._progress.add_task(name, total=total, completed=completed)

        class Drawn:
            def update(self, completed: int) -> None:
                """Draws it."""
                progress.update(task, completed=completed)

        return Drawn()


class Plain:
    """Lines: at each tenth, but not in quick succession, every few seconds while it moves, and at the end."""

    def __init__(self, console: Console, name: str, total: int, completed: int, clock: Clock) -> None:
        self._console, self._name, self._total, self._clock = console, name, total, clock
        self._begun = self._told = clock()
        self._first = self._last = completed

    def update(self, completed: int) -> None:
        """Prints a line, if it is time for one."""
        now = self._clock()
        if completed == self._last or self._last >= self._total:
            return
        tenth = completed * TENTHS // self._total > self._last * TENTHS // self._total
        due = MOST_SECONDS if not tenth else LEAST_SECONDS
        if now - self._told < due and completed < self._total:
            return
        self._told, self._last = now, completed
        rate = (completed - self._first) / max(now - self._begun, 0.001)
        percent = 100 * completed // self._total
        self._console.print(f"{self._name}: {completed:,} of {self._total:,} ({percent} %), {rate:,.0f}/s")


class _Lines:
    def __init__(self, console: Console, clock: Clock) -> None:
        self._console, self._clock = console, clock

    def add(self, name: str, total: int, completed: int = 0) -> Bar:
        """One more."""
        return Plain(self._console, name, max(total, 1), completed, self._clock)


@contextlib.contextmanager
def bars(console: Console, clock: Clock = time.monotonic) -> Iterator[Bars]:
    """Shows how far jobs are while the block runs."""
    if not console.is_terminal:
        yield _Lines(console, clock)
        return
    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield _Drawn(progress)


@contextlib.contextmanager
def waiting(console: Console, text: str) -> Iterator[None]:
    """Says what is waited for: with a spinner on a terminal, once elsewhere."""
    if console.is_terminal:
        with console.status(text):
            yield
    else:
        console.print(f"{text} ...")
        yield


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Steps a second, over the last while."""
        return Text(f"{task.speed or 0:,.0f}/s")
