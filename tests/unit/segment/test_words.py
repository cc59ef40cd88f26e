"""Conditions in words: what is written is read back, and what can't be read is told at its place."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.calendars.durations import Language
from services.segment.domain.conditions.base import Condition, Limits
from services.segment.domain.conditions.document import InvalidCondition, read, written
from services.segment.domain.conditions.registry import KINDS
from services.segment.domain.conditions.tree import AllOf, AnyOf, Not
from services.segment.domain.conditions.words.errors import InvalidWords
from services.segment.domain.conditions.words.language import describe, parse
from services.segment.domain.conditions.words.registry import CONDITIONS, WORDS, reserved
from services.segment.domain.conditions.words.text import MAX_CHARACTERS, detect
from tests.support.conditions import DAYS, SPANS, documents
from tests.support.growth import LINEAR, exponent

LIMITS: Final = Limits()
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")

# Names and texts that look like the language around them.
_PIECES: Final = [
    *(
        " ",
        '"',
        "\\",
        "“",
        "」",
        "（",
        ")",
        ",",
        "、",
        ".",
        "-",
        "0",
        "1.5",
        "a",
        "É",
        "金",
        "\n",
        "\u3000",
        "\x00",
        "😀",
    ),
    *sorted(phrase for language in LANGUAGES for phrase in set(CONDITIONS.phrases(language)) if phrase),
]
hostile = st.one_of(
    st.sampled_from(_PIECES),
    st.lists(st.sampled_from(_PIECES), min_size=1, max_size=5).map("".join),
    st.lists(st.sampled_from(_PIECES), min_size=1, max_size=5).map(" ".join),
    st.text(min_size=1, max_size=6),
)
_TEXT_FIELDS: Final = {
    "trait": ("name",),
    "identity": ("namespace", "value"),
    "consent": ("channel", "purpose"),
    "measure": ("of",),
    "anniversary": ("of",),
    "age": ("of",),
    "date": ("of",),
    "bucket": ("salt",),
    "tag": ("name",),
    "list": ("id",),
    "segment": ("id",),
    **dict.fromkeys(("did", "measure", "occurrence", "sequence", "absence"), ("event",)),
    "tier": ("among",),
    "stage": ("among",),
}


def renamed(document: Any, texts: st.DataObject, kind: str = "") -> Any:
    """Returns a condition's document with other names and texts in it."""
    if isinstance(document, list | tuple):
        return [renamed(one, texts, kind) for one in document]
    if not isinstance(document, dict):
        return document
    kind = document.get("kind", kind)
    return {
        name: _text(name, value, texts)
        if _is_text(kind, name) and value and texts.draw(st.booleans())
        else renamed(value, texts, kind)
        for name, value in document.items()
    }


def _is_text(kind: str, name: str) -> bool:
    return (
        name in ("event", "after", "property")
        or name in _TEXT_FIELDS.get(kind, ())
        or (name == "value" and kind in ("trait", "did", "sequence", "absence", "identity"))
    )


def _text(name: str, value: Any, texts: st.DataObject) -> Any:
    if isinstance(value, list):
        return [_text(name, one, texts) for one in value]
    if not isinstance(value, str):
        return value
    text: str = texts.draw(hostile)
    if name in ("property", "of"):
        return text.strip(".").replace("..", ".") or "x"
    return text.replace(":", ";") if name in ("channel", "purpose") else text


amounts: Final = st.one_of(st.integers(-(10**18), 10**18), st.floats(-(10.0**17), 10.0**17, allow_nan=False))
currencies: Final = st.sampled_from(("USD", "JPY", "KWD", "CLF", "U1D"))
_windows: Final = st.one_of(
    st.just({"within": "P30D"}),
    st.builds(lambda day: {"until": day}, st.sampled_from((*DAYS, "2026-W05-5"))),
    st.just({"after": "product_viewed"}),
)
money: Final = st.one_of(
    st.builds(
        lambda name, op, value, currency: {
            "kind": "figure",
            "name": name,
            "op": op,
            "value": value,
            "currency": currency,
        },
        st.sampled_from(("spend", "average_order")),
        st.sampled_from(("eq", "ne", "lt", "le", "gt", "ge")),
        amounts,
        currencies,
    ),
    st.builds(
        lambda by, of, value, where, window: {
            **{"kind": "measure", "event": "order_placed", "by": by, "of": of, "op": "ge", "value": value},
            **{"where": where, "window": window},
        },
        st.sampled_from(("sum", "average", "min", "max", "distinct")),
        st.sampled_from(("total_minor", "items.price_minor", "_minor", "a_minor_minor", "items._minor", "total")),
        amounts,
        st.lists(
            st.one_of(
                st.builds(lambda value: {"property": "currency", "op": "eq", "value": value}, currencies),
                st.just({"property": "tax_minor", "op": "ge", "value": 1}),
                st.just({"property": "currency", "op": "ne", "value": "USD"}),
            ),
            max_size=3,
        ),
        _windows,
    ),
)
others: Final = st.one_of(
    st.builds(
        lambda of, op: {"kind": "moment", "of": of, "op": op},
        st.sampled_from(("first_seen", "last_seen", "first_order_at", "last_order_at")),
        st.sampled_from(("exists", "missing")),
    ),
    st.builds(
        lambda days, span: {"kind": "occurrence", "which": "last", "event": "a b", "op": "within", "value": span},
        st.integers(0, 9),
        st.sampled_from(SPANS),
    ),
    st.just({"kind": "moment", "of": "last_seen", "op": "before", "value": "20260130"}),
    st.builds(
        lambda names: {"kind": "not", "of": {"kind": "tier", "among": names}}, st.lists(hostile, min_size=1, max_size=3)
    ),
    st.builds(
        lambda one: {"kind": "trait", "name": "x", "op": "eq", "value": one},
        st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), hostile),
    ),
)


def valid(document: Any) -> Condition | None:
    """Returns the condition, if the document still is one with its other names."""
    try:
        return read(document, LIMITS)
    except InvalidCondition:
        return None


@settings(max_examples=2_000)
@given(st.one_of(documents, documents, money, others), st.data())
def test_words_are_read_back_as_the_condition_that_they_describe(
    document: dict[str, Any], texts: st.DataObject
) -> None:
    condition = valid(renamed(document, texts))
    if condition is None:
        return

    for language in LANGUAGES:
        assert written(parse(describe(condition, language), language)) == written(condition)
