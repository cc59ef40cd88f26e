"""RFM's cut points: equal parts, ties together, five scores wherever there are five values."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.rfm import (
    GRID,
    GROUPS,
    QUINTILES,
    TERTILES,
    Cuts,
    Scores,
    cut_points,
    cuts_of,
    group,
    passed,
    scored,
)
from tests.support.examples import at_least

bases = st.lists(st.integers(-20, 20), min_size=1, max_size=60)
scales = st.sampled_from([TERTILES, QUINTILES])


def scores_of(base: list[int], scale: int = QUINTILES) -> list[int]:
    """Everybody's score, in the order of the base."""
    cuts = cut_points(Counter(base), scale)
    return [1 + passed(cuts, value) for value in base]


def ridit_cuts(base: list[int], scale: int) -> list[int]:
    """The definition, said slowly: the least value of each score but the first."""
    left, cuts = sorted(base), []
    for bins in range(scale, 1, -1):
        mine: list[int] = []
        for value in sorted(set(left)):
            ridit = (sum(one < value for one in left) + left.count(value) / 2) / len(left)
            others = len({one for one in left if one > value})
            if not mine or (ridit * bins < 1 - 1e-9 and others >= bins - 1):
                mine.append(value)
            else:
                break
        left = [one for one in left if one > mine[-1]]
        cuts.append(left[0])
    return cuts


@given(bases, scales)
@settings(max_examples=at_least(200))
def test_cut_points_are_those_of_the_definition(base: list[int], scale: int) -> None:
    if len(set(base)) >= scale:
        assert list(cut_points(Counter(base), scale)) == ridit_cuts(base, scale)


@given(bases, scales, st.data())
@settings(max_examples=at_least(150))
def test_a_score_is_a_function_of_the_value_whatever_the_order_of_the_base(
    base: list[int], scale: int, data: st.DataObject
) -> None:
    found = dict(zip(base, scores_of(base, scale), strict=True))
    again = data.draw(st.permutations(base))

    assert dict(zip(again, scores_of(again, scale), strict=True)) == found
    assert [found[value] for value in base] == scores_of(base, scale)


@given(bases, scales)
@settings(max_examples=at_least(150))
def test_more_is_never_scored_less(base: list[int], scale: int) -> None:
    found = [score for _, score in sorted(zip(base, scores_of(base, scale), strict=True))]

    assert found == sorted(found)
    assert set(found) <= set(range(1, scale + 1))


@given(bases, scales)
@settings(max_examples=at_least(200))
def test_there_are_all_scores_where_there_are_as_many_values_and_as_many_as_values_otherwise(
    base: list[int], scale: int
) -> None:
    assert len(set(scores_of(base, scale))) == min(scale, len(set(base)))


@given(st.sets(st.integers(-1000, 1000), min_size=5, max_size=80), scales)
@settings(max_examples=at_least(150))
def test_without_ties_the_scores_have_equal_parts_of_the_base(base: set[int], scale: int) -> None:
    sizes = Counter(scores_of(list(base), scale)).values()

    assert max(sizes) - min(sizes) <= 1


@given(bases, scales, st.integers(2, 9))
@settings(max_examples=at_least(100))
def test_a_base_of_the_same_shape_has_the_same_cut_points_however_large(
    base: list[int], scale: int, times: int
) -> None:
    assert cut_points(Counter(base * times), scale) == cut_points(Counter(base), scale)


def test_a_base_where_half_bought_once_has_five_scores() -> None:
    orders = [1] * 500 + [2] * 200 + [3] * 100 + [4] * 80 + [5] * 60 + [9] * 60

    assert Counter(scores_of(orders)) == {1: 500, 2: 200, 3: 100, 4: 80, 5: 120}
    assert cut_points(Counter(orders), QUINTILES) == (2, 3, 4, 5)


@pytest.mark.parametrize(
    ("values", "scores"), [([7], [3]), ([7, 8], [1, 5]), ([7, 8, 9], [1, 3, 5]), ([1, 2, 3, 4], [1, 2, 4, 5])]
)
def test_fewer_values_than_scores_are_spread_evenly(values: list[int], scores: list[int]) -> None:
    assert scores_of(values) == scores
    cuts = cut_points(Counter(values), QUINTILES)
    assert (1 + passed(cuts, min(values) - 1), 1 + passed(cuts, max(values) + 1)) == (1, 5)


def test_a_base_of_nobody_has_no_cut_points() -> None:
    with pytest.raises(ValueError, match="nobody"):
        cut_points({5: 0}, QUINTILES)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60), scales)
@settings(max_examples=at_least(150))
def test_fewer_days_of_silence_score_as_more_of_anything_else_does(silence: list[int], scale: int) -> None:
    cuts = cuts_of(Counter(silence), Counter([1]), Counter([1]), scale)
    found = [scored(cuts, silence=days, orders=1, spend=1).recency for days in silence]

    assert found == scores_of([-days for days in silence], scale)
    assert list(cuts.recency) == sorted(cuts.recency)


def test_the_values_that_the_documentation_shows() -> None:
    cuts = Cuts(recency=(8, 31, 92, 190), frequency=(2, 3, 5, 8), monetary=(20_00, 50_00, 120_00, 300_00))

    found = scored(cuts, silence=200, orders=6, spend=450_00)
    assert found == Scores(recency=1, frequency=4, monetary=5)
    assert group(found) == "cant_lose"


def test_every_cell_has_one_group_and_every_group_a_cell() -> None:
    named = {one.name for one in GROUPS}
    cells = [Scores(*cell) for cell in product(range(1, 6), repeat=3)]

    assert len(GROUPS) == len(named)
    assert {group(cell) for cell in cells} == named
    assert (len(GRID), {len(row) for row in GRID}) == (QUINTILES, {QUINTILES})


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ((5, 5, 5), "champions"),
        ((5, 1, 1), "new"),
        ((3, 5, 4), "loyal"),
        ((2, 3, 3), "at_risk"),
        ((1, 5, 5), "cant_lose"),
        ((2, 1, 2), "hibernating"),
        ((1, 1, 1), "lost"),
    ],
)
def test_groups_are_where_the_field_has_them(cell: tuple[int, int, int], name: str) -> None:
    assert group(Scores(*cell)) == name
