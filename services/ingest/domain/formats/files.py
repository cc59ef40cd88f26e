"""Files of customers, orders and events: how a file is read, and the mappings that most files need.

A row is an object of its columns. With `group`, rows that follow each other and are equal in those columns are one
payload: the first row's columns, and all of them in `rows`. So the lines of a receipt become one order.
"""

import codecs
import hashlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from services.ingest.domain.definitions import mapping
from services.ingest.domain.definitions.mapping import Cast, Document, Mapper
from services.ingest.domain.errors import BadDefinition
from services.ingest.domain.values.number import POINTS

NUMBER: Final = "_row"  # a row's own number in its file, from 0, beside its columns
BEYOND: Final = "(beyond the last column)"  # fields of a row that has more of them than the file has columns
PROBLEM: Final = "(problem)"  # why a row can't be taken as it stands
MAX_COLUMNS: Final = 2_000  # of a CSV file: each row costs as much as there are columns, however short it is
MAX_SKIP: Final = 1_000_000  # lines before those that are read
MAX_GROUP_ROWS: Final = 10_000  # of one group; a file that is not sorted by its group has shorter ones


class FileFormat(StrEnum):
    """How a file is written."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a file is to be imported.

    `preset` names one of PRESETS, where there is no `mapping`. `columns` names those of a CSV file whose first line
    does not, and `skip` passes over lines before it. A preset refuses a column that it does not know, unless
    `ignore_columns` names it. `historical` facts update state and send nothing. A dry run reports what would become of
    each row, and publishes nothing. `decimal` is the sign before the decimals of a preset's numbers, as `Field` has it.
    `columns`, `skip`, `delimiter` and `encoding` are of CSV files; a mark at a file's beginning (BOM) states UTF-8,
    UTF-16 or UTF-32, too.
    """

    format: FileFormat
    mapping: Document | None = None
    preset: str = ""
    group: tuple[str, ...] = ()
    historical: bool = True
    dry_run: bool = False
    columns: tuple[str, ...] = ()
    skip: Annotated[int, msgspec.Meta(ge=0, le=MAX_SKIP)] = 0
    delimiter: str = ","
    encoding: str = "utf-8"
    ignore_columns: tuple[str, ...] = ()
    decimal: str = ""

    def document(self) -> Document | None:
        """Returns the mapping as written; None if rows are messages of the tracking API. Raises `BadDefinition`."""
        if (self.mapping is None) == (not self.preset):
            raise BadDefinition(f"mapping: give one, or a preset: {', '.join(PRESETS)}")
        if self.mapping is not None:
            return self.mapping
        if self.preset not in PRESETS:
            raise BadDefinition(f"preset: {self.preset!r}; there are {', '.join(PRESETS)}")
        preset = PRESETS[self.preset]
        return None if preset is None else _with_decimal(mapping.parse(msgspec.json.encode(preset)), self.decimal)

    def mapper(self) -> Mapper | None:
        """Returns the mapping, compiled; None if rows are messages of the tracking API. Raises `BadDefinition`."""
        document = self.document()
        return None if document is None else Mapper(document)

    def check(self) -> None:
        """Raises `BadDefinition`, naming the option that is invalid."""
        for name, problem in _problems(self):
            if problem:
                raise BadDefinition(f"{name}: {problem}")
        self.mapper()

    def fingerprint(self) -> bytes:
        """Returns a digest that is equal if and only if two imports would make the same of a file.

        Ignored columns change nothing of that, and imports that are older than an option keep their ids.
        """
        fields: dict[str, Any] = msgspec.to_builtins(self, order="deterministic")
        del fields["ignore_columns"]
        if not fields["decimal"]:
            del fields["decimal"]
        if fields["mapping"] is not None:
            fields["mapping"] = _as_before_decimal(fields["mapping"])
        return hashlib.sha256(msgspec.json.encode(fields)).digest()


def _with_decimal(document: Document, decimal: str) -> Document:
    def stated(field: Any) -> Any:
        is_number = isinstance(field, mapping.Field) and field.as_ is Cast.NUMBER
        return msgspec.structs.replace(field, decimal=decimal) if is_number else field

    rules = [
        msgspec.structs.replace(rule, fields={target: stated(field) for target, field in rule.fields.items()})
        for rule in document.rules
    ]
    return Document(rules=rules) if decimal else document


def _as_before_decimal(value: Any) -> Any:
    """Returns a mapping as releases wrote it that knew a point only as the default of `decimal`."""
    if isinstance(value, list):
        return [_as_before_decimal(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: _as_before_decimal(one) for name, one in value.items()}
    if found.get("decimal") in ("", ".") and "as" in found and "places" in found:
        found["decimal"] = "." if not found["decimal"] else "stated ."
    return found


def _problems(options: Options) -> Iterator[tuple[str, str]]:
    if options.format is not FileFormat.CSV:
        for name in ("columns", "skip", "delimiter", "encoding"):
            yield name, "" if getattr(options, name) == getattr(_OF_CSV, name) else "only a CSV file has it"
    yield "delimiter", "" if len(options.delimiter) == 1 and options.delimiter not in '"\r\n\0' else "one character"
    yield "encoding", "" if _is_text_encoding(options.encoding) else f"{options.encoding[:50]!r} is an unknown encoding"
    if options.decimal not in POINTS:
        yield "decimal", f"{options.decimal[:50]!r}; a point or a comma"
    if options.decimal and options.mapping is not None:
        yield "decimal", "only a preset's; a mapping states it with each number"
    for name in ("columns", "group"):
        twice = _twice(name for name in getattr(options, name) if name)
        yield name, f"{twice[:50]!r} stands twice" if twice else ""
    yield "columns", f"{len(options.columns)}; at most {MAX_COLUMNS}" if len(options.columns) > MAX_COLUMNS else ""
    yield "group", "a column without a name" if "" in options.group else ""


def _twice(names: Iterator[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _is_text_encoding(name: str) -> bool:
    try:
        found = codecs.lookup(name)
        "".encode(found.name)  # raises LookupError for a codec between bytes and bytes
    except (LookupError, ValueError):
        return False
    return True


_OF_CSV: Final = Options(format=FileFormat.CSV)

_WHO: Final = {"userId": "user_id", "anonymousId": "anonymous_id"}
_REACHED: Final = {f"context.traits.{name}": name for name in ("email", "phone", "country")}

# For files whose columns have the names that these facts have here.
PRESETS: Final[Mapping[str, Any]] = {
    "customers": {
        "rules": [
            {
                "type": "identify",
                "fields": {
                    **_WHO,
                    "timestamp": {"from": "updated_at", "as": "time"},
                    **{f"traits.{name}": name for name in ("email", "phone", "first_name", "last_name", "name")},
                    **{f"traits.{name}": name for name in ("country", "city", "language", "birthday", "gender")},
                    "context.consent.categoryPreferences.email": {"from": "email_consent", "as": "boolean"},
                    "context.consent.categoryPreferences.sms": {"from": "sms_consent", "as": "boolean"},
                },
            }
        ]
    },
    "orders": {
        "rules": [
            {
                "event": "Order Completed",
                "fields": {
                    **_WHO,
                    **_REACHED,
                    "timestamp": {"from": "ordered_at", "as": "time"},
                    "properties.order_id": {"from": "order_id", "as": "text"},
                    "properties.currency": "currency",
                    "properties.total": {"from": "total", "as": "number"},
                },
            }
        ]
    },
    "consents": {
        "rules": [
            {
                "event": "Consent Changed",
                "fields": {
                    **_WHO,
                    **_REACHED,
                    "timestamp": {"from": "changed_at", "as": "time"},
                    "properties.channel": "channel",
                    "properties.purpose": "purpose",
                    "properties.granted": {"from": "granted", "as": "boolean"},
                    "properties.evidence.note": "evidence",
                },
            }
        ]
    },
    "tracking": None,
}

_SOMEBODY: Final = ("user_id", "anonymous_id", "email", "phone")

# Of each tuple of a preset's columns a file must have one; without a time, history is refused as well.
REQUIRED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "customers": (_SOMEBODY,),
    "orders": (_SOMEBODY, ("order_id",), ("currency",), ("total",)),
    "consents": (_SOMEBODY, ("channel",), ("granted",)),
    "tracking": (("type",),),
}
TIMES: Final[Mapping[str, str]] = {"orders": "ordered_at"}
