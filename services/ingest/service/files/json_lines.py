"""Files of JSON lines: each line is an object, or is refused by itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from services.ingest.domain.formats.files import PROBLEM
from services.ingest.service.files import texts
from services.ingest.service.files.errors import NotReadable

SHOWN: Final = 1_000  # bytes of a line that is too long

Row = dict[str, Any] | bytes  # bytes: a line that can't be read as a row


def rows(path: Path) -> Iterator[Row]:
    """Yields the lines that are not empty. Raises `NotReadable`, or what a codec raises."""
    first = True
    for line in _lines(path):
        if content := line.strip():
            if first and content.startswith(b"["):
                raise NotReadable("the file is a JSON array, or not of objects; write one object a line")
            first = False
            yield _row(content)


def _row(line: bytes) -> Row:
    if len(line) > texts.MAX_LINE:
        return {PROBLEM: f"longer than {texts.MAX_LINE} bytes", "begins": line[:SHOWN].decode(errors="replace")}
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return line


def _lines(path: Path) -> Iterator[bytes]:
    encoding = texts.encoding_of(path, "utf-8")
    if encoding in ("utf-8", "utf-8-sig"):
        with path.open("rb") as file:
            file.seek(3 if encoding == "utf-8-sig" else 0)
            while line := file.readline(texts.MAX_LINE + 2):
                yield line
                while len(line) > texts.MAX_LINE + 1 and not line.endswith(b"\n"):  # pass over the rest of it
                    line = file.readline(texts.MAX_LINE + 2)
        return
    with texts.opened(path, encoding) as text:
        for written in texts.lines(text):
            yield written.encode()


_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
