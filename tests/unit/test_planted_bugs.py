"""Each planted bug still has its place: one whose place has gone would be found by nobody, because it is not there.

Each service's are put in by a process of their own, since they replace parts of modules that other tests use: forked
from one that has imported them all.
"""

import json
import subprocess
import sys

import pytest

from tests.faults.planted import PLANTS
from tests.support.applications import NOWHERE

PUT_IN = """
import asyncio, json, os, sys, traceback
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

found = {}
for service in sorted({plant.service for plant in PLANTS.values()}):
    told, tells = os.pipe()
    if not os.fork():
        os.close(told)
        try:
            asyncio.run(put_in([name for name, plant in PLANTS.items() if plant.service == service]))
            os.write(tells, b"put in")
        except BaseException:
            os.write(tells, traceback.format_exc().encode()[-4096:])
        os._exit(0)
    os.close(tells)
    with open(told) as text:
        found[service] = text.read()
    os.wait()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    """What became of each service's planted bugs: `put in`, or the error."""
    done = subprocess.run([sys.executable, "-c", PUT_IN, NOWHERE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("service", sorted({plant.service for plant in PLANTS.values()}))
def test_every_planted_bug_of_a_service_has_its_place(service: str, found: dict[str, str]) -> None:
    assert found[service] == "put in"
