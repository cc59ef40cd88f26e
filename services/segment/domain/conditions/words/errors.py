"""What is wrong with a text that should be a condition, where, and what to write instead."""

import unicodedata
from collections.abc import Sequence

from shared.errors import Invalid

SHOWN_CHARACTERS = 40  # of the text, before and after the place


class InvalidWords(Invalid):
    """The text is not a condition in words."""

    def __init__(
        self, text: str, offset: int, message: str, *, expected: Sequence[str] = (), suggestion: str = ""
    ) -> None:
        hint = f"; did you mean {suggestion}?" if suggestion else ""
        super().__init__(f"at character {offset + 1}: {message}{hint}\n{caret(text, offset)}")
        told = {"offset": offset, "expected": list(expected), "suggestion": suggestion or None}
        self.errors = [{"at": "/text", "message": message, **told}]
        self.offset = offset
        self.expected = tuple(expected)
        self.suggestion = suggestion


def caret(text: str, offset: int) -> str:
    """Returns the text around a place in one line, and a line below it with a caret at the place."""
    start, end = max(0, offset - SHOWN_CHARACTERS), offset + SHOWN_CHARACTERS
    before, after = _one_line(text[start:offset]), _one_line(text[offset:end])
    before, after = "…" * (start > 0) + before, after + "…" * (end < len(text))
    # A wide space below each wide character keeps the caret in its column.
    blank = "".join("\u3000" if unicodedata.east_asian_width(one) in "WF" else " " for one in before)
    return f"{before}{after}\n{blank}^"


def _one_line(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)
