"""Parquet files: their values as JSON has them, and a value that JSON or Python does not have costs its row alone."""

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from services.ingest.domain.formats.files import PROBLEM
from services.ingest.service.files.errors import NotReadable, readable

PARQUET_ROWS: Final = 5_000  # read at a time
EXACT_DIGITS: Final = 15  # of a decimal: every double keeps so many
NO_PARQUET: Final = "Parquet: the library that reads it is not installed; get it with: make ready-parquet"

Row = dict[str, Any]


def require() -> None:
    """Raises `NotReadable` if the library is not installed."""
    if find_spec("pyarrow") is None:
        raise NotReadable(NO_PARQUET)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Opens a file, whose pages are checked against their checksums. Raises `NotReadable`."""
    require()
    # Only here: importing it costs every process of the service 40 MiB.
    import pyarrow.parquet

    with readable("no Parquet file"):
        file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
    with file:
        yield file


def names(path: Path) -> list[str]:
    """Returns the columns' names, as often as they stand there."""
    with opened(path) as file:
        found: list[str] = file.schema_arrow.names
        return found


def decoded(path: Path) -> Iterator[int]:
    """Decodes every page, which is quick, and yields numbers of rows. Raises what the library raises."""
    with opened(path) as file:
        for batch in file.iter_batches(batch_size=PARQUET_ROWS):
            yield batch.num_rows


def rows(path: Path) -> Iterator[Row]:
    """Yields the rows. One with a value that can't be kept has the reason under PROBLEM."""
    with opened(path) as file:
        for batch in file.iter_batches(batch_size=PARQUET_ROWS):
            problems: dict[int, str] = {}
            columns = {
                name: _values(column, name, problems)
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            }
            for number in range(batch.num_rows):
                row = {name: values[number] for name, values in columns.items()}
                if number in problems:
                    row[PROBLEM] = problems[number]
                yield row


def _values(column: Any, name: str, problems: dict[int, str]) -> list[Any]:
    """Returns a column's values; None, and a problem, for each that Python does not have."""
    from pyarrow.lib import ArrowException

    with contextlib.suppress(ArrowException):  # what can't be cast is read as it is, value by value
        column = column.cast(_plain_type(column.type), safe=False)
    plain = _plainer(column.type)
    try:
        values: list[Any] = column.to_pylist()
        return values if plain is None else [plain(value) for value in values]
    except (ArrowException, ValueError, TypeError, ArithmeticError, LookupError, RuntimeError):
        return [_value(one, plain, f"column {name}", number, problems) for number, one in enumerate(column)]


def _value(one: Any, plain: Callable[[Any], Any] | None, at: str, number: int, problems: dict[int, str]) -> Any:
    from pyarrow.lib import ArrowException

    try:
        value = one.as_py()
        return value if plain is None else plain(value)
    except (ArrowException, ValueError, TypeError, ArithmeticError, LookupError, RuntimeError) as error:
        problems.setdefault(number, f"{at}: a value of the type {one.type} that can't be kept: {error}")
        return None


def _plain_type(kind: Any) -> Any:
    """Returns a type as Python has it: times to the microsecond, those with a zone in UTC, no dictionaries."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.timestamp("us" if kind.unit == "ns" else kind.unit, None if kind.tz is None else "UTC")
    if pa.types.is_time64(kind):
        return pa.time64("us")
    if pa.types.is_duration(kind):
        return pa.duration("us" if kind.unit == "ns" else kind.unit)
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_type(kind.item_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(_plain_type(kind.value_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain_type(kind.value_type), kind.list_size)
    return pa.list_(_plain_type(kind.value_type)) if pa.types.is_list(kind) else kind


def _plainer(kind: Any) -> Callable[[Any], Any] | None:
    """Returns what makes JSON's value of one of Python's; None for a type whose values JSON has."""
    import pyarrow as pa

    has = pa.types
    if has.is_nested(kind) or has.is_decimal(kind) or has.is_binary(kind) or has.is_large_binary(kind):
        return _plain
    return _plain if has.is_fixed_size_binary(kind) or has.is_binary_view(kind) else None


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        # A number, as long as whoever reads it as a double reads it exactly.
        return value if len(value.as_tuple().digits) <= EXACT_DIGITS else str(value)
    if isinstance(value, bytes):
        return value.decode()  # many programs write texts so; what is no text is no value of JSON
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
