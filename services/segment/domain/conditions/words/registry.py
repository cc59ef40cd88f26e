"""The words of every kind. A kind of `conditions.registry` without a line here fails a test."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from services.segment.domain.conditions.base import Condition
from services.segment.domain.conditions.words.forms import Forms
from services.segment.domain.conditions.words.kinds.absence import ABSENCE
from services.segment.domain.conditions.words.kinds.belonging import LIST, SEGMENT, TAG
from services.segment.domain.conditions.words.kinds.bucket import BUCKET
from services.segment.domain.conditions.words.kinds.consent import CONSENT
from services.segment.domain.conditions.words.kinds.dates import AGE, ANNIVERSARY, HOLIDAY, ON_DAY
from services.segment.domain.conditions.words.kinds.did import DID_FORMS
from services.segment.domain.conditions.words.kinds.figure import FIGURE
from services.segment.domain.conditions.words.kinds.known import KNOWN
from services.segment.domain.conditions.words.kinds.measure import MEASURE
from services.segment.domain.conditions.words.kinds.moment import MOMENT
from services.segment.domain.conditions.words.kinds.near import NEAR
from services.segment.domain.conditions.words.kinds.occurrence import OCCURRENCE
from services.segment.domain.conditions.words.kinds.sequence import SEQUENCE
from services.segment.domain.conditions.words.kinds.standing import CLASS, GROUP, KEY_CUSTOMER, SCORE, STAGE, TIER
from services.segment.domain.conditions.words.kinds.trait import TRAIT
from services.segment.domain.conditions.words.tree import Conditions
from shared.calendars.durations import Language

_FORMS: Final[tuple[Forms, ...]] = (
    TRAIT,
    FIGURE,
    MOMENT,
    KNOWN,
    NEAR,
    CONSENT,
    TIER,
    STAGE,
    SCORE,
    GROUP,
    CLASS,
    KEY_CUSTOMER,
    DID_FORMS,
    MEASURE,
    OCCURRENCE,
    SEQUENCE,
    ABSENCE,
    ANNIVERSARY,
    AGE,
    ON_DAY,
    HOLIDAY,
    BUCKET,
    TAG,
    LIST,
    SEGMENT,
)

WORDS: Final[Mapping[type[Condition], Forms]] = {forms.of: forms for forms in _FORMS if issubclass(forms.of, Condition)}
"""The sentences of each kind that is not made of other conditions."""

CONDITIONS: Final = Conditions(WORDS)


@lru_cache
def reserved(language: Language) -> frozenset[str]:
    """Returns the words of a language that are no names unless they are quoted, in lower case.

    They are those that begin phrases: a name can't be taken for what may stand in its place or after it.
    """
    first = (phrase.split()[0] for phrase in CONDITIONS.phrases(language) if phrase.strip())
    return frozenset(word.strip("(),").lower() for word in first if word.isascii())
