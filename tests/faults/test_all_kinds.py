"""The short run of every CI: faults of every kind under load, and not one promise broken."""

import os

from rich.console import Console

from tests.faults.ledger import Ledger
from tests.faults.load import Shape
from tests.faults.run import Script, run, show
from tests.faults.world import World

SEED = int(os.environ.get("SEED", "20261122"))
CUSTOMERS = 1000
FAULTS = 25
KILLS_WHILE_SENDING = 30


async def test_faults_of_every_kind_break_no_promise(world: World, ledger: Ledger) -> None:
    await world.renew()
    await world.launch_all()
    shape = Shape(CUSTOMERS, silent=6)
    script = Script(seed=SEED, shape=shape, faults=FAULTS, kills_while_sending=KILLS_WHILE_SENDING)
    report = await run(world, ledger, script)
    show(report, Console(width=140))
    assert report.broken == []
    assert report.faults - report.kills_in_flight >= 20
    assert report.kills_in_flight >= 30
    assert report.acknowledged >= 10_000
    assert report.spooled > 0, "no fault sent events to the spool"
    assert report.intents >= 1_000
