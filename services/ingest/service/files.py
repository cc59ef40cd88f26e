"""Reading files row by row, whatever their size: memory holds a few thousand rows at most."""

import contextlib
import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from services.ingest.domain.formats import columns
from services.ingest.domain.formats.files import BEYOND, MAX_GROUP_ROWS, NUMBER, FileFormat, Options
from shared.errors import Invalid

MAX_COLUMNS: Final = 2_000  # of a CSV file: each row costs as much as there are columns, however short it is
PARQUET_ROWS: Final = 5_000  # read at a time
HASHED_BYTES: Final = 1 << 20
NO_PARQUET: Final = "Parquet: the library that reads it is not installed; get it with: make ready-parquet"

# Of files that are broken, or hold what JSON or Python can't: csv, pyarrow, codecs and msgspec have no error in common.
_BROKEN: Final = (csv.Error, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, OSError)

Row = dict[str, Any] | bytes  # bytes: a line that can't be read as a row


class NotReadable(Invalid):
    """The file can't be read in its stated format."""


class UnknownColumns(NotReadable):
    """The file has columns that would not be read."""


def check_columns(path: Path, options: Options) -> None:
    """Raises `UnknownColumns`, naming the nearest known columns, before anything is published; or `NotReadable`.

    In a file of JSON lines every line is looked at, which takes as long as reading the file.
    """
    if options.preset:
        with _readable():
            names = _column_names(path, options)
        if problem := columns.unknown(options, names):
            raise UnknownColumns(problem)


def column_notes(path: Path, options: Options) -> list[str]:
    """Returns how a mapping and the file's columns differ, in sentences. Raises `NotReadable`."""
    if options.mapping is None:
        return []
    with _readable():
        names = _column_names(path, options)
    return columns.notes(options, names)


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Raises `NotReadable` for whatever the libraries make of a file that is broken, or holds what JSON can't."""
    try:
        yield
    except _BROKEN as error:
        raise NotReadable(f"the file can't be read: {error}") from None


def _column_names(path: Path, options: Options) -> Sequence[str]:
    match options.format:
        case FileFormat.CSV:
            with _csv_reader(path, options) as reader:
                return [name for name in reader.fieldnames or () if name]
        case FileFormat.NDJSON:
            return list(dict.fromkeys(name for row in _ndjson(path) if not isinstance(row, bytes) for name in row))
        case FileFormat.PARQUET:
            with _parquet(path) as file:
                names: list[str] = file.schema_arrow.names
                return names


def require_reader(wanted: FileFormat) -> None:
    """Raises `NotReadable` if the library that reads this format is not installed."""
    if wanted is FileFormat.PARQUET and find_spec("pyarrow") is None:
        raise NotReadable(NO_PARQUET)


def digest(path: Path) -> tuple[bytes, int]:
    """Returns a file's SHA-256, and its size in bytes."""
    hashed, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(HASHED_BYTES):
            hashed.update(chunk)
            size += len(chunk)
    return hashed.digest(), size


def payloads(path: Path, options: Options, *, start: int) -> Iterator[tuple[int, int, bytes]]:
    """Yields the payloads from row `start` on: the number of the first row, the number after the last, and the bytes in
    JSON.

    Raises `NotReadable`.
    """
    with _readable():
        yield from _payloads(path, options, start)


def _payloads(path: Path, options: Options, start: int) -> Iterator[tuple[int, int, bytes]]:
    rows = _numbered(islice(_rows(path, options), start, None), start)
    if not options.group:
        for number, row in rows:
            yield number, number + 1, row if isinstance(row, bytes) else _encode(row)
        return
    for group in _grouped(rows, options.group):
        number, first = group[0]
        if isinstance(first, bytes):
            yield number, number + 1, first
        else:
            yield number, number + len(group), _encode({**first, "rows": [row for _, row in group]})


def _numbered(rows: Iterable[Row], start: int) -> Iterator[tuple[int, Row]]:
    """Yields rows with their numbers, which are put into them, too: a mapping may need an id for a row without one."""
    for number, row in enumerate(rows, start):
        if not isinstance(row, bytes):
            row[NUMBER] = number
        yield number, row


def count(path: Path, options: Options) -> int | None:
    """Returns how many rows there are; None if that would take reading them all."""
    if options.format is not FileFormat.PARQUET:
        return None
    with _parquet(path) as file:
        rows: int = file.metadata.num_rows
        return rows


def _grouped(rows: Iterable[tuple[int, Row]], columns: tuple[str, ...]) -> Iterator[list[tuple[int, Row]]]:
    """Yields groups of adjoining rows that are equal in these columns. An unreadable line is a group of its own."""
    columns_of = itemgetter(*columns)

    def key(numbered: tuple[int, Row]) -> Any:
        number, row = numbered
        return (number,) if isinstance(row, bytes) else columns_of(row)

    try:
        for _, group in groupby(rows, key=key):
            while part := list(islice(group, MAX_GROUP_ROWS)):
                yield part
    except KeyError as error:
        raise NotReadable(f"group: there is no column {error.args[0]!r}") from None


def _rows(path: Path, options: Options) -> Iterator[Row]:
    match options.format:
        case FileFormat.CSV:
            return _csv(path, options)
        case FileFormat.NDJSON:
            return _ndjson(path)
        case FileFormat.PARQUET:
            return _parquet_rows(path)


@contextlib.contextmanager
def _csv_reader(path: Path, options: Options) -> Iterator["csv.DictReader[str]"]:
    """Opens a CSV file. Raises `NotReadable`, also for errors that the block meets in the file."""
    reader = None
    try:
        with path.open(encoding=options.encoding, newline="") as file:
            for _ in islice(file, options.skip):
                pass
            reader = csv.DictReader(
                file, options.columns or None, restkey=BEYOND, delimiter=options.delimiter, skipinitialspace=True
            )
            if len(reader.fieldnames or ()) > MAX_COLUMNS:
                raise NotReadable(f"columns: {len(reader.fieldnames or ())}; at most {MAX_COLUMNS}")
            yield reader
    except (csv.Error, UnicodeError, LookupError, TypeError) as error:
        raise NotReadable(f"after line {reader.line_num if reader else 0}: {error}") from None


def _csv(path: Path, options: Options) -> Iterator[Row]:
    with _csv_reader(path, options) as reader:
        for row in reader:
            row.pop("", None)  # a column without a name
            yield row


def _ndjson(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                try:
                    yield _decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    yield line.strip()


def _parquet_rows(path: Path) -> Iterator[Row]:
    with _parquet(path) as file:
        for batch in file.iter_batches(batch_size=PARQUET_ROWS):
            yield from _in_microseconds(batch).to_pylist()


def _in_microseconds(batch: Any) -> Any:
    """Rows whose times Python has: many programs write nanoseconds, of which Python knows none."""
    import pyarrow as pa

    fields = [
        field.with_type(pa.timestamp("us", field.type.tz))
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns"
        else field
        for field in batch.schema
    ]
    return batch.cast(pa.schema(fields), safe=False)


def _parquet(path: Path) -> Any:
    require_reader(FileFormat.PARQUET)
    # Only here: importing it costs every process of the service 40 MiB.
    import pyarrow.parquet
    from pyarrow.lib import ArrowException

    try:
        return pyarrow.parquet.ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise NotReadable(f"no Parquet file: {error}") from None


_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.Encoder(decimal_format="string").encode
