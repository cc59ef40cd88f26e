"""The checker is proved: each planted bug is caught under its rule; test_healthy.py is the same without one."""

import os

import pytest

from tests.faults import draw
from tests.faults.checker import Broken
from tests.faults.drills import DRILLS
from tests.faults.exercise import exercise
from tests.faults.ledger import Ledger
from tests.faults.planted import PLANTS
from tests.faults.world import World

SEED = int(os.environ.get("SEED", "7"))
RUNS = 3
REST_SECONDS = 35.0  # a bug may leave work that is never done; more than the sender's lease


def test_there_are_enough_bugs() -> None:
    assert len(PLANTS) >= 10


@pytest.mark.parametrize("bug", draw.draw(PLANTS, draw.PLANTED_BUGS))
async def test_a_planted_bug_is_caught_under_its_rule(world: World, ledger: Ledger, bug: str) -> None:
    """Some bugs need a coincidence, so there are `RUNS` at most, each with a seed of its own."""
    found: list[Broken] = []
    for run in range(RUNS):
        found = await _run(world, Ledger(ledger.path.with_suffix(f".{run}")), bug, SEED + run)
        print(*(f"{one.rule}: {one.what}" for one in found), sep="\n")
        if PLANTS[bug].rule in {one.rule for one in found}:
            return
    raise AssertionError(f"not caught under {PLANTS[bug].rule!r} in {RUNS} runs; in the last: {found}")


async def _run(world: World, ledger: Ledger, bug: str, seed: int) -> list[Broken]:
    plant = PLANTS[bug]
    await world.renew()
    world.drill_env[plant.service] = {"FAULTS_PLANT": bug, **plant.circumstances}
    try:
        await world.launch_all(plant.needs)
        return await exercise(
            world, ledger, seed, [DRILLS[plant.drill]], planted=plant.failpoint, rest_seconds=REST_SECONDS
        )
    finally:
        world.drill_env.clear()
        ledger.close()
