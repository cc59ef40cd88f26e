"""Faults of every kind under load, and not one promise broken."""

import os

from rich.console import Console

from tests.faults import draw
from tests.faults.ledger import Ledger
from tests.faults.load import Shape
from tests.faults.nemesis import catalogue, kind
from tests.faults.run import Script, run, show
from tests.faults.world import World

SEED = int(os.environ.get("SEED", "20261122"))
WHOLE = Script(seed=SEED, shape=Shape(1000, silent=6), faults=25, kills_while_sending=30)
SHORT_KILLS = 4
SHORT_HOLD = 0.6  # so that most holes and freezes last longer than a consumer's session still
LEAST_SEEN = 0.8  # of the kinds: a fault on a wire without traffic has no effect


async def test_faults_of_every_kind_break_no_promise(world: World, ledger: Ledger) -> None:
    """The whole run kills a sender thirty times more; the short one meets every kind once."""
    await world.renew()
    await world.launch_all()
    kinds = {kind(fault) for fault in catalogue(world)}
    script = WHOLE
    if draw.is_short():
        script = Script(
            seed=SEED, shape=Shape(200, silent=6), faults=len(kinds), kills_while_sending=SHORT_KILLS, hold=SHORT_HOLD
        )
    report = await run(world, ledger, script)
    show(report, Console(width=140))
    assert report.broken == []
    assert {kind(one.fault) for one in report.struck} == kinds
    assert report.faults - report.kills_in_flight >= len(kinds) * LEAST_SEEN
    assert report.kills_in_flight >= script.kills_while_sending
    if not draw.is_short():
        assert report.acknowledged >= 10_000
        assert report.spooled > 0, "no fault sent events to the spool"
        assert report.intents >= 1_000
