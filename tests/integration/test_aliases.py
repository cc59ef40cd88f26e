"""Former ids: whom they mean, and what a token that names one opens, in whichever order merges are heard of."""

import random
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from shared.database import aliases
from shared.database.aliases import Merge
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory

CUSTOMERS = 12


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """The database of a service that hears of merges."""
    made = Database(await database_factory("feedback"), application="test", clock=SystemClock())
    yield made
    await made.close()


def some_merges(chance: random.Random) -> list[Merge]:
    """Each customer but the first is merged into an earlier one, or into none."""
    return [
        Merge(UUID(int=number + 1), UUID(int=chance.randrange(number) + 1), chance.random() < 0.7)
        for number in range(1, CUSTOMERS)
        if chance.random() < 0.9
    ]


@pytest.mark.parametrize("seed", range(12))
async def test_a_former_id_opens_who_stands_for_it_if_every_merge_on_the_way_was_verified(
    database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    merges = some_merges(chance)
    into = {one.loser: one for one in merges}
    heard = [*merges, *chance.sample(merges, min(3, len(merges)))]  # some of them twice
    chance.shuffle(heard)
    while heard:
        size = chance.choice([1, 2, 5])
        async with database.work() as work:
            await aliases.lock_merges(work)
            await aliases.note_merges(work, heard[:size])
        heard = heard[size:]

    everybody = [UUID(int=number + 1) for number in range(CUSTOMERS)]
    async with database.work() as work:
        called = await aliases.canonical(work, everybody)
        for one in everybody:
            root, verified = one, True
            while root in into:
                verified &= into[root].verified
                root = into[root].survivor
            assert called[one] == root
            for other in everybody:
                assert await aliases.opens(work, one, other) == (verified and called[other] == root)
