"""Files on a real broker and a real PostgreSQL: each row once, whatever happens to the process that imports it."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.local.broker import Broker
from services.ingest.commands import import_file
from services.ingest.main import build, importer
from services.ingest.service import files, imports
from services.ingest.service.imports import Batch
from services.ingest.settings import IngestSettings
from shared.audit.command import user
from shared.contracts import topics, wire
from shared.contracts.envelope import Event
from shared.contracts.events import CustomerIdentified, Item, OrderPlaced
from shared.kafka import log
from shared.kafka.topics import ensure_topics
from shared.service.process import Service
from tests.conftest import DatabaseFactory
from tests.support.commands import run_command
from tests.support.events import SECRET
from tests.support.ingest import Ingest, bearer, ingesting, keep_published
from tests.support.running import eventually
from tests.support.sources import VAULT, made_source

ROWS = 1_000
RECEIPTS = {
    "rules": [
        {
            "event": "Order Completed",
            "fields": {
                "userId": "household",
                "timestamp": {"from": "at", "as": "time", "zone": "America/New_York"},
                "properties.order_id": {"from": "basket", "as": "text"},
                "properties.currency": {"value": "USD"},
                "properties.total": {"from": "rows[].value", "as": "sum", "places": 2},
                "properties.products": {
                    "each": "rows",
                    "fields": {
                        "product_id": {"from": "product", "as": "text"},
                        "quantity": "pieces",
                        "total": {"from": "value", "as": "number", "places": 2},
                    },
                },
            },
        }
    ]
}


class Desk:
    """The command, on a database and a broker of the test's own."""

    def __init__(self, service: Service, settings: IngestSettings, source_id: UUID, folder: Path) -> None:
        self.service = service
        self.settings = settings
        self.source_id = source_id
        self.folder = folder

    async def run(self, *arguments: str) -> int:
        """In this process."""
        worker = importer(self.settings, self.service, VAULT)
        return await import_file.run(self.service.database, worker, arguments)

    async def run_and_die(self, failpoint: str, *arguments: str) -> int:
        """As a process of its own, which ends at a failpoint; its exit status."""
        env = {
            **os.environ,
            "DATABASE_URL": self.settings.database_url.get_secret_value(),
            "KAFKA_BOOTSTRAP": self.settings.kafka_bootstrap,
            "PARTITION_SECRET": SECRET.decode(),
            "HTTP_PORT": "8001",
            "FAILPOINT": failpoint,
        }
        return (await run_command("ingest", "import", *arguments, env=env)).status

    async def events(self) -> list[Event]:
        """What is on the bus of this source, each once."""
        records = await log.read(self.settings.kafka_bootstrap, topics.EVENTS)
        found = [wire.decode(record.headers, record.value) for record in records]
        return list({event.event_id: event for event in found if event.source_id == str(self.source_id)}.values())

    async def row(self) -> Mapping[str, Any]:
        """The one import."""
        async with self.service.database.work() as work:
            [row] = await work.rows("SELECT state, next_row, events, refused, error FROM imports")
        found: Mapping[str, Any] = row._mapping
        return found


@pytest.fixture
async def desk(broker: Broker, database_factory: DatabaseFactory, tmp_path: Path) -> AsyncIterator[Desk]:
    settings = IngestSettings(
        database_url=await database_factory("ingest"),
        kafka_bootstrap=broker.bootstrap,
        partition_secret=SECRET.decode(),
        http_port=8001,
    )
    await ensure_topics(broker.bootstrap, [topics.EVENTS], replication=1, patience_seconds=20)
    service = build(settings)
    source_id, _ = await made_source(service.database, "till")
    yield Desk(service, settings, source_id, tmp_path)
    await service.producer.close()
    await service.database.close()


def orders_file(folder: Path, rows: int = ROWS, *, bad: tuple[int, ...] = ()) -> Path:
    path = folder / "orders.csv"
    lines = ["user_id,order_id,currency,total,ordered_at"]
    lines += [
        f"u{n % 97},A-{n},{'' if n in bad else 'EUR'},{n}.50,2025-03-{n % 28 + 1:02d}T12:00:00Z" for n in range(rows)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def rejects_of(path: Path) -> list[dict[str, Any]]:
    file = path.with_suffix(path.suffix + ".rejects.ndjson")
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_every_row_of_a_csv_file_is_on_the_bus_as_history(desk: Desk) -> None:
    path = orders_file(desk.folder)
    assert await desk.run(str(path), "--source", "till", "--preset", "orders") == 0
    events = await desk.events()
    assert len(events) == ROWS
    assert {event.historical for event in events} == {True}
    bodies = {event.body.order_id: event.body for event in events if isinstance(event.body, OrderPlaced)}
    assert (bodies["A-7"].currency, bodies["A-7"].total_minor, bodies["A-7"].items) == ("EUR", 750, ())
    assert (await desk.row())["state"] == "done"
    assert await desk.run(str(path), "--source", "till", "--preset", "orders") == 0
    assert len(await desk.events()) == ROWS


@pytest.mark.parametrize("failpoint", ["import.after_publish@2", "import.after_checkpoint@3", "import.after_publish@5"])
async def test_an_import_that_is_killed_goes_on_and_each_row_counts_once(desk: Desk, failpoint: str) -> None:
    path = orders_file(desk.folder, bad=(5, 333, 999))
    arguments = (str(path), "--source", "till", "--preset", "orders")
    assert await desk.run_and_die(failpoint, *arguments) == -signal.SIGKILL
    killed_at = (await desk.row())["next_row"]
    assert 0 < killed_at < ROWS
    async with desk.service.database.work() as work:  # as if its process had been dead for longer than its lease
        await work.run("UPDATE imports SET held_until = now() - interval '1 second'")
    assert await desk.run(*arguments) == 3
    events = await desk.events()
    ids = Counter(event.body.order_id for event in events if isinstance(event.body, OrderPlaced))
    assert ids == {f"A-{n}": 1 for n in range(ROWS) if n not in (5, 333, 999)}
    row = await desk.row()
    assert (row["state"], row["next_row"], row["events"], row["refused"]) == ("done", ROWS, ROWS - 3, 3)
    assert [one["row"] for one in rejects_of(path)] == [5, 333, 999]


@pytest.mark.any_broker
async def test_another_process_cannot_work_on_an_import_at_the_same_time(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    path = orders_file(desk.folder)
    arguments = (str(path), "--source", "till", "--preset", "orders")
    await desk.run_and_die("import.after_publish@2", *arguments)
    assert await desk.run(*arguments) == 1
    assert "Another process works on this import" in capsys.readouterr().err


async def test_refused_rows_are_in_a_file_and_in_the_quarantine_with_their_reasons(desk: Desk) -> None:
    path = desk.folder / "orders.csv"
    path.write_text(
        "user_id,order_id,currency,total,ordered_at\n"
        "1,A-1,EUR,1.50,2025-03-01T12:00:00Z\n"
        "2,A-2,EUR,much,2025-03-01T12:00:00Z\n"
        "3,A-3,EUR,1.50,yesterday\n"
        "null,A-4,EUR,1.50,2025-03-01T12:00:00Z\n"
        "5,A-5,EUR,1.50,2025-03-01T12:00:00Z,and,more\n"
    )
    assert await desk.run(str(path), "--source", "till", "--preset", "orders") == 3
    assert len(await desk.events()) == 1
    rejects = rejects_of(path)
    assert [(one["row"], one["reason_code"]) for one in rejects] == [
        (1, "mapping"),
        (2, "time"),
        (3, "identity"),
        (4, "malformed"),
    ]
    assert rejects[0]["reason"].startswith("column total: rules[0].fields.properties.total: 'much' is not a number")
    assert rejects[1]["reason"].startswith("column ordered_at: rules[0].fields.timestamp: 'yesterday' is not a time")
    assert json.loads(rejects[0]["raw"])["order_id"] == "A-2"
    async with desk.service.database.work() as work:
        held = await work.rows("SELECT import_row, way, reason FROM quarantine ORDER BY import_row")
    assert [(row.import_row, row.way) for row in held] == [(n, "file") for n in range(1, 5)]
    assert [row.reason for row in held] == [one["reason"] for one in rejects]


@pytest.mark.any_broker
async def test_a_file_with_a_column_that_the_preset_does_not_know_is_told_before_anything_is_published(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    path = desk.folder / "orders.csv"
    path.write_text("customer_id,order_id,currency,total,sku,ordered_at\n1,A-1,EUR,1.50,tea,2025-03-01\n")
    arguments = (str(path), "--source", "till", "--preset", "orders")
    assert await desk.run(*arguments) == 1
    shown = " ".join(capsys.readouterr().err.split())
    assert "`customer_id` (known: user_id), `sku`" in shown
    assert "--ignore-columns 'customer_id,sku'" in shown
    assert await desk.events() == []
    async with desk.service.database.work() as work:
        assert await work.rows("SELECT 1 FROM imports") == []
    path.write_text(path.read_text().replace("customer_id", "user_id"))
    assert await desk.run(*arguments, "--ignore-columns", "sku") == 0
    assert len(await desk.events()) == 1


@pytest.mark.any_broker
async def test_a_dry_run_says_what_would_become_of_each_row_and_publishes_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    path = orders_file(desk.folder, 300, bad=(7,))
    assert await desk.run(str(path), "--source", "till", "--preset", "orders", "--dry-run") == 3
    shown = " ".join(capsys.readouterr().err.split())
    assert "orders.csv would be imported" in shown
    assert "user_id:u0" in shown
    assert await desk.events() == []
    assert [one["row"] for one in rejects_of(path)] == [7]
    async with desk.service.database.work() as work:
        assert await work.rows("SELECT 1 FROM quarantine") == []
    assert await desk.run(str(path), "--source", "till", "--preset", "orders") == 3
    assert len(await desk.events()) == 299
    tabs = desk.folder / "orders.tsv"
    tabs.write_text("user_id\torder_id\tcurrency\ttotal\tordered_at\n1\tT-1\tEUR\t12,50\t2025-03-01\n")
    assert await desk.run(str(tabs), "--source", "till", "--preset", "orders", "--decimal", ",", "--dry-run") == 0
    assert "total_minor': 1250" in " ".join(capsys.readouterr().err.split())


@pytest.mark.any_broker
async def test_the_lines_of_a_receipt_become_one_order(desk: Desk) -> None:
    path, mapping = desk.folder / "till.parquet", desk.folder / "mapping.json"
    lines = [(f"h{b % 5}", b, line, line + 1, 0.1 + line / 3) for b in range(200) for line in range(b % 7 + 1)]
    columns = list(zip(*lines, strict=True))
    table = pa.table(
        {
            "household": columns[0],
            "basket": pa.array(columns[1], pa.int64()),
            "product": pa.array(columns[2], pa.int64()),
            "pieces": pa.array(columns[3], pa.int64()),
            "value": pa.array(columns[4], pa.float64()),
            "at": pa.array([1_490_000_000_000_000_000] * len(lines), pa.timestamp("ns")),
        }
    )
    pq.write_table(table, path, row_group_size=100)
    mapping.write_text(json.dumps(RECEIPTS))
    arguments = (str(path), "--source", "till", "--mapping", str(mapping), "--group", "household,basket")
    assert await desk.run(*arguments) == 0
    orders = [event.body for event in await desk.events() if isinstance(event.body, OrderPlaced)]
    assert len(orders) == 200
    assert sum(len(one.items) for one in orders) == len(lines)
    cents = sum(round(value * 100) for *_, value in lines)
    assert abs(sum(one.total_minor for one in orders) - cents) <= 1
    for one in orders:
        assert one.total_minor == sum(
            item.unit_price_minor * item.quantity if item.total_minor is None else item.total_minor
            for item in one.items
        )


def line_total(item: Item) -> int:
    return item.unit_price_minor * item.quantity if item.total_minor is None else item.total_minor


@pytest.mark.any_broker
async def test_a_parquet_file_without_its_reader_says_how_to_get_it_and_is_imported_once_it_is_there(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.folder / "orders.parquet"
    rows = {"order_id": ["P-1"], "user_id": ["42"], "currency": ["USD"], "total": ["12.50"]}
    rows["ordered_at"] = ["2025-03-01T12:00:00Z"]
    pq.write_table(pa.table(rows), path)
    arguments = (str(path), "--source", "till", "--preset", "orders")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        assert await desk.run(*arguments) == 1
    assert "make ready-parquet" in capsys.readouterr().err.replace("\n", " ")
    assert await desk.run(*arguments) == 0


async def test_lines_of_json_are_messages_of_the_tracking_api_and_a_bad_one_costs_only_itself(desk: Desk) -> None:
    path = desk.folder / "events.ndjson"
    good = [{"type": "identify", "userId": f"u{n}", "messageId": f"m-{n}", "traits": {"n": n}} for n in range(50)]
    lines = [json.dumps(one) for one in good]
    lines[20:20] = ["{not json", "[]"]
    path.write_text("\n".join(lines) + "\n\n")
    assert await desk.run(str(path), "--source", "till", "--preset", "tracking") == 3
    bodies = [event.body for event in await desk.events()]
    assert sorted(body.traits["n"] for body in bodies if isinstance(body, CustomerIdentified)) == list(range(50))
    assert [one["row"] for one in rejects_of(path)] == [20, 21]


@pytest.mark.parametrize(
    ("content", "arguments", "reason"),
    [
        (b"no parquet", ("--format", "parquet", "--preset", "orders"), "no Parquet file"),
        (b"total,email\n1,2\n", ("--preset", "orders", "--group", "c"), "there is no column 'c'"),
        (b"total\n\xff\xfe\n", ("--preset", "orders"), "can't decode byte"),
        (b"total\n1\n", ("--preset", "orders", "--encoding", "klingon"), "unknown encoding"),
    ],
)
@pytest.mark.any_broker
async def test_a_file_that_cant_be_read_says_why(
    desk: Desk, capsys: pytest.CaptureFixture[str], content: bytes, arguments: tuple[str, ...], reason: str
) -> None:
    path = desk.folder / "file.csv"
    path.write_bytes(content)
    assert await desk.run(str(path), "--source", "till", *arguments) == 1
    assert reason in " ".join(capsys.readouterr().err.split())


async def test_an_uploaded_file_is_imported_by_the_service(
    database_factory: DatabaseFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = orders_file(tmp_path, 450, bad=(3,)).read_bytes()
    admin = bearer("ingest:admin")
    async with ingesting(await database_factory("ingest")) as ingest:
        body = {
            "source_id": str(ingest.ids["server"]),
            "name": "orders.csv",
            "options": {"format": "csv", "preset": "orders"},
        }
        made = (await ingest.http.post("/v1/imports", json=body, headers=admin)).json()["id"]
        path = f"/v1/imports/{made}"
        assert (await ingest.http.get(path, headers=admin)).json()["state"] == "uploading"
        response = await ingest.http.put(f"{path}/content", content=content, headers=admin)
        assert (response.status_code, response.json()["state"]) == (202, "waiting")
        assert (await ingest.http.put(f"{path}/content", content=content, headers=admin)).status_code == 409
        worker = importer(ingest.settings, ingest.service, VAULT)
        worker.publisher = ingest.publisher
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run(stop))
            assert (await ended(ingest, made))["state"] == "done"
            await breaking(ingest)
            await no_place_for_a_file(ingest, monkeypatch)
            await ending_its_process(ingest, made)
            strange, passed_over = [
                await uploaded(ingest, UNKNOWN, {"ignore_columns": names}) for names in ([], ["sku"])
            ]
            stop.set()
        assert (strange["state"], strange["next_row"]) == ("failed", 0)
        assert "`sku`" in strange["error"]
        assert (passed_over["state"], passed_over["options"]["ignore_columns"]) == ("done", ["sku"])
        assert len(ingest.publisher.events) == 449 + 1
        row = (await ingest.http.get(path, headers=admin)).json()
        assert (row["events"], row["refused"], row["next_row"]) == (449, 1, 450)
        rejects = (await ingest.http.get(f"{path}/rejects", headers=admin)).text.splitlines()
        assert [json.loads(line)["row"] for line in rejects] == [3]
        assert [one["id"] for one in (await ingest.http.get("/v1/imports", headers=admin)).json()["imports"]][
            -1
        ] == made
        async with ingest.service.database.work() as work:
            assert await work.rows("SELECT 1 FROM import_chunks") == []


async def test_an_import_waits_while_a_broker_that_keeps_nothing_has_more_than_may_be_kept(
    database_factory: DatabaseFactory, tmp_path: Path
) -> None:
    content, admin = orders_file(tmp_path, 450).read_bytes(), bearer("ingest:admin")
    async with ingesting(await database_factory("ingest"), spool_megabytes=1, kafka_volatile=True) as ingest:
        database, stop = ingest.service.database, asyncio.Event()
        await keep_published(database, octets=1 << 20)

        async def figures() -> tuple[str, int, int]:
            [row] = (await ingest.http.get("/v1/imports", headers=admin)).json()["imports"]
            async with database.work() as work:
                return row["state"], row["next_row"], len(await work.outbox.waiting(topics.EVENTS))

        async def held_until() -> Any:
            async with database.work() as work:
                return next((row.held_until for row in await work.rows("SELECT held_until FROM imports")), None)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(importer(ingest.settings, ingest.service, VAULT).run(stop))
            importing = tasks.create_task(uploaded(ingest, content, {}))
            await eventually(held_until, lambda until: until is not None)
            ingest.clock.moment += timedelta(minutes=1)
            await eventually(held_until, lambda until: until > ingest.clock.now())  # it has looked again
            assert await figures() == ("running", 0, 0)
            async with database.work() as work:
                await work.run("DELETE FROM published")  # every reader has it
            assert (await importing)["state"] == "done"
            assert await figures() == ("done", 450, 450)
            stop.set()


async def test_a_defect_of_ours_ends_its_import_loudly_and_run_again_by_hand_it_goes_on(
    desk: Desk,
) -> None:
    path = orders_file(desk.folder, 450)
    options = imports.options_of({"format": "csv", "preset": "orders"})
    content_hash, size = files.digest(path)
    worker, stop = importer(desk.settings, desk.service, VAULT), asyncio.Event()

    async def run(progress: Callable[[Batch], None], file: Path = path) -> bool:
        async with desk.service.database.work() as work:
            begun = await imports.begin(
                work, desk.source_id, options, name="a.csv", content_hash=content_hash, size=size, by=user()
            )
            row = await imports.hold(work, begun["id"], worker.holder)
        return await worker.work_on(row, file, stop=stop, progress=progress)

    def defect(batch: Batch) -> None:
        raise ZeroDivisionError(batch.next_row)

    assert not await run(lambda _: None, desk.folder / "gone.csv")
    assert "the file can't be read" in (await desk.row())["error"]
    assert not await run(defect)
    row = await desk.row()
    assert (row["state"], row["next_row"]) == ("failed", 200)
    assert "ZeroDivisionError" in row["error"]
    assert await run(lambda _: None)
    assert len(await desk.events()) == 450
    row = await desk.row()
    assert (row["state"], row["next_row"], row["error"]) == ("done", 450, None)


async def ending_its_process(ingest: Ingest, made: str) -> None:
    """A file that ends the process that reads it, again and again, fails in the end, however that comes about."""
    async with ingest.service.database.work() as work:
        await work.run(
            """
            UPDATE imports
               SET state = 'running', holder = :other, held_until = :until, interrupted = 4
             WHERE id = :id
            """,
            id=UUID(made),
            other=uuid4(),
            until=work.now - timedelta(seconds=1),
        )
    failed = await ended(ingest, made)
    assert failed["state"] == "failed"
    assert "ended 5 times" in failed["error"]


async def no_place_for_a_file(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is not PostgreSQL's absence: nothing waits for it."""
    with monkeypatch.context() as full:
        full.setattr(tempfile, "tempdir", "/nowhere")
        failed = await uploaded(ingest, UNKNOWN, {"ignore_columns": ["sku"]})
    assert (failed["state"], failed["next_row"]) == ("failed", 0)
    assert "no place for the file" in failed["error"]


async def breaking(ingest: Ingest) -> None:
    """Files that can't be read, and options of a release before, end an import, and not the process."""
    broken: dict[str, Any] = {}
    for content, options, reason in (
        (b"\x1f\x8b\x08\x00\x00", {}, "gzip"),
        (b"PAR1 and no more", {"format": "parquet"}, "no Parquet file"),
        (UNKNOWN + b'2,A-2,EUR,1.50,"tea,2025-03-01\n', {"ignore_columns": ["sku"]}, "is a quote closed"),
        (UNKNOWN + b"2,\xff", {"ignore_columns": ["sku"]}, "can't decode"),
    ):
        broken = await uploaded(ingest, content, options)
        assert (broken["state"], broken["events"], broken["next_row"]) == ("failed", 0, 0)
        assert reason in broken["error"]
    before = uuid4()
    async with ingest.service.database.work() as work:
        await work.run(
            """
            INSERT INTO imports (id, source_id, name, content_hash, bytes, options, state, uploaded, created_by,
                                 created_at, changed_at)
            SELECT :id, source_id, name, content_hash, bytes, CAST('{"format": "scroll"}' AS jsonb), 'waiting',
                   uploaded, created_by, created_at, changed_at
              FROM imports WHERE id = :model
            """,
            id=before,
            model=UUID(broken["id"]),
        )
    assert (await ended(ingest, str(before)))["state"] == "failed"


UNKNOWN = b"user_id,order_id,currency,total,sku,ordered_at\n1,A-1,EUR,1.50,tea,2025-03-01\n"


async def uploaded(ingest: Ingest, content: bytes, options: dict[str, Any]) -> Any:
    """What became of an upload."""
    admin = bearer("ingest:admin")
    body: dict[str, Any] = {"source_id": str(ingest.ids["server"]), "name": "more.csv"}
    body["options"] = {"format": "csv", "preset": "orders", **options}
    made = (await ingest.http.post("/v1/imports", json=body, headers=admin)).json()["id"]
    await ingest.http.put(f"/v1/imports/{made}/content", content=content, headers=admin)
    return await ended(ingest, made)


async def ended(ingest: Ingest, made: str) -> Any:
    """What became of an import."""

    async def found() -> Any:
        return (await ingest.http.get(f"/v1/imports/{made}", headers=bearer("ingest:admin"))).json()

    return await eventually(found, lambda one: one["state"] in ("done", "failed"))


async def test_two_uploads_of_one_import_at_once_make_no_file_of_both(database_factory: DatabaseFactory) -> None:
    """A client that gave up sends its file again, while what came of the first is still read."""
    async with ingesting(await database_factory("ingest")) as ingest:
        body = {
            "source_id": str(ingest.ids["server"]),
            "name": "a.csv",
            "options": {"format": "csv", "preset": "orders"},
        }
        admin = bearer("ingest:admin")
        made = (await ingest.http.post("/v1/imports", json=body, headers=admin)).json()["id"]
        path, head, tail = f"/v1/imports/{made}", b"order_id,total\n" * 100_000, b"the end\n"
        meanwhile: list[int] = []

        async def slowly() -> AsyncIterator[bytes]:
            yield head
            again = await ingest.http.put(f"{path}/content", content=head[:16] + tail, headers=admin)
            meanwhile.append(again.status_code)
            yield tail

        first = await ingest.http.put(f"{path}/content", content=slowly(), headers=admin)
        assert (meanwhile, first.status_code) == ([202], 409)
        shown = (await ingest.http.get(path, headers=admin)).json()
        assert (shown["state"], shown["bytes"]) == ("waiting", len(head[:16] + tail))
        async with ingest.service.database.work() as work:
            parts = await work.rows("SELECT content FROM import_chunks")
        assert [bytes(row.content) for row in parts] == [head[:16] + tail]


async def test_a_file_that_is_too_large_is_refused_while_it_is_uploaded(database_factory: DatabaseFactory) -> None:
    admin = bearer("ingest:admin")
    async with ingesting(await database_factory("ingest"), import_megabytes=1) as ingest:
        options = {"format": "csv", "preset": "orders"}
        body = {"source_id": str(ingest.ids["server"]), "name": "a.csv", "options": options}
        made = (await ingest.http.post("/v1/imports", json=body, headers=admin)).json()["id"]
        response = await ingest.http.put(f"/v1/imports/{made}/content", content=b"x" * 1_100_000, headers=admin)
        assert (response.status_code, response.headers["content-type"]) == (413, "application/problem+json")
