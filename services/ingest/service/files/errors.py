"""What a file can be refused for as a whole, and what libraries raise of files that are broken."""

import contextlib
import csv
import struct
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
    except _BROKEN as error:
        raise NotReadable(f"{what}: {str(error)[:MAX_TEXT] or type(error).__name__}") from None
    except Exception as error:
        if any(one.__name__ == "ArrowException" for one in type(error).__mro__):  # pyarrow may not be here to be asked
            raise NotReadable(f"{what}: {str(error)[:MAX_TEXT]}") from None
        raise
