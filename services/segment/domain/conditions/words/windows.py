"""The words of windows: `in the last 30 days`, 最近30天."""

from typing import Final

from services.segment.domain.conditions.window import Window
from services.segment.domain.conditions.words.events import THING
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.slots import Maybe
from services.segment.domain.conditions.words.values import DAY, SPAN

WINDOW: Final = Forms(
    Window,
    Form(
        en=("in the last {within}", "within the last {within}", "in the past {within}", "during the last {within}",
            "over the last {within}"),
        zh=("最近{within}", "最近{within}内", "过去{within}", "过去{within}内", "近{within}", "近{within}内"),
    ),
    Form(
        en=("from {since} to before {until}", "between {since} and before {until}"),
        zh=("自 {since} 起至 {until} 之前", "从 {since} 起到 {until} 之前"),
    ),
    Form(en=("since {since}", "from {since}", "on or after {since}"), zh=("自 {since} 起", "从 {since} 起")),
    Form(en="before {until}", zh="在 {until} 之前"),
    Form(en="since the last {after}", zh=("自上次{after}后", "自上次{after}以来", "上次{after}后")),
    slots={"within": SPAN, "since": DAY, "until": DAY, "after": THING},
)  # fmt: skip
"""A window, which is there."""

MAYBE_WINDOW: Final = Maybe(WINDOW, None)
"""A window, or none: at any time."""
