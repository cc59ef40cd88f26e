"""A whole stack for a test."""

import os
from collections.abc import AsyncIterator

import pytest

from deploy.local.placement import remove_data
from deploy.local.settings import BrokerKind, Ports, broker_kind
from deploy.local.stack import Stack


@pytest.fixture
def kind() -> BrokerKind:
    """The broker that RAPPORT_TEST_BROKER names."""
    return broker_kind(os.environ.get("RAPPORT_TEST_BROKER") or "embedded")


@pytest.fixture
async def stack(kind: BrokerKind, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """PostgreSQL, a broker, the mail sink and the five services, on free ports."""
    home = tmp_path_factory.mktemp("stack")
    async with Stack(home, Ports.free(), broker=kind, durable=False) as made:
        yield made
    remove_data(home)
