"""Numbers in texts, as people and programs write them: nothing is guessed of a sign that may mean two things."""

import re
from decimal import Decimal
from typing import Final

POINTS: Final = ("", ".", ",")  # the signs that may stand before decimals; "" is a point that nobody has stated

_SPACES: Final = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "−": "-"})
# A spreadsheet's short form of a number with many digits, most of which it has lost.
_SHORTENED: Final = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+\d{2,3}")
_LONE_COMMA: Final = re.compile(r"[+-]?\d{1,3},\d{3}")  # 1,234: a thousand, or one and a bit
_LONE_POINT: Final = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")  # of money, which rarely has three decimals


def is_shortened(text: str) -> bool:
    """Returns whether a text is a number as a spreadsheet shortens it, such as 5.2E+12: its last digits are lost."""
    return _SHORTENED.fullmatch(text) is not None


def _pattern(point: str, thousands: str) -> re.Pattern[str]:
    between, before, plain = f"[{thousands}' ]", re.escape(thousands), r"\d+"
    grouped = rf"\d{{1,3}}(?P<between>{between})\d{{3}}(?:(?P=between)\d{{3}})*"
    indian = rf"\d{{1,2}}(?:{before}\d{{2}})+{before}\d{{3}}"  # 12,34,567
    whole = rf"(?:{grouped}|{indian}|{plain})"
    return re.compile(rf"[+-]?(?:{whole}(?:{re.escape(point)}\d*)?|{re.escape(point)}\d+)(?:[eE][+-]?\d+)?")


_PATTERNS: Final = {".": _pattern(".", ","), ",": _pattern(",", ".")}


def number(text: str, point: str, *, of_money: bool = False) -> Decimal:
    """Returns the number that a text is, given the sign before its decimals, one of POINTS.

    Digits may stand in groups of three. Raises ValueError for anything else, and says what to do: a comma where a point
    is expected is not a separator of thousands (12,50), and without a stated sign 1,234 may be either, and of money
    1.234 as well.
    """
    plain = text.strip().translate(_SPACES)
    if is_shortened(plain):
        raise ValueError("is a number that a spreadsheet has shortened; export its column as text")
    if not point and _LONE_COMMA.fullmatch(plain):
        raise ValueError('may have decimals or thousands after its comma; state which with "decimal"')
    if not point and of_money and _LONE_POINT.fullmatch(plain):
        raise ValueError('may have decimals or thousands after its point; state which with "decimal"')
    if not _PATTERNS[point or "."].fullmatch(plain):
        comma = ' with a point; if its comma is one, state it with "decimal"' if "," in plain and point != "," else ""
        raise ValueError(f"is not a number{comma}")
    thousands = "." if point == "," else ","
    digits = plain.replace(" ", "").replace("'", "").replace(thousands, "")
    return Decimal(digits.replace(",", "."))
