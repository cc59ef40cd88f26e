"""The words of measures: `spent at least 100.00 USD in the last 30 days`, `the average of rating over reviews is more
than 4`.

An amount of money is in major units and names its currency. Then the property goes without `_minor`, and the filter on
the currency, which has to be the last, is what the amount says.
"""

from typing import Final

from services.segment.domain.conditions.customer import ORDERS
from services.segment.domain.conditions.kinds.measure import Measure
from services.segment.domain.conditions.words.comparisons import COMPARISON
from services.segment.domain.conditions.words.events import THINGS
from services.segment.domain.conditions.words.filters import WHERE
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.slots import Choice
from services.segment.domain.conditions.words.templates import Fields
from services.segment.domain.conditions.words.values import AMOUNT, NAME, NUMBER
from services.segment.domain.conditions.words.windows import MAYBE_WINDOW, WINDOW
from shared.contracts.property_filter import PropertyFilter

_MINOR: Final = "_minor"
_TOTAL: Final = "total_minor"  # of an order as it now stands: what was paid and not refunded


def _as_amount(fields: Fields) -> Fields | None:
    of, where = fields["of"].removesuffix(_MINOR), fields["where"]
    if not of or of == fields["of"] or of.endswith(_MINOR) or fields["by"] == "distinct":
        return None
    if [_fixes_currency(one) for one in where] != [False] * (len(where) - 1) + [True]:
        return None
    shown = {name: value for name, value in fields.items() if name != "value"}
    return {**shown, "of": of, "where": where[:-1], "amount": (fields["value"], where[-1].value)}


def _of_amount(fields: Fields) -> Fields | None:
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


def _as_spending(fields: Fields) -> Fields | None:
    shown = _as_amount({**fields, "by": "sum"}) if fields["of"] == _TOTAL else None
    if shown is None or shown["where"]:
        return None
    return {name: shown[name] for name in ("op", "amount", "window")}


def _of_spending(fields: Fields) -> Fields:
    value, currency = fields["amount"]
    where = (PropertyFilter(property="currency", op="eq", value=currency),)
    return {"of": _TOTAL, "op": fields["op"], "value": value, "where": where, "window": fields["window"]}


def _fixes_currency(one: PropertyFilter) -> bool:
    return one.property == "currency" and one.op == "eq" and isinstance(one.value, str)


_EN: Final = ("{by} {of} over {event} {where} {window} is {op}", "{by} {of} over {event} {window} {where} is {op}")
_ZH: Final = ("{window}{event}{where}的 {of} {by}{op}", "{event}{where}{window}的 {of} {by}{op}")

MEASURE: Final = Forms(
    Measure,
    Form(
        en=("spent {op} {amount} {window}", "has spent {op} {amount} {window}"),
        zh=("{window}消费{op} {amount}", "{window}累计消费{op} {amount}", "{window}消费额{op} {amount}"),
        sets={"event": ORDERS, "by": "sum"},
        slots={"amount": AMOUNT, "window": WINDOW},
        unfold=_as_spending,
        fold=_of_spending,
    ),
    Form(
        en="spent {op} {amount} per order on average {window}",
        zh=("{window}平均每单消费{op} {amount}", "{window}客单价{op} {amount}"),
        sets={"event": ORDERS, "by": "average"},
        slots={"amount": AMOUNT, "window": WINDOW},
        unfold=_as_spending,
        fold=_of_spending,
    ),
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
