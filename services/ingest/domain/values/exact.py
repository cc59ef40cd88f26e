"""Ids that a program kept as doubles."""

import re
from functools import lru_cache
from typing import Final

MAX_EXACT: Final = 2**53  # below it a double has every whole number

CODES: Final = frozenset({"sku", "phone", "barcode", "gtin", "ean", "isbn", "upc", "tracking_number"})
_ID: Final = re.compile(r"(?:.*_)?id|.*[a-z](?:Id|ID)|ID")


@lru_cache(4_096)
def is_id(name: str) -> bool:
    """Returns whether a field of this name, the last of its path, is an id or a code: not to be computed with."""
    return name.lower() in CODES or _ID.fullmatch(name) is not None


def whole(value: float) -> int | None:
    """Returns the whole number that a double is, if it is surely that one; None else."""
    return int(value) if value.is_integer() and abs(value) < MAX_EXACT else None


def not_whole(value: float) -> str:
    """Returns why a double is no id."""
    lost = "is larger than what a double holds exactly" if value.is_integer() else "has a fraction"
    return f"{value!r} {lost}, so it is no id; write its column as whole numbers or text"
