"""Files that are broken, or hold what JSON or Python can't, say so, whatever the library that reads them raises."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.ingest.domain.errors import BadDefinition
from services.ingest.domain.formats.files import FileFormat, Options
from services.ingest.service import files, imports
from services.ingest.service.files import NotReadable


def rows(path: Path, form: FileFormat, **fields: Any) -> list[dict[str, Any]]:
    options = Options(format=form, preset="tracking", **fields)
    return [msgspec.json.decode(raw) for _, _, raw in files.payloads(path, options, start=0)]


def parquet(path: Path, values: Any) -> Path:
    pq.write_table(pa.table({"at": values}), path)
    return path


def test_a_parquet_file_that_breaks_in_its_middle_is_not_readable(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a", pa.array(list(range(20_000))))
    content = bytearray(path.read_bytes())
    content[1_000:2_000] = bytes(1_000)
    path.write_bytes(content)

    with pytest.raises(NotReadable):
        rows(path, FileFormat.PARQUET)


def test_times_that_python_does_not_have_are_cut_or_not_readable(tmp_path: Path) -> None:
    """Nanoseconds are what many programs write; the year 36,000,000 is not."""
    nano = parquet(tmp_path / "n", pa.array([1_767_225_600_000_001_999], pa.timestamp("ns", "UTC")))
    [row] = rows(nano, FileFormat.PARQUET)
    assert datetime.fromisoformat(row["at"]) == datetime.fromisoformat("2026-01-01T00:00:00.000001Z")

    with pytest.raises(NotReadable):
        rows(parquet(tmp_path / "f", pa.array([2**60], pa.timestamp("ms"))), FileFormat.PARQUET)


def test_a_text_that_is_none_is_not_readable(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"], pa.binary()).buffers())
    with pytest.raises(NotReadable):
        rows(parquet(tmp_path / "a", broken), FileFormat.PARQUET)


@pytest.mark.parametrize(
    "stated",
    [{"encoding": "unicode_escape"}, {"encoding": "utf-7"}, {"encoding": "utf\0"}, {"delimiter": "ab"}, {"skip": -1}],
    ids=str,
)
def test_a_csv_file_that_is_not_what_it_is_said_to_be_is_not_readable(
    tmp_path: Path, stated: Mapping[str, Any]
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"type,userId\n\\ud800,+2D8-\n")
    options = Options(format=FileFormat.CSV, preset="tracking", **stated)

    with pytest.raises(NotReadable):
        list(files.payloads(path, options, start=0))
    with pytest.raises(NotReadable):
        rows(path, FileFormat.CSV, **stated)


@pytest.mark.parametrize("skip", [-1, 10**30])
def test_no_file_has_so_many_lines_to_pass_over(skip: int) -> None:
    with pytest.raises(BadDefinition, match="skip"):
        imports.options_of({"format": "csv", "preset": "tracking", "skip": skip})
