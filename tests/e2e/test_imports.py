"""A file of real orders, imported by hand, whose import is killed twice: each customer's figures equal the file's."""

from pathlib import Path

from deploy.local.placement import remove_data
from deploy.local.settings import BrokerKind, Ports
from deploy.local.stack import Stack
from tests.support import imports

ROWS = 5_000


async def test_an_import_that_is_killed_at_30_and_at_70_percent_goes_on_and_no_order_is_lost_or_doubled(
    kind: BrokerKind, tmp_path: Path
) -> None:
    data = imports.cdnow_lines(ROWS, folder=tmp_path)
    home = tmp_path / "stack"
    home.mkdir()
    reached: list[int] = []
    async with Stack(home, Ports.free(), broker=kind, services=("ingest", "profile"), durable=False) as stack:
        done = await imports.run(stack, data, waits=False, progress=reached.append)
        found = await imports.by_customer(stack)
        await stack.kill()  # nothing is looked at any more
    remove_data(home)
    first, second = done.killed_at
    assert 0.3 * ROWS <= first < 0.7 * ROWS <= second < ROWS
    assert reached == sorted(reached), "an import went back"
    assert reached[-1] == ROWS
    assert found == data.expected
    assert done.records >= data.orders
