"""The words of measures: `the sum of total over orders in the last 30 days is at least 100.00 USD`.

An amount of money is in major units and names its currency. Then the property goes without `_minor`, and the filter on
the currency, which has to be the last, is what the amount says.
"""

from collections.abc import Mapping
from typing import Any, Final

from services.segment.domain.conditions.kinds.measure import Measure
from services.segment.domain.conditions.words.comparisons import COMPARISON
from services.segment.domain.conditions.words.events import THINGS
from services.segment.domain.conditions.words.filters import WHERE
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.slots import Choice
from services.segment.domain.conditions.words.values import AMOUNT, NAME, NUMBER
from services.segment.domain.conditions.words.windows import MAYBE_WINDOW
from shared.contracts.property_filter import PropertyFilter

_MINOR: Final = "_minor"


def _as_amount(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    of, where = fields["of"].removesuffix(_MINOR), fields["where"]
    if not of or of == fields["of"] or of.endswith(_MINOR) or fields["by"] == "distinct":
        return None
    if [_fixes_currency(one) for one in where] != [False] * (len(where) - 1) + [True]:
        return None
    shown = {name: value for name, value in fields.items() if name != "value"}
    return {**shown, "of": of, "where": where[:-1], "amount": (fields["value"], where[-1].value)}


def _of_amount(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    value, currency = fields["amount"]
    where = fields["where"]
    if fields["by"] == "distinct":
        return None
    fixed = [one.value for one in where if _fixes_currency(one)]
    if any(one != currency for one in fixed):
        return None
    if not fixed:
        where = (*where, PropertyFilter(property="currency", op="eq", value=currency))
    of = fields["of"] if fields["of"].endswith(_MINOR) else fields["of"] + _MINOR
    rest = {name: one for name, one in fields.items() if name != "amount"}
    return {**rest, "of": of, "value": value, "where": where}


def _fixes_currency(one: PropertyFilter) -> bool:
    return one.property == "currency" and one.op == "eq" and isinstance(one.value, str)


_EN: Final = ("{by} {of} over {event} {where} {window} is {op}", "{by} {of} over {event} {window} {where} is {op}")
_ZH: Final = ("{window}{event}{where}的 {of} {by}{op}", "{event}{where}{window}的 {of} {by}{op}")

MEASURE: Final = Forms(
    Measure,
    Form(
        en=tuple(f"{one} {{amount}}" for one in _EN),
        zh=tuple(f"{one} {{amount}}" for one in _ZH),
        slots={"amount": AMOUNT},
        unfold=_as_amount,
        fold=_of_amount,
    ),
    Form(en=tuple(f"{one} {{value}}" for one in _EN), zh=tuple(f"{one} {{value}}" for one in _ZH)),
    slots={
        "by": Choice(
            {
                "sum": (("the sum of", "the total of"), ("之和", "总和", "合计")),
                "average": ("the average of", ("平均值", "均值")),
                "min": (("the least of", "the minimum of"), "最小值"),
                "max": (("the greatest of", "the maximum of"), "最大值"),
                "distinct": (("the number of different", "the number of distinct"), ("不同值个数", "去重数")),
            }
        ),
        "of": NAME,
        "event": THINGS,
        "op": COMPARISON,
        "value": NUMBER,
        "where": WHERE,
        "window": MAYBE_WINDOW,
    },
)
