"""What the field really sends, all of it on one stack: the right money, the right person, the right time, or a word."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from deploy.local.placement import remove_data
from deploy.local.settings import Ports
from deploy.local.stack import Stack
from tests.conftest import broker_of_tests
from tests.support.field_cases import CASES
from tests.support.field_cases.case import Case
from tests.support.field_cases.player import Player, expected
from tests.support.running import eventually

pytestmark = pytest.mark.any_broker


@pytest.fixture(scope="module")
async def player(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Player]:
    """A stack on which all cases have been played, and which has settled."""
    home = tmp_path_factory.mktemp("cases")
    async with (
        Stack(home, Ports.free(), broker=broker_of_tests(), durable=False) as stack,
        httpx2.AsyncClient(timeout=30, trust_env=False) as http,
    ):
        player = Player(stack, http)
        await player.play(CASES)
        yield player
        await stack.kill()  # nothing is looked at any more, and to drain takes seconds
    remove_data(home)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
async def test_a_case_of_the_field_comes_out_right(case: Case, player: Player) -> None:
    await eventually(lambda: player.outcome(case), lambda found: found == expected(case))


def test_the_cases_are_told_apart_by_their_sentences() -> None:
    assert len({case.sentence for case in CASES}) == len(CASES)
