"""Versions of the base's statistics, and standings by them."""

from collections import Counter
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain import abc, rfm, scores
from services.segment.domain.abc import AbcRule
from services.segment.domain.scores import ScoreCuts, ScoredBase
from services.segment.domain.standing import DEFAULT_POLICY, Purchase, standing
from tests.support.events import NOON, days
from tests.support.examples import at_least

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)

purchases = st.lists(
    st.builds(lambda age, net: Purchase(NOON - days(age), net), st.floats(0, 800), st.integers(-50_00, 600_00)),
    max_size=9,
)
small = st.lists(st.integers(0, 600), min_size=1, max_size=30)


def base(customers: int = 200, rhythm: int = 40) -> ScoredBase:
    """So many customers, no two alike, of one rhythm."""
    return ScoredBase(
        silence=Counter(range(customers)),
        orders=Counter(range(1, customers + 1)),
        spend=Counter(range(0, 100 * customers, 100)),
        revenue=Counter(range(0, 100 * customers, 100)),
        rhythm=Counter({rhythm: customers}),
    )


def taken(
    newest: ScoreCuts | None = None, now: datetime = NOON, first: datetime | None = None, rhythm: int = 40
) -> ScoreCuts:
    made = scores.take(base(rhythm=rhythm), newest, now, first=first, currency="USD")
    assert made is not None
    return made


cuts_of_some_base = st.builds(
    lambda silence, orders, spend: msgspec.structs.replace(
        taken(),
        quintiles=rfm.cuts_of(Counter(silence), Counter(orders), Counter(spend), 5),
        bounds=abc.bounds(Counter(spend)),
    ),
    small,
    small,
    small,
)


@given(purchases, cuts_of_some_base, st.one_of(st.none(), st.integers(1, 400)), st.floats(0, 1))
@settings(max_examples=at_least(100))
def test_between_two_due_instants_nothing_changes_by_any_version(
    bought: list[Purchase], cuts: ScoreCuts, shop: int | None, part: float
) -> None:
    now = NOON
    for _ in range(5):
        here = standing(DEFAULT_POLICY, bought, now, cuts=cuts, shop_rhythm=shop)
        until = here.due_at or now + days(4000)
        between = min(now + (until - now) * part, until - MICROSECOND)
        assert standing(DEFAULT_POLICY, bought, between, cuts=cuts, shop_rhythm=shop) == here
        if here.due_at is None:
            return
        now = here.due_at


@given(purchases, cuts_of_some_base, st.data())
@settings(max_examples=at_least(100))
def test_scores_of_rfm_are_a_function_of_the_set_of_orders_and_the_version_whatever_the_time(
    bought: list[Purchase], cuts: ScoreCuts, data: st.DataObject
) -> None:
    later = data.draw(st.integers(0, 2000).map(days))
    ours = standing(DEFAULT_POLICY, bought, NOON, cuts=cuts)
    theirs = standing(DEFAULT_POLICY, data.draw(st.permutations(bought)), NOON + later, cuts=cuts)

    assert (ours.recency, ours.frequency, ours.monetary) == (theirs.recency, theirs.frequency, theirs.monetary)
    assert ours.rfm_group == theirs.rfm_group


def test_a_base_below_a_hundred_customers_has_no_version() -> None:
    assert scores.take(base(99), None, NOON, first=None, currency="USD") is None
    assert taken().version == 1


@pytest.mark.parametrize(
    ("age", "interval"), [(0, MINUTE), (1, MINUTE), (2, 2 * MINUTE), (30, 30 * MINUTE), (300, 60 * MINUTE)]
)
def test_versions_are_taken_less_often_the_longer_the_base_has_stood(age: int, interval: timedelta) -> None:
    newest = taken(now=NOON + age * MINUTE)

    assert not scores.due(NOON, newest, newest.taken_at + interval - MICROSECOND, currency="USD")
    assert scores.due(NOON, newest, newest.taken_at + interval, currency="USD")


def test_another_currency_rule_or_grid_is_due_at_once() -> None:
    newest = taken()

    assert not scores.due(NOON, newest, NOON, currency="USD")
    assert scores.due(NOON, newest, NOON, currency="EUR")
    assert scores.due(NOON, msgspec.structs.replace(newest, groups_version=0), NOON, currency="USD")
    assert scores.due(NOON, msgspec.structs.replace(newest, abc_rule=AbcRule(a_percent=70)), NOON, currency="USD")


def test_the_rhythm_is_looked_at_a_day_after_the_first_version_and_then_once_a_day() -> None:
    early = taken(taken(), NOON + days(0.9), NOON)
    first = taken(early, NOON + days(1), NOON)
    same_day = taken(first, NOON + days(1.5), NOON, rhythm=80)
    next_day = taken(same_day, NOON + days(2), NOON, rhythm=80)
    moved_little = taken(next_day, NOON + days(3), NOON, rhythm=84)

    found = [(one.version, one.rhythm_days) for one in (early, first, same_day, next_day, moved_little)]
    assert found == [(2, None), (3, 40), (4, 40), (5, 80), (6, 80)]
    since = [one.rhythm_since for one in (early, first, same_day, next_day, moved_little)]
    assert since == [None, NOON + days(1), NOON + days(1), NOON + days(2), NOON + days(2)]


def test_an_order_after_the_version_is_the_most_recent() -> None:
    cuts = taken()
    here = standing(DEFAULT_POLICY, [Purchase(NOON + days(5), 1)], NOON + days(6), cuts=cuts)

    assert here.recency == 5
