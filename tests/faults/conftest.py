"""One world for the fault tests, renewed by whoever needs it as new; and what a short run leaves out."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults import draw
from tests.faults.ledger import Ledger
from tests.faults.world import World

ALONE = ("test_disk.py", "test_rolling.py")
LONGEST = "test_all_kinds.py"
QUICK = ("test_front.py", "test_provider.py", "test_proxy.py")


def pytest_report_header() -> str:
    """What was drawn, for whoever runs it again."""
    return f"faults: FAULTS_DRAW={draw.WORD}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out, in a short run, those files that need a world of their own and were not drawn; and orders the rest.

    The longest test comes first, and behind it what takes no time: of two processes, one begins with these, and the
    other meanwhile has all that is left.
    """
    left_out = set(ALONE).difference(draw.draw(ALONE, draw.ALONE))
    mine = [item for item in items if item.path.parent == Path(__file__).parent]
    gone = [item for item in mine if item.path.name in left_out]
    config.hook.pytest_deselected(items=gone)
    kept = [item for item in mine if item not in gone]
    kept.sort(key=lambda item: 0 if item.path.name == LONGEST else 1 if item.path.name in QUICK else 2)
    others = [item for item in items if item not in mine]
    items[:] = [*others, *kept]


@pytest.fixture(scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """PostgreSQL, one Apache Kafka broker and the mail provider, without services."""
    async with World(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new history."""
    made = Ledger(tmp_path / "ledger.jsonl")
    yield made
    made.close()
