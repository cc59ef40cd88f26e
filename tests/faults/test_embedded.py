"""The embedded broker is killed: it forgets everything, and its readers begin anew without stalling or doubling."""

import asyncio
from typing import Final

import pytest

from deploy.local.broker import EmbeddedBroker
from deploy.local.demo import cdnow
from deploy.local.demo.cdnow import Plan
from deploy.local.demo.client import Client
from deploy.local.demo.job import history
from deploy.local.placement import remove_data
from deploy.local.settings import Ports
from deploy.local.stack import Stack
from shared.clock import SystemClock
from tests.faults.world import READS
from tests.support import orders
from tests.support.running import eventually

NOTICE_SECONDS: Final = 10.0  # from the new broker's first answer
ORDERS: Final = 600
BATCH_EVENTS: Final = 100
IDLE_SECONDS: Final = 90.0


async def test_a_new_cluster_is_noticed_within_ten_seconds_and_every_event_counts_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("embedded")
    async with Stack(home, Ports.free(), broker="embedded", durable=False) as stack, Client(stack) as client:
        lines = cdnow.read(cdnow.path())[:ORDERS]
        plan = Plan(lines, (), (), cdnow.plan(lines, SystemClock().now().date()).shift_days)
        await _send(client, plan)
        assert isinstance(stack.broker, EmbeddedBroker)
        await stack.broker.kill()
        await stack.broker.start()
        now = asyncio.get_running_loop().time
        begun = now()
        await eventually(lambda: _moved(stack), lambda names: names == set(READS) - {"tally"}, deadline_seconds=60)
        noticed = now() - begun
        print(f"the new cluster was noticed within {noticed:.1f} s (promised: {NOTICE_SECONDS:.0f})")
        await client.until_idle(deadline_seconds=IDLE_SECONDS)
        wanted = orders.by_file(plan.history)
        assert await orders.by_profile(stack.postgres) == wanted
        assert await orders.by_segment(stack.postgres) == wanted
    remove_data(home)


async def _send(client: Client, plan: Plan) -> None:
    events = list(history(plan))
    for start in range(0, len(events), BATCH_EVENTS):
        await client.send(events[start : start + BATCH_EVENTS], historical=True)


async def _moved(stack: Stack) -> set[str]:
    """The services that hold a partition of the new cluster."""
    found = set()
    for name in READS:
        if name != "tally" and await orders.partitions_taken(stack.postgres, name, stack.broker.cluster_id):
            found.add(name)
    return found
