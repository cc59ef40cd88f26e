"""CSV files, strictly: a quote closes, a row has as many fields as the file has columns."""

import contextlib
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from services.ingest.domain.formats.files import BEYOND, MAX_COLUMNS, PROBLEM, Options
from services.ingest.service.files import texts
from services.ingest.service.files.errors import NotReadable

UNCLOSED: Final = "is a quote closed? Within quotes it is written twice"
MIN_SWALLOWED: Final = 2  # fields before a quote, that tell a row in it from lines of prose

_NUMBER: Final = re.compile(r"[+-]?\d+(?:[.,]\d+)*")
_TIME: Final = re.compile(r"\d{1,4}[-./:]\d.*")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """An open CSV file."""

    names: Sequence[str]
    _reader: Any
    _delimiter: str

    def rows(self) -> Iterator[Row | None]:
        """Yields its rows; None for one without any content. Raises what the library raises."""
        reader, names = self._reader, self.names
        columns, unnamed, before = len(names), "" in names, reader.line_num
        for fields in reader:
            lines, before = reader.line_num - before, reader.line_num
            if not any(fields):
                if fields:
                    yield None
                continue  # an empty line has no number
            row = dict(zip(names, fields, strict=False))
            if len(fields) > columns:
                row[BEYOND] = fields[columns:]
            elif len(fields) < columns:
                row[PROBLEM] = f"{len(fields)} fields, and the file has {columns} columns"
            elif lines > 1 and self._swallows(fields):
                row[PROBLEM] = f"a field holds what looks like a row; {UNCLOSED}"
            if unnamed:
                row.pop("", None)
            yield row

    def _swallows(self, fields: Sequence[str]) -> bool:
        """Returns whether a field has lines that begin as its own row does, as after a quote that was never closed."""
        for place, field in enumerate(fields):
            if place >= MIN_SWALLOWED and ("\n" in field or "\r" in field):
                kinds = [_kind(one) for one in fields[:place]]
                for line in field.splitlines()[1:]:
                    begin = line.split(self._delimiter, place)
                    if len(begin) > place and [_kind(one) for one in begin[:place]] == kinds:
                        return True
        return False


def _kind(text: str) -> str:
    text = text.strip()
    if not text or " " in text:
        return "words" if text else ""
    return "number" if _NUMBER.fullmatch(text) else "time" if _TIME.fullmatch(text) else "word"


@contextlib.contextmanager
def table(path: Path, options: Options) -> Iterator[Table]:
    """Opens a CSV file. Raises `NotReadable`, also for errors that the block meets in the file."""
    reader = None
    try:
        with texts.opened(path, options.encoding) as file:
            lines = texts.lines(file)
            for _ in islice(lines, options.skip):
                pass
            reader = csv.reader(lines, delimiter=options.delimiter, skipinitialspace=True, strict=True)
            names = [name.strip() for name in options.columns or _first(reader)]
            if len(names) > MAX_COLUMNS:
                raise NotReadable(f"columns: {len(names)}; at most {MAX_COLUMNS}")
            yield Table(names, reader, options.delimiter)
    except (csv.Error, UnicodeError, LookupError, TypeError, ValueError) as error:
        after = options.skip + (reader.line_num if reader else 0)
        hint = f"; {UNCLOSED}" if isinstance(error, csv.Error) else ""
        raise NotReadable(f"after line {after}: {error}{hint}") from None


def _first(reader: Any) -> Sequence[str]:
    names: Sequence[str] = next((fields for fields in reader if fields), ())
    if not names:
        raise NotReadable("there is no line that names the columns; give them with columns")
    if any("\0" in name for name in names):
        raise NotReadable("the names of the columns hold U+0000: is the file in UTF-16? State its encoding")
    return names
