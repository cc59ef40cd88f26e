"""A stack with ingest alone, a browser, a shop, and for each test a source and a visitor of their own."""

from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser

from deploy.local.placement import remove_data
from deploy.local.settings import Ports
from deploy.local.stack import Stack
from tests.browser.bus import Bus, open_bus
from tests.browser.shop import Shop, open_shop
from tests.browser.sources import Source, Sources
from tests.browser.visit import Visit, open_browser, visiting
from tests.conftest import broker_of_tests


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a window."""
    async with open_browser() as made:
        yield made


@pytest.fixture(scope="session")
async def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """PostgreSQL, a broker and ingest, on free ports; only once there is a browser to use them."""
    home = tmp_path_factory.mktemp("stack")
    async with Stack(home, Ports.free(), broker=broker_of_tests(), services=("ingest",), durable=False) as made:
        yield made
    remove_data(home)


@pytest.fixture(scope="session")
def ingest(stack: Stack) -> str:
    """The base URL of the ingest service."""
    return stack.url("ingest")


@pytest.fixture(scope="session")
async def bus(stack: Stack) -> AsyncIterator[Bus]:
    """What ingest publishes."""
    async with open_bus(stack.broker.bootstrap) as made:
        yield made


@pytest.fixture(scope="session")
def sources(stack: Stack) -> Sources:
    """Makes sources of a test's own."""
    return Sources(stack)


@pytest.fixture
async def source(sources: Sources) -> Source:
    """A public source that only this test uses."""
    return await sources.made()


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop whose pages are this test's own."""
    with open_shop() as made:
        yield made


@pytest.fixture
async def visit(browser: Browser, ingest: str) -> AsyncIterator[Visit]:
    """A visitor who was never there before."""
    async with visiting(browser, ingest) as made:
        yield made
