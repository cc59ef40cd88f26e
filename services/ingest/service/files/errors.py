"""What a file can be refused for as a whole, and what libraries raise of files that are broken."""

import contextlib
import csv
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import Final

from shared.errors import Invalid

# Of files that are broken, or hold what JSON or Python can't: csv, pyarrow, codecs, zlib and msgspec have no error in
# common, and pyarrow's out of capacity is of no family.
_BROKEN: Final = (
    csv.Error,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    OSError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
)
MAX_TEXT: Final = 500  # characters of a library's error


class NotReadable(Invalid):
    """The file can't be read in its stated format."""


class UnknownColumns(NotReadable):
    """The file's columns are not those that would be read."""


class Interrupted(Exception):
    """Whoever wanted a file to be read wants it no more."""


@contextlib.contextmanager
def readable(what: str = "the file can't be read") -> Iterator[None]:
    """Raises `NotReadable` for whatever the libraries make of a file that is broken, or holds what JSON can't."""
    try:
        yield
    except _broken() as error:
        raise NotReadable(f"{what}: {str(error)[:MAX_TEXT] or type(error).__name__}") from None


def _broken() -> tuple[type[Exception], ...]:
    """Returns what may be raised: pyarrow's errors, too, if it is there by then."""
    arrow = sys.modules.get("pyarrow.lib")
    return _BROKEN if arrow is None else (*_BROKEN, arrow.ArrowException)
