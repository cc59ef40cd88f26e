"""The words of tags, lists and other segments: `has the tag vip`, `is on the list press`, `is in the segment loyal`."""

from typing import Final

from services.segment.domain.conditions.kinds.belonging import InSegment, Listed, Tagged
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.values import NAME

TAG: Final = Forms(
    Tagged,
    Form(en=("has the tag {name}", "has tag {name}", "is tagged {name}"), zh=("有标签 {name}", "标签有 {name}")),
    Form(
        en=("does not have the tag {name}", "does not have tag {name}", "has no tag {name}", "is not tagged {name}"),
        zh=("没有标签 {name}", "无标签 {name}"),
        negated=True,
    ),
    slots={"name": NAME},
)
LIST: Final = Forms(
    Listed,
    Form(en=("is on the list {id}", "is on list {id}", "on the list {id}"), zh=("在名单 {id} 中", "在名单 {id} 里")),
    Form(
        en=("is not on the list {id}", "is not on list {id}"),
        zh=("不在名单 {id} 中", "不在名单 {id} 里"),
        negated=True,
    ),
    slots={"id": NAME},
)
SEGMENT: Final = Forms(
    InSegment,
    Form(
        en=("is in the segment {id}", "is in segment {id}", "in the segment {id}", "in segment {id}"),
        zh=("在人群 {id} 中", "在人群 {id} 里", "在细分 {id} 中"),
    ),
    Form(
        en=("is not in the segment {id}", "is not in segment {id}"),
        zh=("不在人群 {id} 中", "不在人群 {id} 里", "不在细分 {id} 中"),
        negated=True,
    ),
    slots={"id": NAME},
)
