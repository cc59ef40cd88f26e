"""The words of where customers stand: `tier is gold`, `stage is one of new, loyal`, `recency score is at least 4`."""

from typing import Final

from services.segment.domain.conditions.kinds.standing import InClass, InGroup, InStage, InTier, KeyCustomer, Scored
from services.segment.domain.conditions.words.comparisons import COMPARISON
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.slots import Choice, ListOf, Slot
from services.segment.domain.conditions.words.templates import Fields
from services.segment.domain.conditions.words.values import NAME, WHOLE


def _alone(fields: Fields) -> Fields | None:
    one = fields["among"]
    return {**fields, "among": one[0]} if len(one) == 1 else None


def _several(fields: Fields) -> Fields:
    return {**fields, "among": (fields["among"],)}


def _among(en: str, zh: str, of: Slot = NAME) -> tuple[Form, ...]:
    """Returns the forms of one among some."""
    return tuple(
        form
        for negated in (False, True)
        for form in (
            Form(
                en=(f"{en} is{' not' * negated} {{among}}", f"{en} {'!' * negated}= {{among}}"),
                zh=(
                    f"{zh}{'不' * negated}是 {{among}}",
                    f"{zh}{'不' * negated}为 {{among}}",
                    f"{zh} {'!' * negated}= {{among}}",
                ),
                slots={"among": of},
                negated=negated,
                unfold=_alone,
                fold=_several,
            ),
            Form(
                en=(f"{en} is {'none' if negated else 'one'} of {{among}}", f"{en} is{' not' * negated} {{among}}"),
                zh=(f"{zh}{'不' * negated}属于 {{among}}", f"{zh}{'不' * negated}是 {{among}}"),
                slots={"among": ListOf(of)},
                negated=negated,
            ),
        )
    )


# A, B and C are names elsewhere: "tag A" needs no quotation marks.
_LETTER: Final = Choice({one: (one, one) for one in ("A", "B", "C")}, reserved=False)

TIER: Final = Forms(InTier, *_among("tier", "等级"), slots={})
STAGE: Final = Forms(InStage, *_among("stage", "阶段"), slots={})
GROUP: Final = Forms(InGroup, *_among("RFM group", "RFM组"), slots={})
CLASS: Final = Forms(InClass, *_among("ABC class", "ABC类", _LETTER), slots={})
KEY_CUSTOMER: Final = Forms(
    KeyCustomer,
    Form(en="is a key customer", zh="属于关键客户"),
    Form(en="is not a key customer", zh="不属于关键客户", negated=True),
    slots={},
)
SCORE: Final = Forms(
    Scored,
    Form(en="{of} score is {op} {value}", zh=("{of}得分{op} {value}", "{of}分{op} {value}")),
    slots={
        "of": Choice(
            {
                "recency": (("recency", "R"), ("近度", "R")),
                "frequency": (("frequency", "F"), ("频度", "F")),
                "monetary": (("monetary", "M"), ("额度", "M")),
            }
        ),
        "op": COMPARISON,
        "value": WHOLE,
    },
)
