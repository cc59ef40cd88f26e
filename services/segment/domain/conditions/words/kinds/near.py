"""The words of places: `is within 25 km of 52.52, 13.405`, latitude first."""

from typing import Final

from services.segment.domain.conditions.kinds.near import Near
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.values import NUMBER

NEAR: Final = Forms(
    Near,
    Form(
        en=("is within {km} km of {latitude}, {longitude}", "is within {km} kilometres of {latitude}, {longitude}"),
        zh=("在 {latitude}, {longitude} 周围 {km} 公里内", "在 {latitude}, {longitude} 周围 {km} 千米内"),
    ),
    Form(
        en=(
            "is not within {km} km of {latitude}, {longitude}",
            "is not within {km} kilometres of {latitude}, {longitude}",
        ),
        zh=("不在 {latitude}, {longitude} 周围 {km} 公里内", "不在 {latitude}, {longitude} 周围 {km} 千米内"),
        negated=True,
    ),
    slots={"latitude": NUMBER, "longitude": NUMBER, "km": NUMBER},
)
