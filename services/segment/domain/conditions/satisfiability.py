"""Conditions that nobody can meet, and conditions that everybody meets: found before a segment goes live.

A condition is true for some customer where one of the terms of its normal form can be: a term is a set of leaves, each
with the answers that it may have. Of three values: to be false is one thing, not to be true another, and so `x = a or
not x = a` is not always true, as x may be missing. A term is impossible where what it asks of one subject (a trait, a
tier, how often an event happened) no subject can be; `possible` knows that.

It is sound: what is called impossible is. It is not complete: what subjects have to do with each other is not looked
at, and of a normal form that grows beyond `MAX_TERMS` a part is left out, which only makes more possible.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from services.segment.domain.conditions.base import Condition, Problem
from services.segment.domain.conditions.customer import Truth
from services.segment.domain.conditions.possible.claims import FALSE, TRUE, Claim
from services.segment.domain.conditions.possible.subjects import impossible
from services.segment.domain.conditions.tree import AllOf, AnyOf, Not

MAX_TERMS: Final = 128
MAX_SHOWN: Final = 5  # clashes that one answer names
MAX_LOOKS: Final = 1_000  # terms that one answer looks at

Term = tuple[Claim, ...]

NOT_TRUE: Final = frozenset({False, None})
NOT_FALSE: Final = frozenset({True, None})
_NEGATED: Final = {TRUE: FALSE, FALSE: TRUE, NOT_TRUE: NOT_FALSE, NOT_FALSE: NOT_TRUE}


def contradictions(condition: Condition, pointer: str = "") -> list[Problem]:
    """Returns which parts contradict each other so that no customer can ever meet a condition; nothing if one may."""
    clashes = _clashes(condition, TRUE, pointer, [MAX_LOOKS])
    found: dict[str, Problem] = {}
    for clash in (clashes or ())[:MAX_SHOWN]:
        places = sorted({one.pointer for one in clash})
        for place in places:
            others = " and ".join(one or "/" for one in places if one != place)
            detail = f"can't be true together with what {others} asks" if others else "can't be true of anybody"
            found.setdefault(place, Problem(place, f"{detail}, so no customer could ever meet the condition"))
    return [found[place] for place in sorted(found)]


def remarks(condition: Condition, pointer: str = "") -> list[Problem]:
    """Returns what is true of everybody, in the condition or as a part of it, and which parts nobody can meet."""
    return list(_remarks(condition, pointer, [MAX_LOOKS]))


def _remarks(condition: Condition, pointer: str, looks: list[int], *, whole: bool = True) -> Iterator[Problem]:
    subject = "the condition" if whole else "this part"
    if _clashes(condition, NOT_TRUE, pointer, looks) is not None:
        yield Problem(pointer, f"{subject} is true of every customer{'' if whole else ', and changes nothing'}")
        return
    if not whole and _clashes(condition, TRUE, pointer, looks) is not None:
        yield Problem(pointer, f"{subject} can't be true of any customer")
        return
    for part, place in places(condition, pointer):
        yield from _remarks(part, place, looks, whole=False)


def places(condition: Condition, pointer: str) -> Iterator[tuple[Condition, str]]:
    """Yields a condition's parts, each with its JSON pointer."""
    for n, part in enumerate(condition.parts()):
        yield part, f"{pointer}/of" if isinstance(condition, Not) else f"{pointer}/of/{n}"


def _clashes(
    condition: Condition, answers: frozenset[Truth], pointer: str, looks: list[int]
) -> list[tuple[Claim, ...]] | None:
    """Returns the parts that clash, of each term, if no customer can give one of these answers; else None."""
    found: list[tuple[Claim, ...]] = []
    for term in _terms(condition, answers, pointer):
        if any(all(claim in term for claim in clash) for clash in found):
            continue
        looks[0] -= 1
        clash = impossible(term) if looks[0] >= 0 else None
        if clash is None:
            return None
        found.append(clash)
    return found


def _terms(condition: Condition, answers: frozenset[Truth], pointer: str) -> Sequence[Term]:
    """Returns the normal form of that a condition gives one of these answers: one of the terms holds."""
    if isinstance(condition, Not):
        return _terms(condition.of, _NEGATED[answers], f"{pointer}/of")
    if not isinstance(condition, AllOf | AnyOf):
        return [(Claim(condition, answers, pointer),)]
    parts = [_terms(part, answers, place) for part, place in places(condition, pointer)]
    # Of "all", the part with the least answer decides; so one false part makes it false, as one true part makes "any".
    every = (True in answers) is isinstance(condition, AllOf)
    return _product(parts) if every else _sum(parts)


def _sum(parts: Iterable[Sequence[Term]]) -> Sequence[Term]:
    found = [term for part in parts for term in part]
    return found if len(found) <= MAX_TERMS else [()]  # the empty term is possible


def _product(parts: Iterable[Sequence[Term]]) -> Sequence[Term]:
    found: Sequence[Term] = [()]
    for part in sorted(parts, key=len):
        if len(found) * len(part) > MAX_TERMS:
            break  # what is left out would only make less possible
        found = [_joined(one, other) for one in found for other in part]
    return found


def _joined(one: Term, other: Term) -> Term:
    return one + tuple(claim for claim in other if claim not in one)
