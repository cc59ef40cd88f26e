"""Without a bug, every drill passes: the other half of what test_planted.py shows."""

from tests.faults.drills import DRILLS
from tests.faults.exercise import exercise
from tests.faults.ledger import Ledger
from tests.faults.planted import PLANTS
from tests.faults.test_planted import SEED
from tests.faults.world import World


async def test_a_healthy_system_passes_every_drill(world: World, ledger: Ledger) -> None:
    await world.renew()
    for plant in PLANTS.values():
        world.drill_env[plant.service] = {**world.drill_env.get(plant.service, {}), **plant.circumstances}
    try:
        await world.launch_all()
        assert await exercise(world, ledger, SEED, list(DRILLS.values())) == []
    finally:
        world.drill_env.clear()
