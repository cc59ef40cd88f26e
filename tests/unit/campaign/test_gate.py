"""What the gate lets pass."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign import content
from services.campaign.domain.contact import Contact
from services.campaign.domain.decision import Outcome
from services.campaign.domain.gate import (
    PROFILE_PATIENCE,
    STOPPED_LOOK_AGAIN,
    Allowed,
    Candidate,
    Handed,
    Held,
    Refused,
    answerable_from,
    gate,
)
from services.campaign.domain.gate.policy import DEFAULT, Policy, PolicyInForce
from services.campaign.domain.message_definition import Cap, MessageDefinition

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
WELCOME, WIN_BACK = (
    next(message for journey in content.journeys() if journey.id == name for message in journey.messages())
    for name in ("welcome-to-tier", "win-back")
)
WEEKLY: Final = Cap(messages=3, hours=168)
ANN: Final = Contact(UUID(int=1), "ann@example.com", {"email": True}, "Ann")


def candidate(number: int = 1, *, at: datetime = NOON, journey: MessageDefinition = WELCOME) -> Candidate:
    return Candidate(UUID(int=number), journey, f"trigger {number}", at, at, at)


def ask(
    one: Candidate,
    contact: Contact | None = ANN,
    history: list[Handed] | None = None,
    *,
    now: datetime = NOON,
    paused: bool = False,
    stopped: bool = False,
    awaiting: bool = False,
    send_cutoff: datetime | None = None,
    cap: Cap = WEEKLY,
    provider_stopped: bool = False,
    policy: Policy = DEFAULT.policy,
) -> Allowed | Held | Refused:
    found = gate(
        one,
        contact,
        history or [],
        paused=paused,
        stopped=stopped,
        awaiting=awaiting,
        send_cutoff=send_cutoff,
        customer_cap=cap,
        now=now,
        provider_stopped=provider_stopped,
        policy=PolicyInForce(1, policy),
    )
    assert found.evidence is not None
    return msgspec.structs.replace(found, evidence=None)


def handed(one: Candidate, at: datetime) -> Handed:
    return Handed(one.message_id, one.definition.id, one.trigger_id, at, one.definition.step, one.visit)


@given(
    st.lists(st.tuples(st.integers(0, 20 * 24 * 60), st.sampled_from([WELCOME, WIN_BACK])), max_size=40),
    st.builds(Cap, messages=st.integers(1, 4), hours=st.integers(1, 400)),
    st.builds(Cap, messages=st.integers(1, 3), hours=st.integers(1, 100)),
)
def test_whatever_is_asked_for_no_window_holds_more_messages_than_its_cap(
    asked: list[tuple[int, MessageDefinition]], customer_cap: Cap, journey_cap: Cap
) -> None:
    history: list[Handed] = []
    for number, (minute, journey) in enumerate(sorted(asked, key=lambda pair: pair[0])):
        now = NOON + timedelta(minutes=minute)
        one = candidate(number, at=now, journey=msgspec.structs.replace(journey, cap=journey_cap))
        if isinstance(ask(one, history=history, now=now, cap=customer_cap), Allowed):
            history.append(handed(one, now))
    for end in history:
        within = [one for one in history if end.at - customer_cap.window < one.at <= end.at]
        assert len(within) <= customer_cap.messages
        of_journey = [
            one
            for one in history
            if one.journey_id == end.journey_id and end.at - journey_cap.window < one.at <= end.at
        ]
        assert len(of_journey) <= journey_cap.messages


@given(
    st.lists(st.builds(Handed, st.uuids(), st.just("other"), st.text(max_size=3), st.datetimes().map(
        lambda moment: NOON - timedelta(seconds=moment.second + 60 * moment.minute)
    )), min_size=3, max_size=9)
)  # fmt: skip
def test_with_the_cap_full_nothing_passes_whatever_the_history_holds(history: list[Handed]) -> None:
    assert ask(candidate(), history=history) == Refused("customer_cap", Outcome.CAPPED)


def test_a_message_passes_again_when_the_window_has_moved_on() -> None:
    earlier = [handed(candidate(7), NOON - timedelta(hours=24))]
    assert ask(candidate(), history=earlier) == Allowed("ann@example.com")
    later = [handed(candidate(7), NOON - timedelta(hours=24) + timedelta(seconds=1))]
    assert ask(candidate(), history=later) == Refused("journey_cap", Outcome.CAPPED)


def test_one_trigger_passes_once() -> None:
    first = handed(candidate(1), NOON - timedelta(hours=30))
    again = msgspec.structs.replace(candidate(2), trigger_id=first.trigger_id)
    assert ask(again, history=[first]) == Refused("duplicate")


def test_the_same_node_on_another_visit_is_no_duplicate_and_a_run_that_is_over_says_no_more() -> None:
    first = handed(candidate(1), NOON - timedelta(hours=30))
    again = msgspec.structs.replace(candidate(2), trigger_id=first.trigger_id, visit=3)
    assert isinstance(ask(again, history=[first]), Allowed)
    assert ask(msgspec.structs.replace(again, over=True), history=[first]) == Refused("run_over")


def test_a_message_does_not_stand_in_its_own_way() -> None:
    assert ask(candidate(), history=[handed(candidate(), NOON)]) == Allowed("ann@example.com")


def test_a_suppressed_address_gets_nothing_and_its_customers_next_address_does() -> None:
    suppressed = msgspec.structs.replace(ANN, suppressed=("email",))
    assert ask(candidate(), suppressed) == Refused("suppressed")
    assert ask(candidate(), suppressed, provider_stopped=True) == Refused("suppressed")
    assert ask(candidate(), msgspec.structs.replace(ANN, email="new@example.com")) == Allowed("new@example.com")


def test_what_could_leave_waits_while_its_provider_takes_nothing_and_grows_too_old() -> None:
    assert ask(candidate(), provider_stopped=True) == Held(NOON + STOPPED_LOOK_AGAIN, "provider_stop")
    assert ask(candidate(), None, provider_stopped=True, now=NOON + timedelta(hours=25)) == Refused("too_old")


@pytest.mark.parametrize(
    ("contact", "reason"),
    [
        (None, "no_profile"),
        (Contact(UUID(int=1), None, {"email": True}), "no_address"),
        (Contact(UUID(int=1), "ann@example.com", {}), "no_consent"),
        (Contact(UUID(int=1), "ann@example.com", {"sms": True}), "no_consent"),
    ],
)
def test_what_is_not_known_yet_is_waited_for_and_then_refused(contact: Contact | None, reason: str) -> None:
    soon = ask(candidate(), contact)
    assert isinstance(soon, Held)
    assert (soon.reason, soon.until > NOON) == (reason, True)
    assert ask(candidate(), contact, now=NOON + PROFILE_PATIENCE) == Refused(reason)


def test_a_customer_who_said_no_is_refused_at_once() -> None:
    assert ask(candidate(), Contact(UUID(int=1), "ann@example.com", {"email": False})) == Refused("no_consent")


def for_purpose(purpose: str) -> Candidate:
    return candidate(journey=msgspec.structs.replace(WELCOME, purpose=purpose))


def test_consent_is_asked_for_by_channel_and_purpose() -> None:
    news = Contact(UUID(int=1), "ann@example.com", {"email": False, "email:newsletter": True})
    assert ask(for_purpose("newsletter"), news) == Allowed("ann@example.com")
    assert ask(for_purpose("marketing"), news) == Refused("no_consent")
    assert ask(for_purpose("newsletter"), ANN, now=NOON + PROFILE_PATIENCE) == Refused("no_consent")


def test_what_a_customer_has_asked_for_needs_no_consent_but_an_address() -> None:
    refusing = Contact(UUID(int=1), "ann@example.com", {"email": False})
    assert ask(for_purpose("transactional"), refusing) == Allowed("ann@example.com")
    nowhere = Contact(UUID(int=1), None, {"email": True})
    assert ask(for_purpose("transactional"), nowhere, now=NOON + PROFILE_PATIENCE) == Refused("no_address")


def test_a_stop_and_a_pause_hold_until_the_message_is_too_old() -> None:
    for held in (ask(candidate(), stopped=True), ask(candidate(), paused=True)):
        assert isinstance(held, Held)
    late = NOON + WELCOME.max_age + timedelta(seconds=1)
    assert ask(candidate(), stopped=True, now=late) == Refused("too_old")


moments = st.integers(-600, 600).map(lambda minutes: NOON + timedelta(minutes=minutes))


@given(moments, st.none() | moments, st.booleans(), st.booleans())
def test_until_a_restored_ledger_has_its_send_cutoff_nothing_leaves(
    at: datetime, send_cutoff: datetime | None, paused: bool, stopped: bool
) -> None:
    answer = ask(
        candidate(at=at), now=max(at, NOON), send_cutoff=send_cutoff, awaiting=True, paused=paused, stopped=stopped
    )
    assert not isinstance(answer, Allowed)
    if send_cutoff is None or at >= send_cutoff:
        assert isinstance(answer, Held)
        assert answer.reason == "restored"


@given(moments, moments, st.timedeltas(timedelta(), timedelta(days=400)), *[st.booleans()] * 3)
def test_what_could_have_been_answered_before_the_send_cutoff_is_refused_for_ever(
    at: datetime, send_cutoff: datetime, later: timedelta, paused: bool, stopped: bool, awaiting: bool
) -> None:
    one = candidate(at=at)
    answer = ask(one, now=at + later, send_cutoff=send_cutoff, paused=paused, stopped=stopped, awaiting=awaiting)
    if at < send_cutoff:
        assert answer == Refused("too_old" if later > WELCOME.max_age else "before_send_cutoff")
    else:
        assert answer != Refused("before_send_cutoff")


@given(moments, moments)
def test_a_send_cutoff_takes_nothing_from_what_comes_after_it(at: datetime, send_cutoff: datetime) -> None:
    if at >= send_cutoff:
        assert ask(candidate(at=at), now=at, send_cutoff=send_cutoff) == ask(candidate(at=at), now=at)


def test_an_event_counts_from_when_it_was_received_and_a_change_by_time_from_when_it_was_due() -> None:
    late = NOON + timedelta(hours=3)  # told late, or noticed again by a segment that was restored, too
    assert answerable_from(occurred_at=NOON, received_at=late, by_time=False) == late
    assert answerable_from(occurred_at=NOON, received_at=late, by_time=True) == NOON
