"""Requests and responses about conditions."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from services.segment.domain.conditions.words.text import MAX_CHARACTERS
from shared.calendars.durations import Language

CONDITION: Final[dict[str, Any]] = {
    "kind": "all",
    "of": [
        {"kind": "did", "event": "order_placed", "op": "eq", "times": 0, "window": {"within": "P30D"}},
        {"kind": "tier", "among": ["gold"]},
    ],
}


class ParseIn(BaseModel):
    """A condition in words."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"text": "did not order in the last 30 days and tier is gold"},
                {"text": "最近30天没有下单 且 等级是 gold", "language": "zh"},
            ]
        },
    )

    text: str = Field(max_length=MAX_CHARACTERS, description="the grammar is in docs/conditions.md")
    language: Language | None = Field(
        default=None, description="by default Chinese if a Chinese character stands outside of quotation marks"
    )


class DescribeIn(BaseModel):
    """A condition as a JSON document."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"condition": CONDITION}]})

    condition: dict[str, Any] = Field(description="its JSON Schema is docs/conditions.schema.json")


class WordsOut(BaseModel):
    """A condition in words. Each text, parsed in its language, is the same condition."""

    en: str
    zh: str


class DescribeOut(BaseModel):
    """A condition, and its words."""

    condition: dict[str, Any] = Field(examples=[CONDITION])
    words: WordsOut


class ParseOut(DescribeOut):
    """The condition that was read, the language that it was read in, and its words."""

    language: Language
