"""Conditions in words, and words as conditions: one controlled language in English and one in Chinese."""

from typing import Final

from services.segment.domain.conditions.base import Condition, Limits
from services.segment.domain.conditions.document import MAX_CONDITIONS, MAX_DEPTH
from services.segment.domain.conditions.words.errors import InvalidWords
from services.segment.domain.conditions.words.reader import TextReader
from services.segment.domain.conditions.words.registry import CONDITIONS, reserved
from services.segment.domain.conditions.words.slots import Writer, pattern_of
from shared.calendars.durations import Language

_LIMITS: Final = Limits()
_END: Final = pattern_of([".", "。"])


def describe(condition: Condition, language: Language) -> str:
    """Returns a valid condition in words; `parse` reads the same condition back.

    Raises `ValueError` for a condition that is not valid: see `document.read`.
    """
    text = CONDITIONS.write(condition, Writer(language, reserved(language)))
    if text is None:
        raise ValueError(f"there are no words for {condition!r}: is it valid?")
    return text


def parse(text: str, language: Language, limits: Limits = _LIMITS) -> Condition:
    """Returns the condition that a text states, which is valid.

    Reads what `describe` writes, in any case and spacing, and some synonyms. Raises `InvalidWords`, which gives the
    place, what could stand there, and the word that was probably meant.
    """
    reader = TextReader(text, language, reserved(language), limits)
    found = reader.read(CONDITIONS, 0)
    if found is None:
        raise reader.failure()
    end = reader.skip(found[1])
    dot = _END.match(reader.text, end)
    if reader.skip(dot.end() if dot else end) < len(reader.text):
        raise reader.failure()
    condition: Condition = found[0]
    count, depth = _size(condition)
    if count > MAX_CONDITIONS or depth > MAX_DEPTH:
        message = f"this is {count} conditions, {depth} deep; {MAX_CONDITIONS} and {MAX_DEPTH} are allowed"
        raise InvalidWords(text, 0, message)
    return condition


def _size(condition: Condition) -> tuple[int, int]:
    """Returns how many conditions a condition is, and how deep they lie."""
    sizes = [_size(one) for one in condition.parts()]
    return 1 + sum(count for count, _ in sizes), max((depth + 1 for _, depth in sizes), default=0)
