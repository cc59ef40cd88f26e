"""Conditions in words: what is written is read back, and what can't be read is told at its place."""

import contextlib
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from services.segment.domain.conditions import schema
from services.segment.domain.conditions.base import Condition, Limits
from services.segment.domain.conditions.document import InvalidCondition, read, written
from services.segment.domain.conditions.kinds.belonging import Tagged
from services.segment.domain.conditions.kinds.standing import InClass
from services.segment.domain.conditions.registry import KINDS
from services.segment.domain.conditions.tree import AllOf, AnyOf, Not
from services.segment.domain.conditions.words import page
from services.segment.domain.conditions.words.errors import InvalidWords
from services.segment.domain.conditions.words.examples import EXAMPLES
from services.segment.domain.conditions.words.language import describe, parse
from services.segment.domain.conditions.words.registry import CONDITIONS, WORDS
from services.segment.domain.conditions.words.text import MAX_CHARACTERS, detect
from shared.calendars.durations import Language
from tests.support.conditions import DAYS, SPANS, documents
from tests.support.examples import at_least
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
        "\x1f",
        "😀",
    ),
    *sorted(phrase for language in LANGUAGES for phrase in set(CONDITIONS.phrases(language)) if phrase),
]
hostile = st.one_of(
    st.sampled_from(_PIECES),
    st.lists(st.sampled_from(_PIECES), min_size=1, max_size=5).map("".join),
    st.lists(st.sampled_from(_PIECES), min_size=1, max_size=5).map(" ".join),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=6),
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
            "kind": "measure",
            "event": "order_placed",
            "by": by,
            "of": of,
            "op": "ge",
            "value": value,
            "where": where,
            "window": window,
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
        lambda span: {"kind": "occurrence", "which": "last", "event": "a b", "op": "within", "value": span},
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


@settings(max_examples=at_least(150))
@given(st.lists(st.sampled_from(_PIECES), max_size=12), st.sampled_from(LANGUAGES))
def test_a_text_is_a_valid_condition_or_is_refused_at_a_place_in_it(pieces: list[str], language: Language) -> None:
    text = " ".join(pieces)
    with contextlib.suppress(InvalidWords):
        condition = parse(text, language)
        assert read(written(condition), LIMITS) == condition
        return

    with pytest.raises(InvalidWords) as refused:
        parse(text, language)
    assert 0 <= refused.value.offset <= len(text)


@pytest.mark.parametrize(("text", "language"), [("ABC class is one of a, B", "en"), ("ABC类属于 a、B", "zh")])
def test_classes_are_letters_in_any_case(text: str, language: Language) -> None:
    assert parse(text, language) == InClass(among=("A", "B"))


@pytest.mark.parametrize(("text", "language"), [("ABC class is D", "en"), ("ABC类 != gold", "zh")])
def test_another_class_is_refused_with_those_that_there_are(text: str, language: Language) -> None:
    with pytest.raises(InvalidWords, match='expected "A", "B", "C"'):
        parse(text, language)


def test_the_letter_of_a_class_is_a_name_elsewhere() -> None:
    assert parse("has the tag A", "en") == Tagged(name="A")


def test_the_deepest_condition_that_a_request_may_have_is_read_back() -> None:
    filters: dict[str, Any] = {"property": "a", "op": "any", "where": [{"property": "b", "value": 1}]}
    for _ in range(24):
        filters = {"property": "a", "op": "any", "where": [filters]}
    document: dict[str, Any] = {"kind": "did", "event": "order_placed", "where": [filters]}
    for _ in range(12):
        document = {"kind": "not", "of": document}
    condition = read(document, LIMITS)

    for language in LANGUAGES:
        assert parse(describe(condition, language), language) == condition


# What the words are


def test_every_kind_has_words() -> None:
    """Else give it forms in conditions/words/kinds, a line in words/registry.py and examples."""
    joined = {AllOf, AnyOf, Not}

    assert [name for name, kind in KINDS.items() if kind not in joined and kind not in WORDS] == []
    assert [name for name in KINDS if name not in EXAMPLES] == []


@pytest.mark.parametrize("name", KINDS)
def test_every_choice_of_a_kind_has_an_example(name: str) -> None:
    documents = [{"kind": name, **one} for one in EXAMPLES[name]]
    for field in inspect.type_info(KINDS[name]).fields:  # type: ignore[attr-defined]
        if isinstance(field.type, inspect.LiteralType):
            given = {one.get(field.name, field.default) for one in documents}
            assert given == set(field.type.values), field.name


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_example_is_read_back(name: str, language: Language) -> None:
    for example in EXAMPLES[name]:
        condition = read({"kind": name, **example}, LIMITS)
        assert parse(describe(condition, language), language) == condition


NO_ORDER: Final = {"kind": "did", "event": "order_placed", "op": "eq", "times": 0, "window": {"within": "P30D"}}
GOLD: Final = {"kind": "tier", "among": ["gold"]}
VIEWED: Final = {"kind": "did", "event": "product_viewed"}


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("最近30天没有下单 且 等级是 gold", {"kind": "all", "of": [NO_ORDER, GOLD]}),
        ("最近 30 天没下过单并且等级为「gold」。", {"kind": "all", "of": [NO_ORDER, GOLD]}),
        ("did not order in the last 30 days and tier is gold", {"kind": "all", "of": [NO_ORDER, GOLD]}),
        ("  Has NOT ordered within the last ３０ days && tier = “gold”.", {"kind": "all", "of": [NO_ORDER, GOLD]}),
        (
            "spent at least 100.00 USD",
            {"kind": "figure", "name": "spend", "op": "ge", "value": 10_000, "currency": "USD"},
        ),
        ("消费超过100元", {"kind": "figure", "name": "spend", "op": "gt", "value": 10_000, "currency": "CNY"}),
        ("spent < jpy 100", {"kind": "figure", "name": "spend", "op": "lt", "value": 100, "currency": "JPY"}),
        (
            "viewed product at least 3 times in the last 7 days",
            {**VIEWED, "times": 3, "window": {"within": "P7D"}},
        ),
        (
            "did quiz_finished >= 2 times in the last 2 weeks",
            {"kind": "did", "event": "quiz_finished", "times": 2, "window": {"within": "P14D"}},
        ),
        (
            "ordered or tier is gold and not has the tag vip",
            {
                "kind": "any",
                "of": [
                    {"kind": "did", "event": "order_placed"},
                    {"kind": "all", "of": [GOLD, {"kind": "not", "of": {"kind": "tag", "name": "vip"}}]},
                ],
            },
        ),
        (
            "viewed a product in the last 7 days where category is tea",
            {**VIEWED, "where": [{"property": "category", "value": "tea"}], "window": {"within": "P7D"}},
        ),
        (
            "the sum of total over orders is at least 9.90 EUR",
            {
                "kind": "measure",
                "event": "order_placed",
                "by": "sum",
                "of": "total_minor",
                "op": "ge",
                "value": 990,
                "where": [{"property": "currency", "value": "EUR"}],
            },
        ),
        (
            "最近30天消费超过100元",
            {
                "kind": "measure",
                "event": "order_placed",
                "by": "sum",
                "of": "total_minor",
                "op": "gt",
                "value": 10_000,
                "where": [{"property": "currency", "value": "CNY"}],
                "window": {"within": "P30D"},
            },
        ),
        ("生日在未来7天内", {"kind": "anniversary", "of": "birthday", "last": 7}),
    ],
)
def test_more_is_read_than_is_written(text: str, document: Any) -> None:
    assert parse(text, detect(text)) == read(document, LIMITS)


@pytest.mark.parametrize(
    ("text", "language"),
    [("tier is gold", "en"), ("等级是 gold", "zh"), ('tier is "金"', "en"), ("tier is “金卡”", "en"), ("", "en")],
)
def test_the_language_is_that_of_what_is_not_quoted(text: str, language: Language) -> None:
    assert detect(text) == language


# What is wrong with a text


@pytest.mark.parametrize(
    ("text", "at", "part", "suggestion"),
    [
        ("", "", "expected a condition", ""),
        ("teir is gold", "teir", "expected a condition", "tier is"),
        ("tier is gold adn stage is new", "adn", '"and", "or"', "and"),
        ("viewed product at leest 3 times", "at leest", '"in the last"', "at least"),
        ("ordered in the last 30 dyas", "30 dyas", "a length of time", "30 days"),
        ("ordered in the last 3 months", "3 months", "90 days", ""),
        ("等级事 gold", "等级事", "expected a condition", "等级是"),
        ("等级是 黄金", "黄金", "a name", '"黄金"'),
        ("trait order is 1", "order is", "`order` is a word of this language", '"order"'),
        ("tier is gold and", "", "expected a condition", ""),
        ("(tier is gold", "", '")"', ""),
        ("tier is gold)", ")", '"and", "or"', ""),
        ('tier is "gold', '"gold', "does not end", ""),
        ("等级是「金", "「金", "does not end", ""),
        ('trait "a\\q" is 1', '"a', "escape", ""),
        (r'tier is "\u0000"', '"', "U+0000", ""),
        ("spent at least 100", "", "a currency", ""),
        ("trait a is 1e999", "1e999", "too large", ""),
        ("tier is gold and ordered at least 2000 times", "ordered", "from 0 to 1000", ""),
        ("ordered since 2026-13-01", "ordered", "must be a day", ""),
        ("(" * 70 + "tier is gold" + ")" * 70, "(" * 10 + "tier", "parentheses may lie 60 deep", ""),
        ("not " * 70 + "tier is gold", "not " * 10 + "tier", "60 deep", ""),
        ("not (" * 13 + "ordered" + ")" * 13, "not (" * 13 + "ordered", "13 deep", ""),
        (" and ".join(["ordered"] * 51), "ordered", "50 conditions", ""),
        (" or ".join(["(" + " and ".join(["ordered"] * 50) + ")"] * 5), "ordered", "more than 200 conditions", ""),
        (" " * (MAX_CHARACTERS + 1), "", "characters", ""),
    ],
)
def test_what_cannot_be_read_is_told_at_its_place(text: str, at: str, part: str, suggestion: str) -> None:
    with pytest.raises(InvalidWords) as refused:
        parse(text, detect(text[:MAX_CHARACTERS]))

    error = refused.value
    assert part in error.detail
    assert text[error.offset :].startswith(at)
    assert error.suggestion == suggestion
    assert error.detail.splitlines()[-1].strip("\u3000 ") == "^"


def test_the_caret_stands_below_the_place_and_wide_characters_count_twice() -> None:
    with pytest.raises(InvalidWords) as refused:
        parse("等级是 gold 且 等级 gold", "zh")

    _, line, below = refused.value.detail.splitlines()
    assert line == "等级是 gold 且 等级 gold"
    assert below == "\u3000\u3000\u3000      \u3000 ^"


def test_a_caret_is_told_of_a_part_of_a_long_text() -> None:
    with pytest.raises(InvalidWords) as refused:
        parse("tier is gold and " * 20 + "\n?", "en")

    _, line, below = refused.value.detail.splitlines()
    assert len(line) < 100
    assert line[len(below) - 1] == "?"


# How long it takes


FLOODS: Final = {
    "names": lambda n: "tier is one of " + ", ".join(["a"] * (n // 3)),
    "values": lambda n: "trait a is one of " + ", ".join(['"b"'] * (n // 5)) + " nonsense",
    "spaces": lambda n: "tier" + " " * n + "is" + " " * n + "gold",
    "digits": lambda n: "ordered at least " + "1" * n,
    "a name": lambda n: "tier is " + "a" * n,
    "a Chinese name": lambda n: "等级是 " + "金" * n,
    "Chinese": lambda n: "最近30天没有下单且" * (n // 10),
    "parentheses": lambda n: "(" * n,
    "negations": lambda n: "not " * (n // 4),
    "quotations": lambda n: '"a"' * (n // 3),
    "quotation marks": lambda n: "“" * n,
    "escapes": lambda n: 'tier is "' + "\\\\" * (n // 2),
    "joints": lambda n: "tier is gold and " * (n // 17),
    "windows": lambda n: "ordered in the last " + "1 day " * (n // 6),
    "filters": lambda n: "ordered where " + "(any of a has " * (n // 14),
}


@pytest.mark.parametrize("shape", FLOODS)
def test_the_work_grows_with_the_length_of_the_text(shape: str) -> None:
    def work(text: str) -> None:
        with contextlib.suppress(InvalidWords):
            parse(text, detect_or_english(text))

    def detect_or_english(text: str) -> Language:
        try:
            return detect(text)
        except InvalidWords:
            return "en"

    assert exponent(work, FLOODS[shape], sizes=(1_200, 2_400, 4_800, 9_600)) <= LINEAR


# What the documentation says


DOCS: Final = Path(__file__).parents[3] / "docs"


def test_the_page_of_conditions_is_what_is_written_and_read() -> None:
    """Else run `python -m services.segment.domain.conditions.words.page > docs/conditions.md`."""
    assert (DOCS / "conditions.md").read_text() == page.page()


def test_the_schema_of_conditions_is_that_of_the_kinds() -> None:
    """Else run `python -m services.segment.domain.conditions.schema > docs/conditions.schema.json`."""
    assert (DOCS / "conditions.schema.json").read_text() == schema.page()


@settings(max_examples=at_least(100))
@given(documents)
def test_a_valid_condition_is_valid_by_the_schema(document: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(document)
    assert not VALIDATOR.is_valid({**document, "more": 1})


VALIDATOR: Final = jsonschema_rs.Draft202012Validator(schema.schema())
