"""Every kind of condition. The next one is a file in `kinds` and a line here."""

from collections.abc import Mapping
from typing import Final

from services.segment.domain.conditions.base import Condition, tag_of
from services.segment.domain.conditions.kinds.absence import Absence
from services.segment.domain.conditions.kinds.belonging import InSegment, Listed, Tagged
from services.segment.domain.conditions.kinds.bucket import Bucket
from services.segment.domain.conditions.kinds.consent import Consented
from services.segment.domain.conditions.kinds.dates import Age, Anniversary, Holiday, OnDay
from services.segment.domain.conditions.kinds.did import Did
from services.segment.domain.conditions.kinds.figure import Figure
from services.segment.domain.conditions.kinds.known import Known
from services.segment.domain.conditions.kinds.measure import Measure
from services.segment.domain.conditions.kinds.moment import Moment
from services.segment.domain.conditions.kinds.near import Near
from services.segment.domain.conditions.kinds.occurrence import Happened
from services.segment.domain.conditions.kinds.sequence import Sequence
from services.segment.domain.conditions.kinds.standing import InClass, InGroup, InStage, InTier, KeyCustomer, Scored
from services.segment.domain.conditions.kinds.trait import Trait
from services.segment.domain.conditions.tree import AllOf, AnyOf, Not

KINDS: Final[Mapping[str, type[Condition]]] = {
    tag_of(kind): kind
    for kind in (
        AllOf,
        AnyOf,
        Not,
        Trait,
        Figure,
        Moment,
        Known,
        Near,
        Consented,
        InTier,
        InStage,
        Scored,
        InGroup,
        InClass,
        KeyCustomer,
        Did,
        Measure,
        Happened,
        Sequence,
        Absence,
        Anniversary,
        Age,
        OnDay,
        Holiday,
        Bucket,
        Tagged,
        Listed,
        InSegment,
    )
}
