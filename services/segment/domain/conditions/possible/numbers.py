"""Claims about a number: figures, scores, sums, ages; one number of every class that comparisons can tell apart."""

from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from itertools import pairwise
from math import floor, isfinite
from typing import Any

from services.segment.domain.conditions.compare import COMPARE
from services.segment.domain.conditions.kinds.dates import Age
from services.segment.domain.conditions.kinds.did import Did
from services.segment.domain.conditions.possible.claims import Claim, NotKnown, Possible
from shared.contracts.property_filter import exact


def integers(bounds: Iterable[Any], *, least: int | None = None) -> list[int]:
    """Returns integers, from `least` if given, of every class that comparisons with these bounds can tell apart."""
    whole = {floor(one) + step for one in _finite(bounds) for step in (-1, 0, 1)} | {least or 0}
    return sorted(one for one in whole if least is None or one >= least)


def reals(bounds: Iterable[Any]) -> list[Any]:
    """Returns numbers of every class that comparisons with these bounds can tell apart. Raises `NotKnown`."""
    known = sorted(set(_finite(bounds)))
    if not known:
        return [0]
    between = [_middle(one, other) for one, other in pairwise(known)]
    return [*known, *between, floor(known[0]) - 1, floor(known[-1]) + 1]


def _finite(bounds: Iterable[Any]) -> list[Any]:
    found = [exact(one) for one in bounds]
    if not all(isfinite(one) for one in found):
        raise NotKnown
    return found


def _middle(one: Any, other: Any) -> Any:
    if floor(one) + 1 < other:
        return floor(one) + 1
    with localcontext(prec=1_000):
        middle = (Decimal(one) + Decimal(other)) / 2
    if not one < middle < other:
        raise NotKnown
    return middle


def comparison(leaf: Any) -> tuple[Any, Any]:
    """Returns the operator and the bound of a condition that compares a number."""
    return leaf.op, leaf.times if isinstance(leaf, Did) else leaf.years if isinstance(leaf, Age) else leaf.value


def compared(*, whole: bool, least: int | None = None, most: int | None = None, unknown: bool) -> Possible:
    """Returns what tries numbers of a kind; `unknown`: there may be none."""

    def possible(claims: Sequence[Claim]) -> bool:
        tests = [(*comparison(one.leaf), one.answers) for one in claims]
        if unknown and all(None in answers for _, _, answers in tests):
            return True
        bounds = [bound for _, bound, _ in tests]
        numbers = integers(bounds, least=least) if whole else reals(bounds)
        return any(
            all(COMPARE[op](one, exact(bound)) in answers for op, bound, answers in tests)
            for one in numbers
            if most is None or one <= most
        )

    return possible


def any_age(claims: Sequence[Claim]) -> bool:
    """Returns whether some dated facts have ages as these claims say: of several, one is enough.

    Facts that no claim refuses do no harm, so all of them are tried at once.
    """
    if all(None in one.answers for one in claims):
        return True  # without such a fact
    tests = [(*comparison(one.leaf), one) for one in claims]
    ages = [
        age
        for age in integers([years for _, years, _ in tests], least=0)
        if not any(claim.refuses and COMPARE[op](age, years) for op, years, claim in tests)
    ]
    met = (any(COMPARE[op](age, years) for age in ages) for op, years, claim in tests if claim.wants)
    return bool(ages) and all(met)
