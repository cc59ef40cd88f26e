"""Reading files row by row, whatever their size: memory holds a few thousand rows at most.

A file is looked through once before anything of it is published (`examine`): what ends it as a whole is found then.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from services.ingest.domain.formats import columns
from services.ingest.domain.formats.files import MAX_GROUP_ROWS, NUMBER, PROBLEM, FileFormat, Options
from services.ingest.service.files import delimited, json_lines, parquet
from services.ingest.service.files.errors import Interrupted, NotReadable, UnknownColumns, readable

__all__ = [
    "Interrupted",
    "NotReadable",
    "UnknownColumns",
    "column_notes",
    "count",
    "digest",
    "examine",
    "payloads",
    "readable",
    "require_reader",
]

HASHED_BYTES: Final = 1 << 20
SHOWN: Final = 2_000  # characters of a row that can't be kept
LOOKED_ROWS: Final = 10_000  # between two looks whether to go on

Row = dict[str, Any] | bytes  # bytes: a line that can't be read as a row


def examine(path: Path, options: Options, *, interrupted: Callable[[], bool] = lambda: False) -> None:
    """Looks a file through, before anything is published.

    Raises `UnknownColumns`, naming the nearest known columns, `NotReadable` for a file that breaks somewhere, and
    `Interrupted` soon after `interrupted` says so. Takes as long as reading the file, without judging its rows.
    """
    with readable():
        if options.format is FileFormat.NDJSON:
            _judge_columns(options, _ndjson_names(path, interrupted))
            return
        _judge_columns(options, _column_names(path, options))
        is_parquet = options.format is FileFormat.PARQUET
        for number, _ in enumerate(parquet.decoded(path) if is_parquet else _rows(path, options)):
            if number % LOOKED_ROWS == 0 and interrupted():
                raise Interrupted


def _judge_columns(options: Options, names: Sequence[str]) -> None:
    if not names and options.format is FileFormat.NDJSON:
        return  # no rows
    if problem := columns.unknown(options, names) or columns.problem(options, names):
        raise UnknownColumns(problem)


def column_notes(path: Path, options: Options) -> list[str]:
    """Returns what a mapping leaves unread of a file, in sentences. Raises `NotReadable`."""
    if options.mapping is None:
        return []
    with readable():
        return columns.notes(options, _column_names(path, options))


def _column_names(path: Path, options: Options) -> Sequence[str]:
    match options.format:
        case FileFormat.CSV:
            with delimited.table(path, options) as table:
                return [name for name in table.names if name]
        case FileFormat.NDJSON:
            return _ndjson_names(path, lambda: False)
        case FileFormat.PARQUET:
            return parquet.names(path)


def _ndjson_names(path: Path, interrupted: Callable[[], bool]) -> Sequence[str]:
    names: dict[str, None] = {}
    for number, row in enumerate(json_lines.rows(path)):
        if not isinstance(row, bytes) and PROBLEM not in row:
            names.update(dict.fromkeys(row))
        if number % LOOKED_ROWS == 0 and interrupted():
            raise Interrupted
    return list(names)


def require_reader(wanted: FileFormat) -> None:
    """Raises `NotReadable` if the library that reads this format is not installed."""
    if wanted is FileFormat.PARQUET:
        parquet.require()


def digest(path: Path) -> tuple[bytes, int]:
    """Returns a file's SHA-256, and its size in bytes."""
    hashed, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(HASHED_BYTES):
            hashed.update(chunk)
            size += len(chunk)
    return hashed.digest(), size


def count(path: Path, options: Options) -> int | None:
    """Returns how many rows there are; None if that would take reading them all."""
    if options.format is not FileFormat.PARQUET:
        return None
    with parquet.opened(path) as file:
        rows: int = file.metadata.num_rows
        return rows


def payloads(path: Path, options: Options, *, start: int) -> Iterator[tuple[int, int, bytes]]:
    """Yields the payloads from row `start` on: the number of the first row, the number after the last, and the bytes in
    JSON.

    Raises `NotReadable`, naming the row.
    """
    after = start
    found = _payloads(path, options, start)
    while True:
        with readable(f"after row {after}"):
            payload = next(found, None)
        if payload is None:
            return
        after = payload[1]
        yield payload


def _payloads(path: Path, options: Options, start: int) -> Iterator[tuple[int, int, bytes]]:
    rows = _numbered(_rows(path, options), start)
    if not options.group:
        for number, row in rows:
            yield number, number + 1, row if isinstance(row, bytes) else _encoded(row)
        return
    for group in _grouped(rows, options.group):
        number, first = group[0]
        if isinstance(first, bytes):
            yield number, number + 1, first
        else:
            lines = [{PROBLEM: "a line that can't be read"} if isinstance(row, bytes) else row for _, row in group]
            yield number, group[-1][0] + 1, _encoded({**first, "rows": lines})


def _encoded(row: dict[str, Any]) -> bytes:
    try:
        return _encode(row)
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        shown = repr({name: value for name, value in row.items() if name != "rows"})[:SHOWN]
        return _encode({NUMBER: row[NUMBER], PROBLEM: f"a value that JSON does not have: {error}", "row": shown})


def _numbered(rows: Iterable[Row | None], start: int) -> Iterator[tuple[int, Row]]:
    """Yields rows with their numbers, which are put into them, too: a mapping may need an id for a row without one.

    Rows without content have numbers, and are passed over.
    """
    for number, row in islice(enumerate(rows), start, None):
        if row is None:
            continue
        if not isinstance(row, bytes):
            row[NUMBER] = number
        yield number, row


def _grouped(rows: Iterable[tuple[int, Row]], names: tuple[str, ...]) -> Iterator[list[tuple[int, Row]]]:
    """Yields groups of adjoining rows that are equal in these columns.

    An unreadable line is a group of its own; between two rows of one group it may be of that group, and is in it.
    """
    group: list[tuple[int, Row]] = []
    unread: list[tuple[int, Row]] = []
    group_key: Any = None
    for numbered in rows:
        row = numbered[1]
        if isinstance(row, bytes):
            unread.append(numbered)
            continue
        key = [row.get(name) for name in names]
        if group and key == group_key and len(group) + len(unread) < MAX_GROUP_ROWS:
            group += [*unread, numbered]
        else:
            yield from ([group] if group else [])
            yield from ([one] for one in unread)
            group, group_key = [numbered], key
        unread = []
    yield from ([group] if group else [])
    yield from ([one] for one in unread)


def _rows(path: Path, options: Options) -> Iterator[Row | None]:
    match options.format:
        case FileFormat.CSV:
            with delimited.table(path, options) as table:
                yield from table.rows()
        case FileFormat.NDJSON:
            yield from json_lines.rows(path)
        case FileFormat.PARQUET:
            yield from parquet.rows(path)


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
