"""Where a customer stands is a function of orders and a moment, and says when it must be asked again."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.standing import (
    DEFAULT_POLICY,
    SCORES,
    InvalidPolicy,
    Purchase,
    Stage,
    Standing,
    Tier,
    standing,
    validate,
)
from tests.support.events import NOON, days
from tests.support.examples import at_least

MICROSECOND = timedelta(microseconds=1)
WINDOW = days(365)

ages = st.one_of(
    st.integers(-10, 800).map(days),
    st.floats(-10, 800, allow_nan=False).map(days),
    st.sampled_from([0, 30, 90, 180, 365]).map(days),
)
many_purchases = st.lists(
    st.builds(lambda age, net: Purchase(NOON - age, net), ages, st.integers(-50_00, 600_00)), max_size=9
)
fractions = st.floats(0, 1, exclude_max=True)


def at(purchases: list[Purchase], now: datetime = NOON) -> Standing:
    """The standing under the default policy."""
    return standing(DEFAULT_POLICY, purchases, now)


def bought(*ages_days: float, net: int = 10_00) -> list[Purchase]:
    """Orders this many days ago."""
    return [Purchase(NOON - days(age), net) for age in ages_days]


def without_reasons(one: Standing) -> Standing:
    return msgspec.structs.replace(one, tier_reason="", stage_reason="")


@given(many_purchases, st.lists(fractions, min_size=1, max_size=5))
@settings(max_examples=at_least(100))
def test_between_two_due_instants_nothing_changes(purchases: list[Purchase], moments: list[float]) -> None:
    now = NOON
    for _ in range(4):
        here = at(purchases, now)
        if here.due_at is None:
            assert without_reasons(at(purchases, now + days(4000))) == without_reasons(here)
            return
        for part in moments:
            between = now + (here.due_at - now) * part
            assert without_reasons(at(purchases, min(between, here.due_at - MICROSECOND))) == without_reasons(here)
        now = here.due_at


@given(many_purchases, fractions)
def test_between_two_due_instants_the_stored_reasons_stay_true(purchases: list[Purchase], part: float) -> None:
    here = at(purchases)
    until = here.due_at or NOON + days(4000)

    between = min(NOON + (until - NOON) * part, until - MICROSECOND)
    later = at(purchases, between)
    assert (later.tier_reason, later.stage_reason) == (here.tier_reason, here.stage_reason)


@given(many_purchases, st.integers(0, 1000).map(days))
def test_stepping_through_every_due_instant_ends_where_looking_once_at_the_end_does(
    purchases: list[Purchase], ahead: timedelta
) -> None:
    end = NOON + ahead
    here, steps = at(purchases), 0
    while here.due_at is not None and here.due_at <= end:
        here, steps = at(purchases, here.due_at), steps + 1
        assert steps < 200

    assert without_reasons(here) == without_reasons(at(purchases, end))


@given(many_purchases)
def test_the_due_instant_is_always_ahead(purchases: list[Purchase]) -> None:
    now = NOON
    while (due := at(purchases, now).due_at) is not None:
        assert due > now
        now = due


@given(many_purchases, st.data())
def test_the_order_of_purchases_does_not_matter(purchases: list[Purchase], data: st.DataObject) -> None:
    assert at(data.draw(st.permutations(purchases))) == at(purchases)


@given(many_purchases)
def test_scores_run_from_one_to_five_and_are_none_before_the_first_order(purchases: list[Purchase]) -> None:
    here = at(purchases)

    if any(one.placed_at <= NOON for one in purchases):
        assert {here.recency, here.frequency, here.monetary} <= set(SCORES)
    else:
        assert {here.recency, here.frequency, here.monetary} == {None}
        assert here.stage is Stage.PROSPECT


@given(many_purchases)
def test_an_order_of_the_future_counts_only_when_its_time_has_come(purchases: list[Purchase]) -> None:
    past = [one for one in purchases if one.placed_at <= NOON]

    assert msgspec.structs.replace(at(purchases), due_at=None) == msgspec.structs.replace(at(past), due_at=None)


def test_an_order_counts_for_the_tier_until_exactly_the_window_after_it() -> None:
    purchases = [Purchase(NOON, 100_00)]

    assert at(purchases, NOON).tier == "silver"
    assert at(purchases, NOON + WINDOW - MICROSECOND).tier == "silver"
    assert at(purchases, NOON + WINDOW).tier == "bronze"
    assert at(purchases, NOON - MICROSECOND).tier == "bronze"


@pytest.mark.parametrize(
    ("spend", "tier"),
    [
        (-1, "bronze"),
        (0, "bronze"),
        (99_99, "bronze"),
        (100_00, "silver"),
        (249_99, "silver"),
        (250_00, "gold"),
        (999_99, "gold"),
        (1_000_00, "diamond"),
    ],
)
def test_a_tier_begins_exactly_at_its_amount(spend: int, tier: str) -> None:
    assert at(bought(0, net=spend)).tier == tier


@pytest.mark.parametrize(
    ("silence", "stage"),
    [
        (days(90) - MICROSECOND, Stage.ACTIVE),
        (days(90), Stage.AT_RISK),
        (days(180) - MICROSECOND, Stage.AT_RISK),
        (days(180), Stage.CHURNED),
    ],
)
def test_silence_changes_the_stage_exactly_at_90_and_180_days(silence: timedelta, stage: Stage) -> None:
    assert at([Purchase(NOON, 10_00)], NOON + silence).stage is stage


@pytest.mark.parametrize(
    ("orders", "stage"),
    [
        ([], Stage.PROSPECT),
        ([0], Stage.NEW),
        ([29.999], Stage.NEW),
        ([30], Stage.ACTIVE),
        ([1, 2], Stage.ACTIVE),
        ([1, 2, 3], Stage.ACTIVE),
        ([1, 2, 3, 4], Stage.LOYAL),
        ([1, 2, 3, 4, 80], Stage.LOYAL),
        ([1, 91], Stage.RETURNING),
        ([1, 90.9], Stage.ACTIVE),
        ([1, 91, 92, 93, 94], Stage.RETURNING),
        ([95, 96, 97, 98], Stage.AT_RISK),
        ([200, 1], Stage.RETURNING),
        ([200, 201, 202, 203, 204], Stage.CHURNED),
    ],
)
def test_orders_make_the_stage(orders: list[float], stage: Stage) -> None:
    assert at(bought(*orders)).stage is stage


@pytest.mark.parametrize(("age", "score"), [(0, 5), (29, 5), (30, 4), (90, 3), (180, 2), (365, 1), (9999, 1)])
def test_recency_scores_by_days(age: int, score: int) -> None:
    assert at(bought(age)).recency == score


@pytest.mark.parametrize(("orders", "score"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (8, 5), (80, 5)])
def test_frequency_scores_by_orders_in_the_window(orders: int, score: int) -> None:
    assert at([*bought(*range(orders)), *bought(400, 500)]).frequency == score


@pytest.mark.parametrize(("net", "score"), [(-5, 1), (0, 1), (50_00, 2), (100_00, 3), (250_00, 4), (1_000_00, 5)])
def test_monetary_scores_by_spend_in_the_window(net: int, score: int) -> None:
    assert at([*bought(1, net=net), *bought(400, net=9_999_00)]).monetary == score


def test_a_customer_without_orders_waits_for_nothing() -> None:
    assert at([]).due_at is None


def test_a_tier_that_the_policy_does_not_have_ranks_below_all() -> None:
    assert DEFAULT_POLICY.rank("bronze") == 0
    assert DEFAULT_POLICY.rank("platinum") == -1


def test_the_default_policy_is_valid() -> None:
    validate(DEFAULT_POLICY)


@pytest.mark.parametrize(
    "changes",
    [
        {"tiers": ()},
        {"tiers": (Tier(name="silver", from_minor=1),)},
        {"tiers": (Tier(name="a", from_minor=0), Tier(name="b", from_minor=5), Tier(name="c", from_minor=5))},
        {"tiers": (Tier(name="a", from_minor=0), Tier(name="b", from_minor=9), Tier(name="c", from_minor=5))},
        {"tiers": (Tier(name="a", from_minor=0), Tier(name="a", from_minor=9))},
        {"tiers": (Tier(name="", from_minor=0),)},
        {"at_risk_days": 0},
        {"at_risk_days": -1},
        {"at_risk_days": 180},
        {"churned_days": 90},
        {"recency_cuts": (30, 30, 180, 365)},
        {"frequency_cuts": (5, 4, 3, 2)},
        {"monetary_cuts": (1, 2, 2, 3)},
        {"tier_window_days": 0},
        {"tier_window_days": -365},
        {"new_days": -1},
        {"loyal_orders": 0},
        {"currency": ""},
    ],
    ids=str,
)
def test_a_policy_that_can_not_be_meant_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy, match=next(iter(changes))):
        validate(msgspec.structs.replace(DEFAULT_POLICY, **changes))


def test_what_is_in_another_currency_is_said_to_be_not_counted() -> None:
    bought = [Purchase(NOON, 30_00), Purchase(NOON, 0, "EUR", 2_000_00), Purchase(NOON, 0, "EUR", 5_00)]

    found = standing(DEFAULT_POLICY, bought, NOON)
    assert (found.window_spend_minor, found.orders) == (30_00, 3)
    assert found.tier_reason == "3000 minor units of USD in 365 days; not counted: 200500 of EUR"
