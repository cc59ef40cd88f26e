"""`python -m tests.faults.serve NAME serve|…`: a service under test, with a clock that a drill can move.

It is the service's own composition root; only the clock is given from outside, and, where `FAULTS_PLANT` names one, a
planted bug. `FAULTS_CLOCK` names a file with the seconds by which the clock is off; `FAULTS_NOW` freezes it. With
`FAULTS_SLOW_COMMITS` every second batch commits late, so that what others wrote after it is there before it; with
`FAULTS_SLOW_READS` records are in hand for a while before their transaction begins, so that a reader that is frozen
mostly has some.
"""

import asyncio
import importlib
import itertools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from shared.contracts.envelope import Event
from shared.database.database import Work
from shared.kafka.consumer.batch import Applier, Handler, OwnedPartition
from shared.kafka.dead_letters.dead_letter import Record
from shared.service import process
from shared.service.clock import Clock, SystemClock
from shared.service.command_line import Command
from tests.faults import planted, tally

SLOW_SECONDS: Final = 0.15
IN_HAND_SECONDS: Final = 0.5


class DrillClock:
    """The machine's clock, off by what a file says at the moment; or one that stands still."""

    def __init__(self, file: str, frozen: str) -> None:
        self._file = Path(file) if file else None
        self._frozen = datetime.fromisoformat(frozen).astimezone(UTC) if frozen else None
        self._system = SystemClock()

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        if self._frozen is not None:
            return self._frozen
        off = float(self._file.read_text() or 0) if self._file and self._file.exists() else 0.0
        return self._system.now() + timedelta(seconds=off)


def main(name: str) -> int:
    """Runs the service's command line with the drill's clock and bug."""
    clock = DrillClock(os.environ.get("FAULTS_CLOCK", ""), os.environ.get("FAULTS_NOW", ""))
    plant = planted.PLANTS.get(os.environ.get("FAULTS_PLANT", ""))
    build, settings, commands = _parts(name, clock)

    def built(chosen: Any) -> process.Service:
        service = build(chosen, clock)
        if plant is not None and plant.service == name:
            plant.put_in(service)
        if os.environ.get("FAULTS_SLOW_COMMITS"):
            _slow_down(service)
        if os.environ.get("FAULTS_SLOW_READS"):
            _hold_in_hand(service)
        return service

    return process.main(name, settings, built, commands=commands)


def _slow_down(service: process.Service) -> None:
    assert service.consumer is not None
    subscription = service.consumer.subscription
    slowed = {handler: _slow(handler) for handler in subscription.handlers.values()}
    handlers = {body: slowed[handler] for body, handler in subscription.handlers.items()}
    service.consumer.applier = replace(subscription, handlers=handlers).batches()


def _hold_in_hand(service: process.Service) -> None:
    assert service.consumer is not None
    service.consumer.applier = _InHand(service.consumer.applier)


class _InHand:
    """Has batches wait before they are applied."""

    def __init__(self, right: Applier) -> None:
        self._right = right

    async def apply(self, held: OwnedPartition, records: Sequence[Record]) -> str | None:
        """Applies a batch, later."""
        await asyncio.sleep(IN_HAND_SECONDS)
        return await self._right.apply(held, records)


def _slow(handler: Handler) -> Handler:
    turns = itertools.cycle((0.0, SLOW_SECONDS))

    async def slow(work: Work, events: Sequence[Event]) -> None:
        await handler(work, events)
        await asyncio.sleep(next(turns))

    return slow


def _parts(name: str, clock: Clock) -> tuple[Callable[[Any, Clock], process.Service], Any, dict[str, Command]]:
    if name == "tally":
        return tally.build, tally.TallySettings, {}
    root = importlib.import_module(f"services.{name}.main")
    settings = getattr(importlib.import_module(f"services.{name}.settings"), f"{name.title()}Settings")
    return root.build, settings, _commands(root.COMMANDS, clock)


def _commands(own: Mapping[str, Command], clock: Clock) -> dict[str, Command]:
    """The service's own commands; a rebuild goes by the drill's clock."""
    found = dict(own)
    if "rebuild" in found:
        run: Callable[..., Any] = found["rebuild"].run
        found["rebuild"] = replace(found["rebuild"], run=partial(run, clock=clock))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv.pop(1)))
