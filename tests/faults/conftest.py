"""One world for the fault tests of a module; a test that needs it as new renews it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.ledger import Ledger
from tests.faults.world import World


@pytest.fixture(scope="module")
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
