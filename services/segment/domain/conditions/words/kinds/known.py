"""The words of identities: `identity email is known`, `identity email ends with "@example.com"`."""

from typing import Final

from services.segment.domain.conditions.kinds.known import Known
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.values import NAME, TEXT

KNOWN: Final = Forms(
    Known,
    Form(
        en=("identity {namespace} is known", "has identity {namespace}"),
        zh=("身份 {namespace} 已知", "有身份 {namespace}"),
        sets={"op": "exists"},
    ),
    Form(
        en=("identity {namespace} is unknown", "has no identity {namespace}"),
        zh=("身份 {namespace} 未知", "没有身份 {namespace}"),
        sets={"op": "missing"},
    ),
    Form(en="identity {namespace} is {value}", zh="身份 {namespace} 是 {value}", sets={"op": "eq"}),
    Form(
        en=("identity {namespace} begins with {value}", "identity {namespace} starts with {value}"),
        zh=("身份 {namespace} 开头是 {value}", "身份 {namespace} 以 {value} 开头"),
        sets={"op": "starts_with"},
    ),
    Form(
        en="identity {namespace} ends with {value}",
        zh=("身份 {namespace} 结尾是 {value}", "身份 {namespace} 以 {value} 结尾"),
        sets={"op": "ends_with"},
    ),
    slots={"namespace": NAME, "value": TEXT},
)
