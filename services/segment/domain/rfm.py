"""RFM: scores of recency, frequency and money by cut points over the base, and the groups that they make.

Cut points split a base into as many equal parts as there are scores, and equal values are never split. A tie group
is where its middle is: its ridit, the share of customers below it and half of its own (Bross, "How to use ridit
analysis", Biometrics 14, 1958). From the worst value up, a score takes the groups whose ridit among those left lies
within its share of what is left, at least one, and leaves one for every score above. So of a base where half bought
once, these have the lowest score, and the other half is shared by the four scores above; without ties it is quintiles
(tertiles, …), each of n/k customers, rounded up or down.

A base with fewer distinct values than scores spreads them evenly from the lowest score to the highest; a single value
is in the middle.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

import msgspec

QUINTILES: Final = 5
TERTILES: Final = 3

Counts = Mapping[int, int]
"""Customers by value. Values are whole, and more is better."""


class Cuts(msgspec.Struct, frozen=True):
    """Cut points of the three values, each rising, one fewer than there are scores.

    `recency` in whole days of silence: a score is lost at each. `frequency` in orders and `monetary` in minor units:
    a score is won at each.
    """

    recency: tuple[int, ...]
    frequency: tuple[int, ...]
    monetary: tuple[int, ...]


class Scores(msgspec.Struct, frozen=True):
    """From 1 (worst) to 5 of quintiles, or 3 of tertiles."""

    recency: int
    frequency: int
    monetary: int


def cut_points(counts: Counts, scores: int) -> tuple[int, ...]:
    """Returns the values at which a score is won, rising; a value's score is 1 and one for each that it reaches.

    A value between two of the base belongs to the lower. Raises `ValueError` for a base of nobody.
    """
    values = sorted(value for value, customers in counts.items() if customers > 0)
    if not values:
        raise ValueError("a base of nobody has no cut points")
    if len(values) < scores:
        return _spread(values, scores)
    # Below group i lie up_to[i] customers. Middles and shares are compared times 2 and times the scores left.
    up_to = [0, *accumulate(counts[value] for value in values)]
    first, cuts = 0, []
    for left in range(scores, 1, -1):
        share = 2 * up_to[first] * left + 2 * (up_to[-1] - up_to[first])
        beyond = bisect_left(range(len(values)), share, lo=first, key=lambda i: left * (up_to[i] + up_to[i + 1]))
        first = min(max(beyond, first + 1), len(values) - (left - 1))
        cuts.append(values[first])
    return tuple(cuts)


def _spread(values: Sequence[int], scores: int) -> tuple[int, ...]:
    """Cut points for fewer values than scores; what is above the highest of few has the highest score."""
    gaps = len(values) - 1
    won = [(2 * place * (scores - 1) + gaps) // (2 * gaps) if gaps else (scores - 1) // 2 for place in range(gaps + 1)]
    cuts: list[int] = []
    for value, passed in zip(values, won, strict=True):
        cuts += [value] * (passed - len(cuts))
    return (*cuts, *[values[-1] + 1] * (scores - 1 - len(cuts)))


def cuts_of(silence: Counts, orders: Counts, spend: Counts, scores: int) -> Cuts:
    """Returns the cut points of a base, from its customers by days of silence, by orders and by spend."""
    won = cut_points({-days: customers for days, customers in silence.items()}, scores)
    return Cuts(
        recency=tuple(sorted(1 - value for value in won)),  # longer than the longest silence that still has the score
        frequency=cut_points(orders, scores),
        monetary=cut_points(spend, scores),
    )


def scored(cuts: Cuts, *, silence: int, orders: int, spend: int) -> Scores:
    """Returns the scores of one customer's values."""
    return Scores(
        recency=1 + len(cuts.recency) - passed(cuts.recency, silence),
        frequency=1 + passed(cuts.frequency, orders),
        monetary=1 + passed(cuts.monetary, spend),
    )


def passed(cuts: Sequence[int], value: int) -> int:
    """Returns how many cut points a value has reached."""
    return sum(value >= cut for cut in cuts)


# Groups. A row for each score of recency from 5 down to 1; in it, a group for each mean of frequency and monetary
# score (halves up) from 1 to 5. A change takes a new version.

GROUPS_VERSION: Final = 1
GRID: Final = (
    ("new", "potential_loyalists", "loyal", "champions", "champions"),
    ("promising", "potential_loyalists", "loyal", "loyal", "champions"),
    ("about_to_sleep", "needs_attention", "needs_attention", "loyal", "loyal"),
    ("hibernating", "hibernating", "at_risk", "at_risk", "cant_lose"),
    ("lost", "hibernating", "at_risk", "cant_lose", "cant_lose"),
)


class RfmGroup(msgspec.Struct, frozen=True):
    """A named group of scores, in the languages that the product speaks, and what to do about it."""

    name: str
    en: str
    zh: str
    advice: str


GROUPS: Final = (
    RfmGroup("champions", "Champions", "冠军客户", "Bought lately, often, for much: reward them, show what is new."),
    RfmGroup("loyal", "Loyal", "忠诚客户", "Buy often: sell them more, ask them for reviews."),
    RfmGroup(
        "potential_loyalists", "Potential loyalists", "潜力客户", "Bought lately, more than once: offer membership."
    ),
    RfmGroup("new", "New", "新客户", "Bought for the first time, just now: welcome them."),
    RfmGroup("promising", "Promising", "有望客户", "Bought lately, and little: make the brand known to them."),
    RfmGroup("needs_attention", "Need attention", "需关注客户", "Middling, and cooling: limited offers."),
    RfmGroup("about_to_sleep", "About to sleep", "即将沉睡客户", "Bought little, some time ago: remind them."),
    RfmGroup("at_risk", "At risk", "流失风险客户", "Were good, are long silent: write in person, ease the return."),
    RfmGroup(
        "cant_lose",
        "Can't lose them",
        "不可失去客户",
        "Were the best, are silent: talk to them, lose none to others.",
    ),
    RfmGroup("hibernating", "Hibernating", "沉睡客户", "Bought little, long ago: other products, rare mails."),
    RfmGroup("lost", "Lost", "已流失客户", "Bought least, longest ago: a last try, or none."),
)


def group(scores: Scores) -> str:
    """Returns the name of the group of these scores, which are of quintiles."""
    return GRID[QUINTILES - scores.recency][(scores.frequency + scores.monetary + 1) // 2 - 1]
