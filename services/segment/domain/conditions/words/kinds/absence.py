"""The words of what did not follow: `updated the cart in the last 7 days, then did not order within 1 hour`."""

from typing import Final

from services.segment.domain.conditions.kinds.absence import Absence
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.steps import NOT_STEP, STEP
from services.segment.domain.conditions.words.values import SPAN
from services.segment.domain.conditions.words.windows import WINDOW

ABSENCE: Final = Forms(
    Absence,
    Form(
        en=tuple(
            f"{{first}} {{window}}{then} did not {{without}} within {{within}}"
            for then in (", then", " and then", " then", ", but", " but")
        ),
        zh=tuple(
            f"{{window}}{{first}}{after}{{within}}内{never}{{without}}"
            for after in ("后", "之后")
            for never in ("没有", "没", "未")
        ),
    ),
    slots={"first": STEP, "without": NOT_STEP, "within": SPAN, "window": WINDOW},
)
