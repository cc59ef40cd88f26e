"""A whole stack for a test."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from deploy.local.placement import remove_data
from deploy.local.settings import BrokerKind, Ports
from deploy.local.stack import Stack
from tests.conftest import broker_of_tests
from tests.support.profiles import Profiles


@pytest.fixture
def kind() -> BrokerKind:
    """The broker that RAPPORT_TEST_BROKER names."""
    return broker_of_tests()


@pytest.fixture
async def stack(kind: BrokerKind, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """PostgreSQL, a broker, the mail sink and the five services, on free ports."""
    home = tmp_path_factory.mktemp("stack")
    async with Stack(home, Ports.free(), broker=kind, durable=False) as made:
        yield made
        await made.kill()  # nothing is looked at any more, and to stop in order takes seconds
    remove_data(home)


@pytest.fixture(scope="module")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One for a whole file: PostgreSQL, a broker, and the two services between an event and a profile."""
    kind = broker_of_tests()
    home = tmp_path_factory.mktemp("front")
    async with Stack(home, Ports.free(), broker=kind, services=("ingest", "profile"), durable=False) as made:
        yield made
        await made.kill()  # nothing is looked at any more, and to drain takes seconds
    remove_data(home)


@pytest.fixture
async def profiles(front: Stack) -> AsyncIterator[Profiles]:
    """What `front` knows of customers."""
    bearer = {"Authorization": f"Bearer {front.admin_token}"}
    async with httpx2.AsyncClient(base_url=front.url("profile"), headers=bearer, trust_env=False) as http:
        yield Profiles(http)
