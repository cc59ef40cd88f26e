"""Conditions in words and as documents, each as the other."""

from collections.abc import Mapping
from typing import Any

import msgspec

from services.segment.domain.conditions.base import Condition, Limits
from services.segment.domain.conditions.document import read
from services.segment.domain.conditions.words.language import describe, parse
from services.segment.domain.conditions.words.text import detect
from shared.calendars.durations import Language


class ConditionInWords(msgspec.Struct, frozen=True, kw_only=True):
    """A condition, the language in which it was stated, if any, and its words in each language."""

    condition: Condition
    language: Language | None = None
    words: Mapping[Language, str]


def parsed(text: str, language: Language | None, limits: Limits) -> ConditionInWords:
    """Returns the condition that a text states, in a language or in the one that it is seen to be in.

    Raises `InvalidWords`.
    """
    found = language or detect(text)
    condition = parse(text, found, limits)
    return ConditionInWords(condition=condition, language=found, words=in_words(condition))


def described(document: Any, limits: Limits) -> ConditionInWords:
    """Returns the words of a condition's document. Raises `InvalidCondition`."""
    condition = read(document, limits, pointer="/condition")
    return ConditionInWords(condition=condition, words=in_words(condition))


def in_words(condition: Condition) -> Mapping[Language, str]:
    """Returns the words of a valid condition in each language."""
    return {"en": describe(condition, "en"), "zh": describe(condition, "zh")}
