"""The words of traits: `trait city is "Berlin"`, 属性 city 是 "Berlin"."""

from typing import Final

from services.segment.domain.conditions.kinds.trait import Trait
from services.segment.domain.conditions.words.comparisons import value_forms
from services.segment.domain.conditions.words.forms import Forms
from services.segment.domain.conditions.words.values import NAME

_OPS: Final = (
    *("exists", "missing", "eq", "ne", "lt", "le", "gt", "ge", "between", "in", "not_in"),
    *("contains", "starts_with", "ends_with", "any_of", "all_of"),
)

TRAIT: Final = Forms(Trait, *value_forms(en="trait {name}", zh="属性 {name}", ops=_OPS), slots={"name": NAME})
