"""Files of text: how they are written, by their first bytes, and their lines."""

import codecs
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from services.ingest.service.files.errors import NotReadable

MAX_LINE: Final = 2_000_000  # characters of a line, or bytes

_UTF_8: Final = "utf-8"
# Byte order marks, and the codec that reads and removes each. That of UTF-32 begins as that of UTF-16 does.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MARK: Final = "\ufeff"
# First bytes of files that are no text.
_OTHERS: Final = (
    (b"\x1f\x8b", "compressed (gzip): unpack it"),
    (b"PK\x03\x04", "an Excel workbook, or a ZIP archive: export it as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook: export it as CSV"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd): unpack it"),
    (b"\xfd7zXZ\x00", "compressed (xz): unpack it"),
    (b"BZh91AY&SY", "compressed (bzip2): unpack it"),
    (b"PAR1", "a Parquet file: say so with its format"),
)
_HEAD_BYTES: Final = 16


def encoding_of(path: Path, stated: str) -> str:
    """Returns the codec that reads a file's text: of its mark, if it begins with one, or else the stated one.

    Raises `NotReadable` for a file that is no text, or whose mark contradicts what is stated.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for begin, what in _OTHERS:
        if head.startswith(begin):
            raise NotReadable(f"the file is {what}")
    marked = next((codec for mark, codec in _MARKS if head.startswith(mark)), "")
    family = codecs.lookup(stated).name
    if not marked or family == _UTF_8:
        return marked or stated
    if not family.startswith(marked.removesuffix("-sig")):
        raise NotReadable(f"the file begins with the mark of {marked.removesuffix('-sig')}, and is said to be {stated}")
    return marked


@contextlib.contextmanager
def opened(path: Path, encoding: str) -> Iterator[IO[str]]:
    """Opens a file's text after its mark, its ends of lines as they are. Raises `NotReadable`."""
    with path.open(encoding=encoding_of(path, encoding), newline="") as file:
        if file.read(1) != _MARK:  # a codec that knows of no marks leaves it
            file.seek(0)
        yield file


def lines(file: IO[str]) -> Iterator[str]:
    """Yields a file's lines, each without a mark, which files that were put together have within.

    Raises `NotReadable` for a line that is too long, so that memory holds it.
    """
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise NotReadable(f"a line is longer than {MAX_LINE} characters")
        yield line.removeprefix(_MARK)
