"""The real things that tests share: one PostgreSQL and one broker a session, a fresh database a test."""

import gc
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from deploy.local import process
from deploy.local.broker import Broker, EmbeddedBroker
from deploy.local.kafka import ApacheKafka
from deploy.local.placement import remove_data
from deploy.local.postgres import Postgres
from deploy.local.process import User, free_port
from deploy.local.settings import BrokerKind, broker_kind
from tests.support.clusters import PreparedCluster
from tests.support.databases import Databases
from tests.support.examples import EXAMPLES
from tests.support.nursery import Nursery

# A busy machine is no defect: no law is judged by the time that its examples take, or take to be made.
settings.register_profile("untimed", deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

CLUSTER: Final = "RAPPORT_TEST_CLUSTER"  # the folder of the cluster that all processes of a run copy

# Workers side by side must not hand out the same port.
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
process.FREE_PORTS = process.FREE_PORTS[_worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]


def pytest_configure() -> None:
    """Makes the folder that the run's processes share."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[CLUSTER] = mkdtemp()


def pytest_unconfigure() -> None:
    """Removes it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        home = Path(os.environ.pop(CLUSTER))
        remove_data(home)
        shutil.rmtree(home)


def pytest_collection_finish() -> None:
    """Has the collector leave alone what stays until the end: modules, and thousands of tests."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what says nothing on this broker.

    On the embedded one: the tests of what it can't do, which is to keep records, or to delete them. On Apache Kafka:
    those of tests/integration that meet no broker, and those marked `any_broker`; the embedded run has them all.
    """
    apache = os.environ.get("RAPPORT_TEST_BROKER") == "apache"
    left_out = [item for item in items if (_says_no_more_of_kafka(item) if apache else _needs_kafka(item))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _needs_kafka(item: pytest.Item) -> bool:
    return item.get_closest_marker("needs_kafka") is not None


def _says_no_more_of_kafka(item: pytest.Item) -> bool:
    if item.get_closest_marker("any_broker") is not None:
        return True
    if _needs_kafka(item):
        return False
    fixtures = {"broker", "own_broker"}
    return item.path.parent.name == "integration" and fixtures.isdisjoint(getattr(item, "fixturenames", ()))


def broker_of_tests() -> BrokerKind:
    """The broker that RAPPORT_TEST_BROKER names: embedded (the default) or apache."""
    return broker_kind(os.environ.get("RAPPORT_TEST_BROKER") or "embedded")


def new_broker(home: Path) -> Broker:
    """A broker of that kind, not started, that nobody else uses."""
    port = free_port()
    return EmbeddedBroker(home, port) if broker_of_tests() == "embedded" else ApacheKafka(home, port, quick=True)


DatabaseFactory = Callable[[str], Awaitable[str]]


@pytest.fixture(scope="session", autouse=True)
def _prepared_processes() -> Iterator[None]:
    """The services' processes of this session are forked from one that has imported what they need."""
    nursery = Nursery()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "start", nursery.start)
        yield
    nursery.close()


@pytest.fixture(scope="session", autouse=True)
def _prepared_cluster() -> Iterator[None]:
    """PostgreSQL's clusters of this run are copies of one."""
    prepared = PreparedCluster(Path(os.environ[CLUSTER]))

    async def initialise(server: Postgres, programs: Path, folder: Path, user: User | None) -> None:
        await prepared.initialise(server, programs, folder, user)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Postgres, "_initialise", initialise)
        yield


@pytest.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """A PostgreSQL server that survives a kill, though not a crash of the machine."""
    home = tmp_path_factory.mktemp("postgres")
    server = Postgres(home, free_port(), durable=False)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
        remove_data(home)


@pytest.fixture(scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """The broker that RAPPORT_TEST_BROKER names: embedded (the default) or apache."""
    server = new_broker(tmp_path_factory.mktemp("broker"))
    try:
        await server.start()
        yield server
    finally:
        await server.kill()  # nothing is looked at any more, and to leave a cluster in order takes seconds


@pytest.fixture(scope="session")
def databases(postgres: Postgres) -> Databases:
    """The databases of the session's server."""
    return Databases(postgres)


@pytest.fixture
async def database_factory(databases: Databases) -> AsyncIterator[DatabaseFactory]:
    """`await database_factory("profile")` is the URL of a database with that service's tables, as new."""
    taken: list[tuple[str, str]] = []

    async def create(service: str) -> str:
        name = await databases.take(service)
        taken.append((service, name))
        return databases.url(service, name)

    yield create
    for service, name in taken:
        await databases.give_back(service, name)
