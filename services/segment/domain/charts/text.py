"""How wide a text is when it is drawn, without its font, and what is left of it where it is too wide."""

import unicodedata
from typing import Final

ELLIPSIS: Final = "…"
_BOLD: Final = 1.2  # how much wider bold text may be
_ROUNDING: Final = 0.01  # pixels: a limit that was made of the text's own width is kept
_FULL: Final = 1.0  # em: Chinese, Japanese and Korean, and whatever is not known

# Widths in em: of DejaVu Sans and Noto Sans CJK the wider one, rounded up. Fonts for screens are seldom wider.
_BY_WIDTH: Final = {
    0.30: "Iijl",
    0.35: " ,.:;|'",
    0.40: "()-/[\\]ft",
    0.45: "!r",
    0.50: '"*',
    0.55: "?Jcsz",
    0.60: "FL_kvxy",
    0.65: "$0123456789EPSTY`abdeghnopqu{}",
    0.70: "ABCKRVXZ",
    0.75: "NU",
    0.80: "&DGHOQ",
    0.85: "#+<=>^w~",
    0.90: "M",
    1.00: "%@Wm",
}
_WIDTHS: Final = {ord(one): width for width, these in _BY_WIDTH.items() for one in these}
_NOTHING: Final = frozenset({"Mn", "Me", "Cf"})  # accents, joiners, marks of direction


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Returns how wide a text is at most, in pixels, at a font size in pixels."""
    return sum(map(_em, text)) * size * (_BOLD if bold else 1.0)


def fit(text: str, size: float, limit: float, *, bold: bool = False) -> str:
    """Returns the text, if it is no wider than `limit` pixels, or else as much of its beginning as is, and "…".

    A letter keeps its accents.
    """
    if width(text, size, bold=bold) <= limit + _ROUNDING:
        return text
    left = limit - width(ELLIPSIS, size, bold=bold)
    kept = 0
    for at, one in enumerate(text):
        left -= width(one, size, bold=bold)
        if left < 0:
            break
        kept = at + 1
    while 0 < kept < len(text) and _em(text[kept]) == 0:  # it belongs to the letter before
        kept -= 1
    return text[:kept].rstrip() + ELLIPSIS


def clean(text: str) -> str:
    """Returns a text of one line that XML can hold."""
    return "".join(map(_clean, text))


def _clean(one: str) -> str:
    if one in "\t\n\r\x85\u2028\u2029":
        return " "
    held = one >= " " and not "\ud800" <= one <= "\udfff" and one not in "\ufffe\uffff" and not "\x7f" <= one <= "\x9f"
    return one if held else "\ufffd"


def _em(one: str) -> float:
    found = _WIDTHS.get(ord(one))
    if found is not None:
        return found
    if unicodedata.category(one) in _NOTHING:
        return 0.0
    base = unicodedata.normalize("NFD", one)[0]
    return _WIDTHS.get(ord(base), _FULL)
