"""The words of what a customer did: `viewed a product at least 3 times in the last 7 days`, 最近30天没有下单."""

from typing import Final

from services.segment.domain.conditions.kinds.did import Did
from services.segment.domain.conditions.words.comparisons import COUNTED
from services.segment.domain.conditions.words.events import DID, DID_COUNTED, DO
from services.segment.domain.conditions.words.filters import WHERE
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.slots import Choice
from services.segment.domain.conditions.words.values import TIMES
from services.segment.domain.conditions.words.windows import MAYBE_WINDOW

_OFTEN: Final = Choice({1: ("once", "一次"), 2: ("twice", ("两次", "二次"))})
_NOT: Final = ("没有", "没", "未", "从未", "从没", "从来没有")

DID_FORMS: Final = Forms(
    Did,
    Form(
        en=("{event} {where} {window}", "{event} {window} {where}", "has {event} {where} {window}"),
        zh=("{window}{event}{where}", "{window}有{event}{where}"),
        sets={"op": "ge", "times": 1},
        slots={"event": DID},
    ),
    Form(
        en=("did {event} {where} {window}", "did {event} {window} {where}"),
        zh="{window}{event}{where}",
        sets={"op": "ge", "times": 1},
        slots={"event": DO},
    ),
    Form(
        en=tuple(
            f"{never} {{event}} {rest}"
            for never in ("did not", "didn't", "never")
            for rest in ("{where} {window}", "{window} {where}")
        ),
        zh=tuple(f"{{window}}{never}{{event}}{{where}}" for never in _NOT),
        sets={"op": "eq", "times": 0},
        slots={"event": DO},
    ),
    Form(
        en=("has not {event} {where} {window}", "has never {event} {where} {window}", "never {event} {where} {window}"),
        zh=tuple(f"{{window}}{never}{{event}}{{where}}" for never in _NOT),
        sets={"op": "eq", "times": 0},
        slots={"event": DID},
    ),
    Form(
        en=(
            "{event} {where} {op} {times} {window}",
            "{event} {where} {window} {op} {times}",
            "{event} {op} {times} {where} {window}",
            "{event} {op} {times} {window} {where}",
        ),
        zh=("{window}{event}{where}{op}{times}", "{event}{where}{op}{times}{window}"),
        slots={"event": DID_COUNTED, "op": COUNTED, "times": TIMES},
    ),
    Form(
        en=("{event} {where} {op} {times} {window}", "{event} {op} {times} {where} {window}"),
        zh="{window}{event}{where}{op}{times}",
        slots={"event": DID_COUNTED, "op": COUNTED, "times": _OFTEN},
    ),
    slots={"where": WHERE, "window": MAYBE_WINDOW},
)
"""Didn't is `did not`; that something happened is "at least once", that it didn't is "exactly 0 times"."""
