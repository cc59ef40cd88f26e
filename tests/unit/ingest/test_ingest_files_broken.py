"""Files that are broken, or hold what JSON or Python can't, say so, whatever the library that reads them raises."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.ingest.domain.errors import BadDefinition
from services.ingest.domain.formats.files import PROBLEM, FileFormat, Options
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


def test_a_parquet_file_that_is_cut_off_is_not_readable(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a", pa.array(list(range(20_000))))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(NotReadable, match="no Parquet file"):
        rows(path, FileFormat.PARQUET)


def test_a_damaged_page_is_found_before_anything_is_published(tmp_path: Path) -> None:
    """By its checksum, if it has one: its values may look right."""
    table = pa.table({"type": pa.array([f"t{n:05}" for n in range(20_000)])})
    path = tmp_path / "a"
    pq.write_table(
        table, path, row_group_size=5_000, compression="none", use_dictionary=False, write_page_checksum=True
    )
    content = bytearray(path.read_bytes())
    content[content.index(b"t15001")] ^= 1
    path.write_bytes(content)

    options = Options(format=FileFormat.PARQUET, preset="tracking")
    with pytest.raises(NotReadable, match="the file can't be read"):
        files.examine(path, options)
    with pytest.raises(NotReadable, match=r"after row 1[0-9]{4}"):
        list(files.payloads(path, options, start=0))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (pa.array([None, 2**60], pa.timestamp("ms")), "timestamp"),
        (pa.array([None, 10**7], pa.date32()), "date32"),
        (pa.array([None, b"\xff"], pa.binary()), "binary"),
        (pa.array([None, {"a": 2**60}], pa.struct([("a", pa.timestamp("ms"))])), "struct"),
        (pa.Array.from_buffers(pa.string(), 2, pa.array([b"", b"\xff"], pa.binary()).buffers()), "string"),
    ],
    ids=str,
)
def test_a_value_that_json_or_python_does_not_have_costs_its_row_and_says_so(
    tmp_path: Path, values: Any, reason: str
) -> None:
    fine, problem = rows(parquet(tmp_path / "a", values), FileFormat.PARQUET)
    assert PROBLEM not in fine
    assert problem[PROBLEM].startswith(f"column at: a value of the type {reason}")


@pytest.mark.parametrize(
    "stated",
    [{"encoding": "undefined"}, {"encoding": "utf\0"}, {"delimiter": "ab"}, {"skip": -1}],
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
        files.examine(path, options)


@pytest.mark.parametrize("encoding", ["unicode_escape", "utf-7"])
def test_a_text_that_json_does_not_have_costs_its_row(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"type,userId\n\\ud800,+2D8-\nx,y\n")
    problem, fine = rows(path, FileFormat.CSV, encoding=encoding)
    assert problem[PROBLEM].startswith("a value that JSON does not have")
    assert fine == {"type": "x", "userId": "y", "_row": 1}


@pytest.mark.parametrize("skip", [-1, 10**30])
def test_no_file_has_so_many_lines_to_pass_over(skip: int) -> None:
    with pytest.raises(BadDefinition, match="skip"):
        imports.options_of({"format": "csv", "preset": "tracking", "skip": skip})
