"""Files of customers, orders and events: how a file is read, and the mappings that most files need.

A row is an object of its columns. With `group`, rows that follow each other and are equal in those columns are one
payload: the first row's columns, and all of them in `rows`. So the lines of a receipt become one order.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from services.ingest.domain.definitions import mapping
from services.ingest.domain.definitions.mapping import Document, Mapper
from services.ingest.domain.errors import BadDefinition

NUMBER: Final = "_row"  # a row's own number in its file, from 0, beside its columns
BEYOND: Final = "(beyond the last column)"  # fields of a row that has more of them than the file has columns
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
    each row, and publishes nothing.
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

    def document(self) -> Document | None:
        """Returns the mapping as written; None if rows are messages of the tracking API. Raises `BadDefinition`."""
        if (self.mapping is None) == (not self.preset):
            raise BadDefinition(f"mapping: give one, or a preset: {', '.join(PRESETS)}")
        if self.mapping is not None:
            return self.mapping
        if self.preset not in PRESETS:
            raise BadDefinition(f"preset: {self.preset!r}; there are {', '.join(PRESETS)}")
        preset = PRESETS[self.preset]
        return None if preset is None else mapping.parse(msgspec.json.encode(preset))

    def mapper(self) -> Mapper | None:
        """Returns the mapping, compiled; None if rows are messages of the tracking API. Raises `BadDefinition`."""
        document = self.document()
        return None if document is None else Mapper(document)

    def fingerprint(self) -> bytes:
        """Returns a digest that is equal if and only if two imports would make the same of a file.

        Ignored columns change nothing of that, and imports that are older than that option keep their ids.
        """
        encoded = msgspec.json.encode(msgspec.structs.replace(self, ignore_columns=()), order="deterministic")
        return hashlib.sha256(encoded.removesuffix(_NONE_IGNORED) + b"}").digest()


_NONE_IGNORED: Final = b',"ignore_columns":[]}'

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
