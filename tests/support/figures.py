"""Measured figures, kept in the docs: one file a subject, a name for each measurement in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec


def keep(file: Path, measured: Mapping[str, Any]) -> None:
    """Writes these figures; those of other names that the file has stay."""
    known: dict[str, Any] = msgspec.json.decode(file.read_bytes()) if file.exists() else {}
    file.write_bytes(msgspec.json.format(msgspec.json.encode({**known, **measured}), indent=1) + b"\n")
