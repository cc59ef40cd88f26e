"""Each planted bug still has its place: one whose place has gone would be found by nobody, because it is not there.

They are put in by a process of their own, since they replace parts of modules that other tests use.
"""

import subprocess
import sys

import pytest

from tests.faults.planted import PLANTS
from tests.support.applications import NOWHERE

PUT_IN = """
import asyncio, sys
from shared.service.clock import SystemClock
from tests.faults import tally
from tests.faults.planted import PLANTS
from tests.support.applications import build
from tests.support.events import SECRET

async def put_in(names):
    for name in names:
        plant = PLANTS[name]
        if plant.service == "tally":
            service = tally.build(tally.TallySettings(
                database_url=sys.argv[1], kafka_bootstrap="nowhere.invalid:9092",
                partition_secret=SECRET.decode(), http_port=8001,
            ), SystemClock())
        else:
            service = build(plant.service, sys.argv[1])
        plant.put_in(service)

asyncio.run(put_in(sys.argv[2:]))
"""


@pytest.mark.parametrize("service", sorted({plant.service for plant in PLANTS.values()}))
def test_every_planted_bug_of_a_service_has_its_place(service: str) -> None:
    names = [name for name, plant in PLANTS.items() if plant.service == service]
    done = subprocess.run([sys.executable, "-c", PUT_IN, NOWHERE, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
