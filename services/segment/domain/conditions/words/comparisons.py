"""The words of operators: comparisons of numbers, and a value against others."""

from typing import Final

from services.segment.domain.conditions.words.forms import Form
from services.segment.domain.conditions.words.slots import Choice, ListOf, Pair, Slot
from services.segment.domain.conditions.words.values import NUMBER, SCALAR, TEXT

COMPARISON: Final = Choice(
    {
        "eq": (("exactly", "equal to", "=", "=="), ("恰好", "等于", "=", "==")),
        "ne": (("not exactly", "other than", "not equal to", "!=", "≠"), ("不等于", "!=", "≠")),
        "lt": (("less than", "fewer than", "under", "below", "<"), ("小于", "少于", "低于", "不到", "<")),
        "le": (("at most", "no more than", "up to", "<=", "≤"), ("至多", "最多", "不超过", "不多于", "<=", "≤")),
        "gt": (("more than", "greater than", "over", "above", ">"), ("大于", "多于", "超过", "高于", ">")),
        "ge": (("at least", "no less than", "no fewer than", ">=", "≥"), ("至少", "不少于", "不低于", ">=", "≥")),
    }
)
"""How a number compares with a bound: `at least`, `至少`."""

COUNTED: Final = Choice(
    {
        "eq": (("exactly", "=", "=="), ("恰好", "等于", "=", "==")),
        "ne": (("not exactly", "other than", "!=", "≠"), ("不是", "不等于", "!=", "≠")),
        "lt": (("fewer than", "less than", "<"), ("少于", "小于", "不到", "<")),
        "le": (("at most", "no more than", "up to", "<=", "≤"), ("至多", "最多", "不超过", "不多于", "<=", "≤")),
        "gt": (("more than", ">"), ("多于", "超过", "大于", ">")),
        "ge": (("at least", "no fewer than", "no less than", ">=", "≥"), ("至少", "不少于", ">=", "≥")),
    }
)
"""The same of times and orders, of which there are fewer, not less."""

_SEVERAL: Final[dict[str, Slot]] = {"value": ListOf(SCALAR)}
_RANGE: Final[dict[str, Slot]] = {"value": Pair(NUMBER, {"en": "and", "zh": "和"})}


def value_forms(*, en: str, zh: str, ops: tuple[str, ...]) -> tuple[Form, ...]:
    """Returns a form for each of these operators, of a subject whose templates these are: `trait {name}`.

    What is read by two forms is what the first says: give `exists` before `eq`, so that `is known` is no text.
    """
    forms = []
    for op in ops:
        english, chinese, slots = _OPERATORS[op]
        english_of = (english,) if isinstance(english, str) else english
        chinese_of = (chinese,) if isinstance(chinese, str) else chinese
        forms.append(
            Form(
                en=tuple(f"{en} {one}" for one in english_of),
                zh=tuple(f"{zh} {one}" for one in chinese_of),
                sets={"op": op},
                slots=slots,
            )
        )
    return tuple(forms)


_TEXT: Final[dict[str, Slot]] = {"value": TEXT}
_NUMBER: Final[dict[str, Slot]] = {"value": NUMBER}
_SCALAR: Final[dict[str, Slot]] = {"value": SCALAR}
_Templates = str | tuple[str, ...]

_OPERATORS: Final[dict[str, tuple[_Templates, _Templates, dict[str, Slot]]]] = {
    "eq": (("is {value}", "= {value}", "equals {value}"), ("是 {value}", "= {value}", "等于 {value}"), _SCALAR),
    "ne": (("is not {value}", "!= {value}"), ("不是 {value}", "!= {value}", "不等于 {value}"), _SCALAR),
    "lt": (("is less than {value}", "< {value}"), ("小于 {value}", "< {value}", "少于 {value}"), _NUMBER),
    "le": (
        ("is at most {value}", "<= {value}", "≤ {value}"),
        ("至多 {value}", "<= {value}", "≤ {value}", "不超过 {value}"),
        _NUMBER,
    ),
    "gt": (
        ("is more than {value}", "is greater than {value}", "> {value}"),
        ("大于 {value}", "> {value}", "超过 {value}", "多于 {value}"),
        _NUMBER,
    ),
    "ge": (
        ("is at least {value}", ">= {value}", "≥ {value}"),
        ("至少 {value}", ">= {value}", "≥ {value}", "不少于 {value}"),
        _NUMBER,
    ),
    "between": ("is between {value}", ("介于 {value} 之间", "在 {value} 之间"), _RANGE),
    "in": (("is one of {value}", "is any of {value}", "in {value}"), "属于 {value}", _SEVERAL),
    "not_in": (("is none of {value}", "is not one of {value}"), "不属于 {value}", _SEVERAL),
    "contains": ("contains {value}", "包含 {value}", _TEXT),
    "starts_with": (("begins with {value}", "starts with {value}"), ("开头是 {value}", "以 {value} 开头"), _TEXT),
    "ends_with": ("ends with {value}", ("结尾是 {value}", "以 {value} 结尾"), _TEXT),
    "any_of": ("has any of {value}", "含有任一 {value}", _SEVERAL),
    "all_of": ("has all of {value}", "含有全部 {value}", _SEVERAL),
    "exists": (("is known", "is set", "exists"), ("已知", "有值"), {}),
    "missing": (("is unknown", "is not set", "is missing"), ("未知", "没有值"), {}),
}
