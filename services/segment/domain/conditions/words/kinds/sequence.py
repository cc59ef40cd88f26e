"""The words of one event and then another: `viewed a product in the last 7 days, then ordered within 1 day`."""

from typing import Final

from services.segment.domain.conditions.kinds.sequence import Sequence
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.steps import STEP
from services.segment.domain.conditions.words.values import SPAN
from services.segment.domain.conditions.words.windows import WINDOW

SEQUENCE: Final = Forms(
    Sequence,
    Form(
        en=(
            "{first} {window}, then {then} within {within}",
            "{first} {window} and then {then} within {within}",
            "{first} {window} then {then} within {within}",
        ),
        zh=("{window}{first}后{within}内{then}", "{window}{first}之后{within}内{then}"),
    ),
    slots={"first": STEP, "then": STEP, "within": SPAN, "window": WINDOW},
)
