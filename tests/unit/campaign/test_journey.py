"""Who enters a journey."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.campaign import content
from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.entering import Entered, Skipped, enter
from services.campaign.domain.journey.triggers import is_by_time, sets_off
from shared.contracts.changes import StageChanged, TierChanged
from shared.contracts.envelope import MAX_CAUSATION_DEPTH, Event, SourceKind

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOURNEYS: Final = {journey.id: journey for journey in content.journeys()}
WELCOME: Final = JOURNEYS["welcome-to-tier"]

ages = st.timedeltas(min_value=timedelta(days=-2), max_value=timedelta(days=1000))
journeys = st.sampled_from(list(JOURNEYS.values()))


def tier_changed(direction: str = "up", current: str = "gold") -> TierChanged:
    assert direction in ("up", "down")
    return TierChanged(
        profile_id=UUID(int=1),
        version=1,
        previous="bronze",
        current=current,
        direction="up" if direction == "up" else "down",
        reason="spend",
    )


def change(*, historical: bool = False, depth: int = 0) -> Event:
    return Event(
        event_id=UUID(int=2),
        source_id="segment",
        source_kind=SourceKind.SERVICE,
        occurred_at=NOON,
        received_at=NOON,
        body=tier_changed(),
        historical=historical,
        depth=depth,
    )


@given(journeys, ages)
def test_a_historical_change_never_enters(journey: Journey, age: timedelta) -> None:
    assert enter(journey, change(historical=True), NOON + age) == Skipped("historical")


@given(journeys, ages, ages)
def test_a_change_that_enters_would_have_entered_earlier(journey: Journey, one: timedelta, other: timedelta) -> None:
    sooner, later = sorted((one, other))
    if isinstance(enter(journey, change(), NOON + later), Entered):
        assert isinstance(enter(journey, change(), NOON + sooner), Entered)


@given(journeys, ages)
def test_a_change_enters_exactly_while_it_is_not_older_than_the_journey_allows(
    journey: Journey, age: timedelta
) -> None:
    assert isinstance(enter(journey, change(), NOON + age), Entered) is (age <= journey.longest_age)


def test_a_change_at_the_end_of_a_chain_of_causes_does_not_enter() -> None:
    assert enter(WELCOME, change(depth=MAX_CAUSATION_DEPTH), NOON) == Skipped("too_deep")
    assert isinstance(enter(WELCOME, change(depth=MAX_CAUSATION_DEPTH - 1), NOON), Entered)


@given(journeys, ages)
def test_a_change_that_somebody_made_by_another_definition_enters_only_where_the_journey_asks_for_it(
    journey: Journey, age: timedelta
) -> None:
    redefined = msgspec.structs.replace(
        change(), body=msgspec.structs.replace(tier_changed(), cause="redefined"), cause_id=None
    )
    asking = msgspec.structs.replace(WELCOME, trigger=msgspec.structs.replace(WELCOME.trigger, redefined=True))

    assert enter(journey, redefined, NOON + age) == Skipped("redefined")
    assert enter(asking, redefined, NOON + age) == enter(asking, change(), NOON + age)


def test_a_tier_of_another_programme_sets_off_only_a_journey_of_that_programme() -> None:
    partners = msgspec.structs.replace(tier_changed(), programme="partners")
    trigger = msgspec.structs.replace(WELCOME.trigger, programme="partners")

    assert not sets_off(WELCOME.trigger, partners)
    assert sets_off(trigger, partners)


def test_a_trigger_without_what_is_new_is_written_as_before() -> None:
    assert b"redefined" not in msgspec.json.encode(WELCOME)
    assert b"programme" not in msgspec.json.encode(WELCOME)


def test_only_a_rise_to_a_named_tier_sets_off_the_welcome() -> None:
    assert sets_off(WELCOME.trigger, tier_changed())
    assert not sets_off(WELCOME.trigger, tier_changed(direction="down"))
    assert not sets_off(WELCOME.trigger, tier_changed(current="bronze"))


def test_only_the_stage_at_risk_sets_off_the_win_back() -> None:
    trigger = JOURNEYS["win-back"].trigger
    for stage in ("prospect", "new", "active", "loyal", "at_risk", "churned", "returning"):
        changed = StageChanged(profile_id=UUID(int=1), version=1, previous=None, current=stage, reason="silence")
        assert sets_off(trigger, changed) is (stage == "at_risk")
    assert not sets_off(trigger, tier_changed())


def test_a_change_by_time_says_so_and_one_of_before_that_was_said_has_no_cause() -> None:
    caused = msgspec.structs.replace(change(), cause_id=UUID(int=3))
    passed = msgspec.structs.replace(caused, body=msgspec.structs.replace(tier_changed(), by_time=True))
    assert [is_by_time(one) for one in (caused, passed, change())] == [False, True, True]
