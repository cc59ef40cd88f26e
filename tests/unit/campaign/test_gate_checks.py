"""What the checks by policy and by platform have against a message, and what decisions keep of it."""

import re
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.settings import CHECKOUT
from services.campaign.domain.contact import Contact
from services.campaign.domain.decision import Evidence, Outcome
from services.campaign.domain.gate import CHECKS, Allowed, Candidate, Handed, Held, Refused, gate
from services.campaign.domain.gate.policy import Policy, PolicyInForce, read
from services.campaign.domain.gate.priority import in_order
from services.campaign.domain.message_definition import Cap, MessageDefinition
from shared.calendars.zones import local_date

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
CAP: Final = Cap(messages=3, hours=168)
CONSENT: Final = {"email": True, "sms": True}
ANN: Final = Contact(UUID(int=1), "ann@example.com", CONSENT, phone="+8613800000000", time_zone="Asia/Shanghai")
NEWS: Final = MessageDefinition(id="news", version=1, template="news", max_age=timedelta(days=365))


def policy(**fields: Any) -> Policy:
    found = read(fields)
    assert isinstance(found, Policy), found
    return found


def definition(name: str = "news", **changes: Any) -> MessageDefinition:
    return msgspec.structs.replace(NEWS, id=name, **changes)


def candidate(number: int = 1, of: MessageDefinition = NEWS, at: datetime = NOON) -> Candidate:
    return Candidate(UUID(int=number), of, f"trigger {number}", at, at, at)


def handed(one: Candidate, at: datetime, *, claimed: bool = False) -> Handed:
    of = one.definition
    return Handed(
        one.message_id, of.id, one.trigger_id, at, channel=of.channel, purpose=of.purpose, template=of.template,
        claimed=claimed,
    )  # fmt: skip


def ask(
    one: Candidate,
    by: Policy,
    history: list[Handed] | None = None,
    *,
    now: datetime = NOON,
    contact: Contact = ANN,
) -> Allowed | Held | Refused:
    return gate(
        one,
        contact,
        history or [],
        paused=False,
        stopped=False,
        awaiting=False,
        send_cutoff=None,
        customer_cap=CAP,
        now=now,
        policy=PolicyInForce(7, by),
    )


def answer(*args: Any, **more: Any) -> Allowed | Held | Refused:
    return msgspec.structs.replace(ask(*args, **more), evidence=None)


def test_every_check_has_a_name_of_its_own_and_the_page_lists_them_in_their_order() -> None:
    names = [one.name for one in CHECKS]
    page = (CHECKOUT / "docs" / "campaign-gate.md").read_text().partition("## The policy")[0]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == names
    assert len(set(names)) == len(names)


def test_a_message_waits_for_the_end_of_quiet_hours_where_the_customer_is() -> None:
    night = policy(quiet_hours=[{"start": "22:00", "end": "08:00"}])
    in_shanghai = datetime(2026, 3, 1, 15, tzinfo=UTC)  # 23:00 there
    assert answer(candidate(), night, now=in_shanghai) == Held(datetime(2026, 3, 2, tzinfo=UTC), "quiet_hours")
    assert isinstance(answer(candidate(), night, now=datetime(2026, 3, 2, tzinfo=UTC)), Allowed)
    elsewhere = msgspec.structs.replace(ANN, time_zone="Europe/London")
    assert isinstance(answer(candidate(), night, now=in_shanghai, contact=elsewhere), Allowed)
    unknown = msgspec.structs.replace(ANN, time_zone="")
    there = msgspec.structs.replace(night, time_zone="Asia/Shanghai")
    assert isinstance(answer(candidate(), there, now=in_shanghai, contact=unknown), Held)


def test_quiet_hours_skip_where_the_policy_says_so_are_of_channels_and_spare_what_was_asked_for() -> None:
    hours = {"start": "12:00", "end": "21:00"}
    assert answer(candidate(), policy(quiet_hours=[hours | {"then": "skip"}])) == Refused("quiet_hours")
    assert isinstance(answer(candidate(), policy(quiet_hours=[hours | {"channels": ["sms"]}])), Allowed)
    receipt = candidate(of=definition(purpose="transactional"))
    assert isinstance(answer(receipt, policy(quiet_hours=[hours])), Allowed)


@given(
    st.integers(0, 365 * 24 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes)),
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Shanghai", "Australia/Lord_Howe"]),
    st.tuples(st.times(), st.times()).map(lambda pair: tuple(f"{one:%H:%M}" for one in pair)),
)
@settings(max_examples=60)
def test_a_message_in_quiet_hours_is_held_until_later_and_leaves_within_two_looks(
    now: datetime, zone: str, hours: tuple[str, str]
) -> None:
    if hours[0] == hours[1]:
        return
    there = msgspec.structs.replace(ANN, time_zone=zone)
    quiet = policy(quiet_hours=[{"start": hours[0], "end": hours[1]}])
    for _ in range(3):
        found = ask(candidate(at=now), quiet, now=now, contact=there)
        if isinstance(found, Allowed):
            return
        assert isinstance(found, Held)
        assert now < found.until <= now + timedelta(hours=25)
        now = found.until
    pytest.fail("it was held three times")


def test_the_strictest_rule_wins_and_each_counts_its_own() -> None:
    rules = policy(
        frequency=[
            {"name": "all", "messages": 5, "hours": 24},
            {"name": "sms", "messages": 1, "hours": 24, "channels": ["sms"]},
            {"name": "offers", "messages": 1, "hours": 24, "purposes": ["offers"]},
            {"name": "weekly", "messages": 1, "hours": 24, "definitions": ["weekly"]},
        ]
    )
    history = [handed(candidate(9, definition("weekly")), NOON - HOUR)]
    assert answer(candidate(of=definition("weekly")), rules, history) == Refused("frequency/weekly", Outcome.CAPPED)
    assert isinstance(answer(candidate(), rules, history), Allowed)
    history.append(handed(candidate(8, definition(channel="sms")), NOON - 2 * HOUR))
    text = candidate(of=definition(channel="sms"))
    assert answer(text, rules, history) == Refused("frequency/sms", Outcome.CAPPED)


def test_what_was_asked_for_is_exempt_and_counted_apart() -> None:
    receipt = definition("receipt", purpose="transactional")
    both = policy(
        frequency=[
            {"name": "all", "messages": 1, "hours": 24},
            {"name": "receipts", "messages": 2, "hours": 24, "purposes": ["transactional"]},
        ]
    )
    history = [handed(candidate(9, receipt), NOON - HOUR)]
    assert isinstance(answer(candidate(), both, history), Allowed), "a receipt takes no room from news"
    history.append(handed(candidate(8), NOON - HOUR))
    assert isinstance(answer(candidate(of=receipt), both, history), Allowed), "and news none from receipts"
    history.append(handed(candidate(7, receipt), NOON - HOUR))
    assert answer(candidate(of=receipt), both, history) == Refused("frequency/receipts", Outcome.CAPPED)


def test_a_day_of_the_calendar_is_the_customers_and_a_full_rule_may_hold_until_there_is_room() -> None:
    daily = policy(frequency=[{"name": "daily", "messages": 1, "days": 1, "when_full": "hold"}])
    at_eleven_pm = datetime(2026, 3, 1, 15, tzinfo=UTC)
    midnight = datetime(2026, 3, 1, 16, tzinfo=UTC)
    history = [handed(candidate(9), at_eleven_pm)]
    assert answer(candidate(), daily, history, now=at_eleven_pm) == Held(midnight, "frequency/daily")
    assert isinstance(answer(candidate(), daily, history, now=midnight), Allowed)
    rolling = policy(frequency=[{"name": "daily", "messages": 2, "hours": 24, "when_full": "hold"}])
    history = [handed(candidate(n), NOON - n * HOUR) for n in (5, 4, 3)]
    assert answer(candidate(), rolling, history) == Held(NOON + 20 * HOUR, "frequency/daily")


def test_the_settings_cap_holds_until_a_policy_has_rules() -> None:
    history = [handed(candidate(n), NOON - HOUR) for n in (7, 8, 9)]
    assert answer(candidate(), policy(), history) == Refused("customer_cap", Outcome.CAPPED)
    assert isinstance(answer(candidate(), policy(frequency=[]), history), Allowed)


def test_holdouts_take_their_share_the_same_customers_each_time_and_the_global_one_rotates() -> None:
    held = policy(holdouts={"news": {"percent": 10, "salt": "a"}})
    standing = policy(global_holdout={"percent": 10, "salt": "a", "rotates": "quarter"})
    people = [msgspec.structs.replace(ANN, profile_id=UUID(int=n)) for n in range(2_000)]

    def out(by: Policy, now: datetime, of: MessageDefinition = NEWS) -> set[UUID]:
        return {
            one.profile_id
            for one in people
            if isinstance(answer(candidate(of=of, at=now), by, now=now, contact=one), Refused)
        }

    assert 140 < len(out(held, NOON)) < 260
    assert out(held, NOON) == out(held, NOON + timedelta(days=200))
    assert out(held, NOON, definition("other")) == set()
    first = out(standing, NOON)
    assert first == out(standing, NOON + timedelta(days=25), definition("other"))
    assert first != out(standing, NOON + timedelta(days=45))
    assert out(standing, NOON, definition(purpose="transactional")) == set()


def test_one_template_comes_again_only_after_the_days_of_the_policy() -> None:
    week = policy(same_content_days=7)
    history = [handed(candidate(9, definition("other")), NOON - timedelta(days=6))]
    assert answer(candidate(), week, history) == Refused("same_content")
    assert isinstance(answer(candidate(of=definition(template="else")), week, history), Allowed)
    assert isinstance(answer(candidate(), week, history, now=NOON + timedelta(days=1)), Allowed)


def test_promotion_by_sms_leaves_by_day_and_within_the_carriers_caps_and_notices_at_any_hour() -> None:
    offer, notice = definition(channel="sms"), definition(channel="sms", purpose="transactional")
    at_ten_pm, at_eight_am = datetime(2026, 3, 1, 14, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    assert answer(candidate(of=offer), policy(), now=at_ten_pm) == Held(at_eight_am, "platform/sms-promotion")
    assert isinstance(answer(candidate(of=offer), policy(), now=at_eight_am), Allowed)
    assert isinstance(answer(candidate(of=notice), policy(), now=at_ten_pm), Allowed)
    history = [handed(candidate(9, offer), NOON - HOUR / 2)]
    assert answer(candidate(of=offer), policy(), history) == Held(NOON + HOUR / 2, "platform/sms-promotion-hour")
    assert isinstance(answer(candidate(of=notice), policy(), history), Allowed)


def test_who_lost_to_a_higher_priority_is_told_so() -> None:
    ranked = policy(priorities={"urgent": 10}, frequency=[{"name": "one", "messages": 1, "hours": 24}])
    winner = handed(candidate(9, definition("urgent")), NOON, claimed=True)
    assert answer(candidate(), ranked, [winner]) == Refused("lost_to/urgent", Outcome.CAPPED)
    before = msgspec.structs.replace(winner, claimed=False)
    assert answer(candidate(), ranked, [before]) == Refused("frequency/one", Outcome.CAPPED)


def test_a_decision_keeps_the_policy_the_check_the_counts_and_the_propensity() -> None:
    by = policy(
        frequency=[{"name": "one", "messages": 1, "hours": 24}, {"name": "sms", "messages": 1, "days": 1,
                   "channels": ["sms"]}],
        holdouts={"news": {"percent": 0, "salt": "a"}, "other": {"percent": 50, "salt": "a"}},
        priorities={"news": 3},
    )  # fmt: skip
    passed, capped = ask(candidate(), by), ask(candidate(), by, [handed(candidate(9), NOON)])
    assert passed.evidence == Evidence(policy=7, rules={"one": 0}, propensity=1.0, priority=3)
    assert capped.evidence == Evidence(policy=7, check="frequency", rules={"one": 1}, propensity=1.0, priority=3)
    gone = ask(candidate(), by, contact=msgspec.structs.replace(ANN, suppressed=("email",)))
    assert gone.evidence == Evidence(policy=7, check="suppressed", priority=3)


@pytest.mark.parametrize(
    ("document", "at"),
    [
        ({"time_zone": "Asia/Shanghia"}, "/time_zone"),
        ({"quiet_hours": [{"start": "25:00", "end": "08:00"}]}, "/quiet_hours/0/start"),
        ({"quiet_hours": [{"start": "08:00", "end": "08:00"}]}, "/quiet_hours/0/end"),
        ({"frequency": [{"name": "a", "messages": 1}]}, "/frequency/0"),
        ({"frequency": [{"name": "a", "messages": 1, "hours": 1, "days": 1}]}, "/frequency/0"),
        ({"frequency": [{"name": "a", "messages": 0, "hours": 1}]}, "/frequency/0/messages"),
        ({"frequency": [{"name": "a", "messages": 1, "hours": 1}] * 2}, "/frequency/1/name"),
        ({"holdouts": {"news": {"percent": 101, "salt": "a"}}}, "/holdouts/news/percent"),
        ({"priorities": {"news": "high"}}, "/priorities/news"),
        ({"nonsense": 1}, ""),
    ],
)
def test_what_is_wrong_with_a_policy_is_told_with_its_place(document: dict[str, Any], at: str) -> None:
    found = read(document)
    assert isinstance(found, list)
    assert [one.at for one in found] == [at]


names = st.sampled_from(["news", "urgent", "receipt"])
steps = st.tuples(st.integers(0, 4 * 24 * 60), names, st.sampled_from(["email", "sms"]))
rules = st.fixed_dictionaries({"messages": st.integers(1, 3)}) | st.fixed_dictionaries(
    {"messages": st.integers(1, 3), "channels": st.sampled_from([["sms"], ["email"]])}
)


@given(st.lists(steps, max_size=25), rules, st.integers(1, 60), rules, st.integers(1, 3))
@settings(max_examples=60)
def test_in_whatever_order_clocks_run_no_window_and_no_day_holds_more_than_its_rule(
    asked: list[tuple[int, str, str]], rolling: dict[str, Any], hours: int, daily: dict[str, Any], days: int
) -> None:
    by = policy(
        frequency=[rolling | {"name": "rolling", "hours": hours}, daily | {"name": "daily", "days": days}],
        priorities={"urgent": 5},
    )
    history: list[Handed] = []
    for number, (minute, name, channel) in enumerate(asked):  # not sorted: clocks of senders differ
        now = NOON + timedelta(minutes=minute)
        one = candidate(number, definition(name, channel=channel, template=str(number)), at=now)
        if isinstance(ask(one, by, history, now=now), Allowed):
            history.append(handed(one, now))
    for end in history:
        today = local_date(end.at, "Asia/Shanghai")
        of_rolling = [one for one in history if one.channel in rolling.get("channels", ["sms", "email"])]
        of_daily = [one for one in history if one.channel in daily.get("channels", ["sms", "email"])]
        within = [one for one in of_rolling if end.at - hours * HOUR < one.at <= end.at]
        days_of = [
            one for one in of_daily if today - timedelta(days=days) < local_date(one.at, "Asia/Shanghai") <= today
        ]
        assert len(within) <= rolling["messages"]
        assert len(days_of) <= daily["messages"]


@given(st.lists(st.sampled_from(["urgent", "news", "late"]), min_size=1, max_size=5), st.integers(1, 4))
@settings(max_examples=25)
def test_however_one_claim_is_shuffled_the_caps_hold_and_the_highest_priorities_win(due: list[str], room: int) -> None:
    ranked = policy(priorities={"urgent": 10, "late": -10}, frequency=[{"name": "one", "messages": room, "hours": 24}])
    best = sorted(due, key=ranked.priority, reverse=True)[:room]
    for order in permutations([candidate(n, definition(name)) for n, name in enumerate(due)]):
        history: list[Handed] = []
        for one in in_order(order, ranked, definition_id=lambda one: one.definition.id):
            if isinstance(ask(one, ranked, history), Allowed):
                history.append(handed(one, NOON, claimed=True))
        assert sorted(one.journey_id for one in history) == sorted(best)
