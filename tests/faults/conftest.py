"""One world for the fault tests, renewed by whoever needs it as new; and what a short run leaves out."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults import draw
from tests.faults.ledger import Ledger
from tests.faults.world import World

ALONE = ("test_disk.py", "test_rolling.py")


def pytest_report_header() -> str:
    """What was drawn, for whoever runs it again."""
    return f"faults: FAULTS_DRAW={draw.WORD}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out, in a short run, those files that need a world of their own and were not drawn."""
    left_out = set(ALONE).difference(draw.draw(ALONE, draw.ALONE))
    gone = [item for item in items if item.path.parent == Path(__file__).parent and item.path.name in left_out]
    config.hook.pytest_deselected(items=gone)
    items[:] = [item for item in items if item not in gone]


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
