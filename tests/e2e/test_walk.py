"""The way of one order through the running code is short, and is the one in docs/architecture.md."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from deploy.local.broker import Broker
from tests.conftest import DatabaseFactory, new_broker
from tests.walk import table
from tests.walk.run import walk

# Segment takes five: what comes in, who is erased, tiers, memberships, rules of tags. Campaign takes twelve: facts
# and changes, who enters, how runs move, dates, what is decided, the gate and its policy, the definition, the words and
# their copy, the channel.
MOST_STOPS: Final = 28
MOST_ENTRIES: Final = 2  # of one file of a service


@pytest.fixture
async def own_broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker whose topics no other test uses."""
    server = new_broker(tmp_path)
    await server.start()
    yield server
    await server.kill()


@pytest.mark.any_broker
async def test_an_order_goes_from_http_to_smtp_in_few_stops_and_enters_no_file_three_times(
    own_broker: Broker, database_factory: DatabaseFactory, tmp_path: Path
) -> None:
    found = await walk(own_broker, database_factory, tmp_path / "mail")

    places = list(found.stops)
    assert places[0] == "shared/http"
    assert places[-1].startswith("services/campaign/channels")
    assert len(places) <= MOST_STOPS, places
    assert {file: entered for file, entered in found.entries.items() if len(entered) > MOST_ENTRIES} == {}
    assert table.markdown(found) == table.written(), "`make walk ARGS=--write` writes the table as it is now"
