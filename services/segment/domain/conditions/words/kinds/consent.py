"""The words of consent: `has consented to email for marketing`, 同意 email 用于 marketing."""

from typing import Final

from services.segment.domain.conditions.kinds.consent import Consented
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.values import NAME

CONSENT: Final = Forms(
    Consented,
    Form(
        en=("has consented to {channel} for {purpose}", "has consented to {channel}"),
        zh=("同意 {channel} 用于 {purpose}", "同意 {channel}"),
        sets={"state": "granted"},
    ),
    Form(
        en=("has withdrawn consent to {channel} for {purpose}", "has withdrawn consent to {channel}"),
        zh=("撤回了 {channel} 用于 {purpose} 的同意", "撤回了 {channel} 的同意"),
        sets={"state": "withdrawn"},
    ),
    Form(
        en=("has never decided on {channel} for {purpose}", "has never decided on {channel}"),
        zh=("从未决定 {channel} 是否用于 {purpose}", "从未决定 {channel}"),
        sets={"state": "never"},
    ),
    slots={"channel": NAME, "purpose": NAME},
)
