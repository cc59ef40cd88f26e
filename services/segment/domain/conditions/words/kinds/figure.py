"""The words of figures: `has at least 3 orders`, `spent at least 100.00 USD`, 累计消费至少 100.00 USD."""

from typing import Final

from services.segment.domain.conditions.kinds.figure import Figure
from services.segment.domain.conditions.words.comparisons import COMPARISON, COUNTED
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.templates import Fields
from services.segment.domain.conditions.words.values import AMOUNT, NUMBER, ORDERS


def _as_amount(fields: Fields) -> Fields:
    return {"op": fields["op"], "amount": (fields["value"], fields["currency"])}


def _of_amount(fields: Fields) -> Fields:
    value, currency = fields["amount"]
    return {"op": fields["op"], "value": value, "currency": currency}


FIGURE: Final = Forms(
    Figure,
    Form(
        en="has {op} {value}",
        zh=("订单数{op}{value}", "有{op}{value}订单"),
        sets={"name": "orders"},
        slots={"op": COUNTED, "value": ORDERS},
    ),
    Form(
        en="orders are {op} {value}",
        zh="订单数{op}{value}",
        sets={"name": "orders"},
        slots={"op": COUNTED, "value": NUMBER},
    ),
    Form(
        en=("spent {op} {amount}", "has spent {op} {amount}"),
        zh=("累计消费{op} {amount}", "消费{op} {amount}", "消费额{op} {amount}"),
        sets={"name": "spend"},
        slots={"amount": AMOUNT},
        unfold=_as_amount,
        fold=_of_amount,
    ),
    Form(
        en=("spent {op} {amount} per order on average", "average order is {op} {amount}"),
        zh=("平均每单消费{op} {amount}", "平均每单{op} {amount}", "客单价{op} {amount}"),
        sets={"name": "average_order"},
        slots={"amount": AMOUNT},
        unfold=_as_amount,
        fold=_of_amount,
    ),
    slots={"op": COMPARISON},
)
