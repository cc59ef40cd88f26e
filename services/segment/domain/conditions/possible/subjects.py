"""What a condition is about, and whether one such thing can be as several conditions say at once.

A kind of condition that has a line in `_SUBJECTS` names its subject, and how to find out. Of any other kind two claims
clash only where they are about equal conditions.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from services.segment.domain.conditions.base import Condition
from services.segment.domain.conditions.kinds.absence import Absence
from services.segment.domain.conditions.kinds.belonging import InSegment, Listed, Tagged
from services.segment.domain.conditions.kinds.bucket import Bucket
from services.segment.domain.conditions.kinds.consent import Consented
from services.segment.domain.conditions.kinds.dates import Age, Holiday
from services.segment.domain.conditions.kinds.did import Did
from services.segment.domain.conditions.kinds.figure import Figure
from services.segment.domain.conditions.kinds.known import Known
from services.segment.domain.conditions.kinds.measure import Measure
from services.segment.domain.conditions.kinds.moment import Moment
from services.segment.domain.conditions.kinds.occurrence import Happened
from services.segment.domain.conditions.kinds.sequence import Sequence as Followed
from services.segment.domain.conditions.kinds.standing import InStage, InTier, Scored
from services.segment.domain.conditions.kinds.trait import Trait
from services.segment.domain.conditions.possible import values
from services.segment.domain.conditions.possible.claims import TRUE, Claim, NotKnown, Possible
from services.segment.domain.conditions.possible.counts import any_counts
from services.segment.domain.conditions.possible.numbers import any_age, compared
from services.segment.domain.conditions.possible.values import somebody

_TWO_VALUED: Final = (
    *(Tagged, Listed, InSegment, Bucket, Consented, InTier, InStage, Known, Holiday, Absence, Followed),
)
"""Kinds whose answer is never unknown."""


def impossible(claims: Sequence[Claim]) -> tuple[Claim, ...] | None:
    """Returns as few of these claims as can't all be true of one customer; None if they may be."""
    by_leaf: dict[Condition, list[Claim]] = {}
    by_subject: dict[Hashable, tuple[Possible, list[Claim]]] = {}
    for one in {(claim.leaf, claim.answers): claim for claim in chain(claims, _implied(claims))}.values():
        by_leaf.setdefault(one.leaf, []).append(one)
        subject = _SUBJECTS.get(type(one.leaf))
        if subject is not None:
            key, possible = subject(one.leaf)
            by_subject.setdefault((type(one.leaf), key), (possible, []))[1].append(one)
    for same in by_leaf.values():
        if not _equal(same):
            return _least(_equal, same)
    for possible, about in by_subject.values():
        if not _known(possible, about):
            return _least(possible, about)
    return None


def _implied(claims: Iterable[Claim]) -> Iterator[Claim]:
    """Yields what else is true where a pattern is: its first event happened."""
    for one in claims:
        if isinstance(one.leaf, Absence | Followed) and one.answers == TRUE:
            first = one.leaf.first
            yield Claim(Did(event=first.event, where=first.where, window=one.leaf.window), TRUE, one.pointer)


def _least(possible: Possible, claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """Returns claims that are impossible together, and would not be without any of them."""
    kept = list(claims)
    for one in claims:
        without = [other for other in kept if other is not one]
        if without and not _known(possible, without):
            kept = without
    return tuple(kept)


def _known(possible: Possible, claims: Sequence[Claim]) -> bool:
    try:
        return possible(claims)
    except NotKnown:
        return True


def _equal(claims: Sequence[Claim]) -> bool:
    """Returns whether one condition can give an answer that all of these claims allow."""
    every = frozenset({True, False} if isinstance(claims[0].leaf, _TWO_VALUED) else {True, False, None})
    return bool(every.intersection(*(one.answers for one in claims)))


def _figure(leaf: Any) -> tuple[Hashable, Possible]:
    return (leaf.name, leaf.currency), compared(
        whole=leaf.name != "average_order",
        least=0 if leaf.name == "orders" else None,
        unknown=leaf.name == "average_order",
    )


def _measure(leaf: Any) -> tuple[Hashable, Possible]:
    after = leaf.window is not None and bool(leaf.window.after)
    distinct = leaf.by == "distinct"
    unknown = after or leaf.by not in ("sum", "distinct")
    key = (leaf.event, leaf.by, leaf.of, frozenset(leaf.where), leaf.window)
    return key, compared(whole=distinct, least=0 if distinct else None, unknown=unknown)


_score: Final = compared(whole=True, least=1, most=5, unknown=True)
_tier: Final = values.any_name(lambda name: somebody(tiers={"default": name}))
_stage: Final = values.any_name(lambda name: somebody(stage=name))

_SUBJECTS: Final[Mapping[type[Condition], Callable[[Any], tuple[Hashable, Possible]]]] = {
    Trait: lambda leaf: (leaf.name, values.any_trait),
    Figure: _figure,
    Measure: _measure,
    Scored: lambda leaf: (leaf.of, _score),
    InTier: lambda _: ("", _tier),
    InStage: lambda _: ("", _stage),
    Consented: lambda leaf: ((leaf.channel, leaf.purpose), values.any_consent),
    Known: lambda leaf: (leaf.namespace, values.any_identity),
    Bucket: lambda leaf: ((leaf.salt, leaf.of), values.any_bucket),
    Moment: lambda leaf: (leaf.of, values.any_moment),
    Happened: lambda leaf: ((leaf.which, leaf.event), values.any_occurrence),
    Age: lambda leaf: (leaf.of, any_age),
    Did: lambda leaf: (leaf.event, any_counts),
}
