"""The words of first and last times: `first ordered in the last 30 days`, 末次下单在30天前或更早."""

from typing import Final

from services.segment.domain.conditions.kinds.occurrence import Happened
from services.segment.domain.conditions.words.events import DID_COUNTED
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.slots import Choice
from services.segment.domain.conditions.words.values import DAY, SPAN

OCCURRENCE: Final = Forms(
    Happened,
    Form(
        en=("{which} {event} in the last {value}", "{event} for the {which} time in the last {value}"),
        zh=("{which}{event}在最近{value}内", "{which}{event}在过去{value}内"),
        sets={"op": "within"},
        slots={"value": SPAN},
    ),
    Form(
        en=("{which} {event} at least {value} ago", "{event} for the {which} time at least {value} ago"),
        zh=("{which}{event}在{value}前或更早", "{which}{event}在{value}以前"),
        sets={"op": "longer_ago"},
        slots={"value": SPAN},
    ),
    Form(
        en=("{which} {event} before {value}", "{event} for the {which} time before {value}"),
        zh=("{which}{event}早于 {value}", "{which}{event}在 {value} 之前"),
        sets={"op": "before"},
        slots={"value": DAY},
    ),
    Form(
        en=(
            "{which} {event} on or after {value}",
            "{which} {event} since {value}",
            "{event} for the {which} time on or after {value}",
        ),
        zh=("{which}{event}不早于 {value}", "{which}{event}自 {value} 起"),
        sets={"op": "from"},
        slots={"value": DAY},
    ),
    slots={
        "which": Choice({"first": ("first", ("首次", "第一次")), "last": ("last", ("末次", "最后一次", "上次"))}),
        "event": DID_COUNTED,
    },
)
