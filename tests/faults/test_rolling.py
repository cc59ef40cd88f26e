"""Each service is restarted again and again, and clients hear an answer or 503."""

from tests.faults.rolling import Roller
from tests.faults.world import World

ROUNDS = 2


async def test_each_service_rolls_under_load_with_no_error_but_503(world: World) -> None:
    await world.renew()
    roller = Roller(world)
    await roller.start()
    try:
        async with roller.asked():
            for _ in range(ROUNDS):
                for name in list(roller.fronts):
                    await roller.roll(name)
    finally:
        await roller.stop()
    print(dict(roller.heard))
    assert (roller.errors, roller.wrong) == ([], {})
    assert set(roller.restarts.values()) == {ROUNDS}
