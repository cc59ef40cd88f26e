"""Without a bug, the drills pass: the other half of what test_planted.py shows, and for the same bugs."""

from tests.faults import draw
from tests.faults.drills import DRILLS
from tests.faults.exercise import exercise
from tests.faults.ledger import Ledger
from tests.faults.planted import PLANTS
from tests.faults.test_planted import SEED
from tests.faults.world import World


async def test_a_healthy_system_passes_the_drills(world: World, ledger: Ledger) -> None:
    plants = [PLANTS[bug] for bug in draw.draw(PLANTS, draw.PLANTED_BUGS)]
    drills = {plant.drill for plant in plants} if draw.is_short() else DRILLS.keys()
    await world.renew()
    for plant in plants:
        world.drill_env[plant.service] = {**world.drill_env.get(plant.service, {}), **plant.circumstances}
    try:
        await world.launch_all()
        assert await exercise(world, ledger, SEED, [DRILLS[name] for name in DRILLS if name in drills]) == []
    finally:
        world.drill_env.clear()
