"""Parquet and JSON lines: each type of a value, and what becomes of it."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.formats.files import FileFormat, Options
from services.ingest.service import files
from services.ingest.service.files import NotReadable
from tests.support.importing import Imported, imported

SOLD = datetime(2026, 9, 5, 8, tzinfo=UTC)
NANOSECONDS = int(SOLD.timestamp()) * 10**9


def parquet(folder: Path, **columns: Any) -> Path:
    path = folder / "file.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def read(path: Path) -> list[Any]:
    """The column `it`, as JSON."""
    options = Options(format=FileFormat.PARQUET, preset="tracking")
    return [msgspec.json.decode(raw)["it"] for _, _, raw in files.payloads(path, options, start=0)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([NANOSECONDS + 1_999], pa.timestamp("ns", "UTC")), "2026-09-05T08:00:00.000001Z"),
        (pa.array([NANOSECONDS + 1_999], pa.timestamp("ns")), "2026-09-05T08:00:00.000001"),
        (pa.array([NANOSECONDS // 1000], pa.timestamp("us", "Asia/Shanghai")), "2026-09-05T08:00:00Z"),
        (pa.array([NANOSECONDS // 1000], pa.timestamp("us", "Mars/Phobos")), "2026-09-05T08:00:00Z"),
        (pa.array([NANOSECONDS // 10**6], pa.timestamp("ms")), "2026-09-05T08:00:00"),
        (pa.array([NANOSECONDS // 10**9], pa.timestamp("s", "+08:00")), "2026-09-05T08:00:00Z"),
        (pa.array([[NANOSECONDS + 1]], pa.list_(pa.timestamp("ns", "UTC"))), ["2026-09-05T08:00:00Z"]),
        (pa.array([{"a": NANOSECONDS + 1}], pa.struct([("a", pa.timestamp("ns"))])), {"a": "2026-09-05T08:00:00"}),
        (
            pa.array([[("a", NANOSECONDS + 1)]], pa.map_(pa.string(), pa.timestamp("ns"))),
            [["a", "2026-09-05T08:00:00"]],
        ),
        (pa.array([NANOSECONDS + 1], pa.timestamp("ns")).dictionary_encode(), "2026-09-05T08:00:00"),
        (pa.array([1_001], pa.time64("ns")), "00:00:00.000001"),
        (pa.array([time(8, 30)], pa.time32("s")), "08:30:00"),
        (pa.array([1_001], pa.duration("ns")), "PT0.000001S"),
        (pa.array([timedelta(hours=1)], pa.duration("s")), "PT3600S"),
        (pa.array([date(2026, 9, 5)], pa.date32()), "2026-09-05"),
        (pa.array([date(2026, 9, 5)], pa.date64()), "2026-09-05"),
        (pa.array([Decimal("12.50")], pa.decimal128(9, 2)), 12.5),
        (pa.array([Decimal("1234567890123456.78")], pa.decimal128(30, 2)), "1234567890123456.78"),
        (pa.array(["tea"]).dictionary_encode(), "tea"),
        (pa.array([b"tea"], pa.binary()), "tea"),
        (pa.array([b"tea"], pa.large_binary()), "tea"),
        (pa.array(["tea"], pa.large_string()), "tea"),
        (pa.array([2**63 - 1], pa.int64()), 2**63 - 1),
        (pa.array([2**64 - 1], pa.uint64()), 2**64 - 1),
        (pa.array([float("nan")], pa.float64()), None),
        (pa.array([1.5], pa.float16()), 1.5),
        (pa.array([True]), True),
        (pa.nulls(1), None),
        (pa.array([{"a": [{"b": b"c"}]}]), {"a": [{"b": "c"}]}),
    ],
    ids=lambda one: str(one.type) if isinstance(one, pa.Array) else "",
)
def test_a_value_of_each_type_is_read(tmp_path: Path, values: Any, expected: Any) -> None:
    assert read(parquet(tmp_path, it=values)) == [expected]


def fields(rows: int, **changes: Any) -> dict[str, Any]:
    return {
        "order_id": [f"P-{n}" for n in range(rows)],
        "user_id": ["pia"] * rows,
        "currency": ["EUR"] * rows,
        "total": [12.5] * rows,
        "ordered_at": pa.array([NANOSECONDS + 1_999] * rows, pa.timestamp("ns")),
        **changes,
    }


def test_ids_of_doubles_are_whole_numbers_again_and_one_that_lost_digits_is_refused(tmp_path: Path) -> None:
    numbers = pa.array([7001.0, 7002.0, None, float("nan"), 7003.5, 2.0**53], pa.float64())
    people = pa.array([41.0, None, 42.0, 43.0, 44.0, 45.0], pa.float64())
    done = imported(parquet(tmp_path, **fields(6, order_id=numbers, user_id=people)), format="parquet", preset="orders")
    assert [(order, str(one.identities[0])) for (order, _), one in zip(done.orders, done.events, strict=True)] == [
        ("7001", "user_id:41")
    ]
    assert list(done.refused) == [1, 2, 3, 4, 5]
    assert all(done.refused[row].startswith("column order_id: ") for row in (2, 3, 4, 5))


@given(st.lists(st.integers(1, 2**53 - 1), min_size=1, max_size=20))
def test_an_id_is_the_same_from_a_column_of_integers_doubles_decimals_and_texts(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int]
) -> None:
    folder, rows = tmp_path_factory.mktemp("ids"), len(numbers)
    kinds = (pa.int64(), pa.float64(), pa.decimal128(20, 0), pa.string())
    found = []
    for kind in kinds:
        ids = pa.array(list(map(str, numbers)) if kind == pa.string() else numbers, kind)
        done = imported(parquet(folder, **fields(rows, order_id=ids, user_id=ids)), format="parquet", preset="orders")
        assert done.refused == {}
        found.append([(order, one.identities) for (order, _), one in zip(done.orders, done.events, strict=True)])
    assert [order for order, _ in found[0]] == list(map(str, numbers))
    assert all(one == found[0] for one in found)


def test_decimals_and_nanoseconds_are_read_whatever_a_text_would_be_read_by(tmp_path: Path) -> None:
    """A decimal column has no sign before its decimals: an option on texts changes nothing of it."""
    path = parquet(tmp_path, **fields(1, total=pa.array([Decimal("12.500")], pa.decimal128(9, 3))))
    for decimal in ("", ",", "."):
        done = imported(path, format="parquet", preset="orders", decimal=decimal)
        assert (done.orders, done.refused) == ([("P-0", 1250)], {})
        assert done.events[0].occurred_at == SOLD + timedelta(microseconds=1)


def test_a_parquet_file_without_rows_makes_nothing_and_one_without_a_column_is_refused(tmp_path: Path) -> None:
    assert imported(parquet(tmp_path, **fields(0)), format="parquet", preset="orders") == Imported([], {})
    lacking = {name: column for name, column in fields(0).items() if name != "total"}
    with pytest.raises(NotReadable, match="reads `total`"):
        imported(parquet(tmp_path, **lacking), format="parquet", preset="orders")
    doubled = pa.Table.from_arrays([pa.array(["1"])] * 2, ["order_id", "order_id"])
    pq.write_table(doubled, tmp_path / "file.parquet")
    with pytest.raises(NotReadable, match="stands twice"):
        imported(tmp_path / "file.parquet", format="parquet", preset="orders")


def json_lines(folder: Path, content: bytes, **options: Any) -> Imported:
    path = folder / "file.ndjson"
    path.write_bytes(content)
    return imported(path, format="ndjson", **{"preset": "orders", **options})


def line(number: object, **more: Any) -> bytes:
    fact = {"order_id": number, "user_id": 5, "currency": "EUR", "total": "1.50", "ordered_at": "2026-09-05"}
    return json.dumps({**fact, **more}).encode() + b"\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_broken_line_of_json_costs_itself_alone(tmp_path: Path, encoding: str) -> None:
    content = b"\n" + line("N-1") + b'{"order_id": \n' + b"[]\n" + line("N-2") + line("N-3")[:-5]
    done = json_lines(tmp_path, content.decode().encode(encoding))
    assert [order for order, _ in done.orders] == ["N-1", "N-2"]
    assert list(done.refused) == [1, 2, 4]


def test_a_line_of_json_that_is_too_long_costs_itself_alone(tmp_path: Path) -> None:
    done = json_lines(tmp_path, line("N-1") + line("N-2", user_id="x" * 5_000_000) + line("N-3"))
    assert [order for order, _ in done.orders] == ["N-1", "N-3"]
    assert "longer than" in done.refused[1]


def test_an_array_of_json_and_a_compressed_file_are_refused_and_no_line_at_all_is_nothing(tmp_path: Path) -> None:
    for content, reason in ((b" [\n{}]\n", "a JSON array"), (b"\x1f\x8b\x08\x00", "gzip")):
        with pytest.raises(NotReadable, match=reason):
            json_lines(tmp_path, content)
    assert json_lines(tmp_path, b"\n\n") == Imported([], {})


def test_a_column_that_no_line_of_json_has_is_missing_and_one_that_some_have_is_not(tmp_path: Path) -> None:
    sparse = json_lines(tmp_path, line("N-1") + line("N-2", ordered_at=None, country="DE"))
    assert ([order for order, _ in sparse.orders], list(sparse.refused)) == (["N-1"], [1])
    with pytest.raises(NotReadable, match="reads `ordered_at`"):
        json_lines(tmp_path, b'{"order_id": 1, "user_id": 5, "currency": "EUR", "total": 1}\n')


RECEIPT: dict[str, Any] = {
    "rules": [
        {
            "event": "Order Completed",
            "fields": {
                "userId": "user_id",
                "timestamp": {"from": "ordered_at", "as": "time"},
                "properties.order_id": "order_id",
                "properties.currency": "currency",
                "properties.total": {"from": "rows[].total", "as": "sum"},
            },
        }
    ]
}


def test_a_group_with_an_unreadable_line_in_it_is_refused_and_no_sum_is_false(tmp_path: Path) -> None:
    broken, receipts = b"{\n", [line("N-1"), line("N-1"), line("N-2"), line("N-3")]
    content = receipts[0] + broken + receipts[1] + receipts[2] + broken + receipts[3] + broken
    done = json_lines(tmp_path, content, preset="", mapping=RECEIPT, group=["order_id"])
    assert done.orders == [("N-2", 150), ("N-3", 150)]
    assert list(done.refused) == [0, 4, 6]
