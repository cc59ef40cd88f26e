"""The words of a profile's moments: `last order in the last 30 days`, `first seen before 2026-01-30`."""

from typing import Final

from services.segment.domain.conditions.kinds.moment import Moment
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.slots import Choice
from services.segment.domain.conditions.words.values import DAY, SPAN

_MOMENT: Final = Choice(
    {
        "first_seen": ("first seen", ("首次出现", "首次访问")),
        "last_seen": ("last seen", ("末次出现", "最后出现", "最近访问")),
        "first_order_at": ("first order", ("首单", "首次订单")),
        "last_order_at": ("last order", ("末单", "最后一单", "末次订单")),
    }
)

MOMENT: Final = Forms(
    Moment,
    Form(
        en=("{of} in the last {value}", "{of} was in the last {value}", "{of} within the last {value}"),
        zh=("{of}在最近{value}内", "{of}在过去{value}内"),
        sets={"op": "within"},
        slots={"value": SPAN},
    ),
    Form(
        en=("{of} at least {value} ago", "{of} was at least {value} ago"),
        zh=("{of}在{value}前或更早", "{of}在{value}以前"),
        sets={"op": "longer_ago"},
        slots={"value": SPAN},
    ),
    Form(
        en=("{of} before {value}", "{of} was before {value}"),
        zh=("{of}早于 {value}", "{of}在 {value} 之前"),
        sets={"op": "before"},
        slots={"value": DAY},
    ),
    Form(
        en=("{of} on or after {value}", "{of} was on or after {value}", "{of} since {value}"),
        zh=("{of}不早于 {value}", "{of}自 {value} 起"),
        sets={"op": "from"},
        slots={"value": DAY},
    ),
    Form(en="{of} is known", zh="{of}已知", sets={"op": "exists"}),
    Form(en="{of} is unknown", zh="{of}未知", sets={"op": "missing"}),
    slots={"of": _MOMENT},
)
