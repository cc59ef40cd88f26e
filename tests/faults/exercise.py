"""A drill under load, and the verdict: what planted bugs and their clean counterpart go through."""

import asyncio
from collections.abc import Sequence
from typing import Final

from tests.faults import segments
from tests.faults.checker import Broken
from tests.faults.drills import Drill, Ground
from tests.faults.ledger import Ledger
from tests.faults.load import Clients, endless
from tests.faults.run import Report, judge, rebuild_all
from tests.faults.world import World

LEAST_SECONDS: Final = 6.0  # of load, so that every drill has something to disturb
PAUSE_SECONDS: Final = 0.6
ANSWER_DELAY_MILLISECONDS: Final = 400
REST_SECONDS: Final = 180.0  # more than a sender's lease


async def exercise(
    world: World,
    ledger: Ledger,
    seed: int,
    drills: Sequence[Drill],
    *,
    planted: str = "",
    rest_seconds: float = REST_SECONDS,
) -> list[Broken]:
    """Runs drills one after the other on a world whose services are up; every rule that is broken in the end."""
    clients = Clients(world.instances["ingest"].url, world.stack.write_key, ledger, seed)
    ground = Ground(world, ledger, clients, planted)
    if "campaign" in world.running:
        await world.set_answer_delay(ANSWER_DELAY_MILLISECONDS)
    await segments.define(world)
    done = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(clients.send_all(endless(seed, done), pause=lambda: PAUSE_SECONDS))
            await asyncio.sleep(LEAST_SECONDS)
            for drill in drills:
                await drill(ground)
            done.set()
    finally:
        await clients.close()
    await world.set_answer_delay(0)
    restless: list[Broken] = []
    try:
        await world.until_idle(deadline_seconds=rest_seconds)
    except AssertionError as error:
        restless.append(Broken("drained", str(error)))
        print(await world.standing())
    else:
        await rebuild_all(world, ledger)
    report = Report(seed=seed, nodes=world.nodes)
    await judge(world, ledger, report)
    return report.broken + restless
