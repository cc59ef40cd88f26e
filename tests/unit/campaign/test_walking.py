"""How runs walk through journeys: where they go, where they wait, and what is done for them on the way."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from services.campaign.domain.journey import former, schema
from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.exits import exit_by
from services.campaign.domain.journey.nodes.node import Known
from services.campaign.domain.journey.nodes.split import BUCKETS, bucket
from services.campaign.domain.journey.rehearsal import Rehearsed, rehearse
from services.campaign.domain.journey.run import TIMER, Cause, Customer, Run, RunState, Send, Signal
from services.campaign.domain.journey.signals import awaited
from services.campaign.domain.journey.validation import problems
from services.campaign.domain.journey.walking import Advanced, advance
from shared.contracts.changes import SegmentEntered, SegmentExited
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body, ConsentChanged, CustomEvent

NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
HOUR: Final = timedelta(hours=1)
DOCS: Final = Path(__file__).resolve().parents[3] / "docs"
KNOWN: Final = Known(
    templates={"hello": frozenset({"en", "zh"}), "again": frozenset({"en"})},
    channels=frozenset({"email"}),
    languages=frozenset({"en", "zh"}),
)


def journey(nodes: Mapping[str, Any], *, start: str = "a", **more: Any) -> Journey:
    return former.journey_of(
        {
            "id": "test",
            "version": 1,
            "name": {"en": "Test", "zh": "测试"},
            "trigger": {"type": "event", "event": "cart_updated"},
            "start": start,
            "nodes": nodes,
            **more,
        }
    )


def run(**more: Any) -> Run:
    cause = Cause(id=UUID(int=2), occurred_at=NOON, received_at=NOON)
    fresh = Run(
        id=UUID(int=1),
        journey_id="test",
        version=1,
        profile_id=UUID(int=7),
        entry_key="k",
        trigger_id="t",
        triggered_at=NOON,
        cause=cause,
        entered_at=NOON,
        waiting_since=NOON,
        data={"event": {"cart_id": "c-1"}},
    )
    return structs.replace(fresh, **more)


def begun(of: Journey, customer: Customer | None = None) -> Advanced:
    return advance(of, run(), TIMER, customer or Customer(), NOON)


def event(body: Body, at: datetime = NOON + HOUR) -> Event:
    return Event(
        event_id=UUID(int=9),
        source_id="shop",
        source_kind=SourceKind.SERVER,
        occurred_at=at,
        received_at=at,
        body=body,
        profile_id=UUID(int=7),
    )


def ways(advanced: Advanced) -> Sequence[tuple[str, str]]:
    return [(step.node, step.outcome) for step in advanced.steps]


def test_a_run_goes_on_until_it_waits_and_then_to_the_end() -> None:
    walked = journey({"a": {"type": "go_to", "next": "b"}, "b": {"type": "wait", "time": "P3D"}})
    waits = begun(walked)
    assert (waits.state, waits.run.node, waits.run.visit, waits.run.due_at) == (
        RunState.ACTIVE,
        "b",
        2,
        NOON + timedelta(days=3),
    )

    ends = advance(walked, waits.run, TIMER, Customer(), NOON + timedelta(days=3))
    assert (ends.state, ends.reason, ends.run.due_at) == (RunState.FINISHED, "finished", None)
    assert ways(waits) == [("a", "next"), ("b", "waits")]
    assert ways(ends) == [("b", "next"), ("b", "ended")]


def test_what_time_moves_is_as_old_as_the_moment_at_which_it_was_due() -> None:
    walked = journey(
        {"a": {"type": "wait", "time": "PT1H", "next": "b"}, "b": {"type": "message", "template": "hello"}}
    )
    late = advance(walked, begun(walked).run, TIMER, Customer(), NOON + 5 * HOUR)
    assert (late.run.cause.occurred_at, late.run.cause.by_time) == (NOON + HOUR, True)
    assert late.effects == (Send("b", 2),)


@pytest.mark.parametrize(("hours", "port"), [(2, "next"), (4, "too_late")])
def test_a_run_that_is_moved_long_after_it_was_due_takes_the_way_for_that(hours: int, port: str) -> None:
    walked = journey(
        {"a": {"type": "wait", "time": "PT1H", "too_late": "PT2H", "next": "b"}, "b": {"type": "exit", "reason": "ok"}}
    )
    late = advance(walked, begun(walked).run, TIMER, Customer(), NOON + hours * HOUR)
    assert late.steps[0].outcome == port


@pytest.mark.parametrize(
    ("came", "state", "reason", "node"),
    [
        ("sent", RunState.FINISHED, "thanked", "b"),
        ("unknown: sender_lost", RunState.FINISHED, "thanked", "b"),
        ("refused: customer_cap", RunState.EXITED, "not sent: customer_cap", "a"),
        ("failed", RunState.EXITED, "not sent: failed", "a"),
    ],
)
def test_a_message_that_is_not_sent_never_passes_for_one_that_was(
    came: str, state: RunState, reason: str, node: str
) -> None:
    walked = journey(
        {"a": {"type": "message", "template": "hello", "next": "b"}, "b": {"type": "exit", "reason": "thanked"}}
    )
    ended = advance(walked, begun(walked).run, Signal("message", came), Customer(), NOON)
    assert (ended.state, ended.reason, ended.run.node) == (state, reason, node)


def test_a_message_that_is_not_sent_takes_the_way_for_that_where_there_is_one() -> None:
    walked = journey(
        {
            "a": {"type": "message", "template": "hello", "otherwise": "b"},
            "b": {"type": "exit", "reason": "by another way"},
        }
    )
    ended = advance(walked, begun(walked).run, Signal("message", "refused: no_consent"), Customer(), NOON)
    assert (ended.state, ended.reason) == (RunState.FINISHED, "by another way")


def test_a_wait_for_an_event_ends_by_the_event_or_by_its_time_out() -> None:
    walked = journey(
        {
            "a": {
                "type": "wait_for_event",
                "event": "paid",
                "same": "cart_id",
                "timeout": "P1D",
                "next": "b",
                "on_timeout": "c",
            },
            "b": {"type": "exit", "reason": "paid"},
            "c": {"type": "exit", "reason": "late"},
        }
    )
    waiting = begun(walked).run
    other = awaited(walked, waiting, event(CustomEvent(name="paid", properties={"cart_id": "c-2"})))
    paid = awaited(walked, waiting, event(CustomEvent(name="paid", properties={"cart_id": "c-1"})))
    assert other is None
    assert paid is not None
    assert advance(walked, waiting, paid, Customer(), NOON + HOUR).reason == "paid"
    assert advance(walked, waiting, TIMER, Customer(), NOON + timedelta(days=1)).reason == "late"


def member(entered: bool, segment: str = "vip") -> Event:
    kind = SegmentEntered if entered else SegmentExited
    cause: Any = {"profile_id": UUID(int=7), "version": 1, "segment_id": segment, "segment_version": 1}
    return event(kind(**cause, name="VIP", reason="", cause="event"))


@pytest.mark.parametrize(("until", "inside"), [("entered", frozenset[str]()), ("exited", frozenset({"vip"}))])
def test_a_wait_for_a_segment_ends_by_the_change_that_is_waited_for_or_by_its_time_out(
    until: str, inside: frozenset[str]
) -> None:
    node = {"type": "wait_for_segment", "segment": "vip", "until": until, "timeout": "P1D"}
    walked = journey(
        {
            "a": {**node, "next": "b", "on_timeout": "c"},
            "b": {"type": "exit", "reason": "so it is"},
            "c": {"type": "exit", "reason": "late"},
        }
    )
    waiting = begun(walked, Customer(segments=inside)).run
    assert waiting.due_at == NOON + timedelta(days=1)
    assert awaited(walked, waiting, member(until != "entered")) is None
    assert awaited(walked, waiting, member(until == "entered", "another")) is None
    signal = awaited(walked, waiting, member(until == "entered"))
    assert signal is not None
    assert advance(walked, waiting, signal, Customer(), NOON + HOUR).reason == "so it is"
    assert advance(walked, waiting, TIMER, Customer(), NOON + timedelta(days=1)).reason == "late"
    already = begun(walked, Customer(segments=frozenset({"vip"}) - inside))
    assert (already.reason, already.steps[0].detail) == ("so it is", "already")


def test_a_circle_through_a_wait_for_a_segment_alone_is_refused_since_a_member_never_waits() -> None:
    walked = journey(
        {
            "a": {"type": "wait_for_segment", "segment": "vip", "timeout": "P1D", "next": "b"},
            "b": {"type": "wait_for_segment", "segment": "vip", "timeout": "P1D", "next": "a"},
        }
    )
    assert any("circle without a wait" in one.message for one in problems(walked, KNOWN))


def test_a_time_of_day_is_the_customers_own() -> None:
    walked = journey({"a": {"type": "wait_until", "time": "09:00", "weekdays": [2]}})
    shanghai = begun(walked, Customer(time_zone="Asia/Shanghai"))
    new_york = begun(walked, Customer(time_zone="America/New_York"))
    assert shanghai.run.due_at == datetime(2026, 3, 3, 1, tzinfo=UTC)
    assert new_york.run.due_at == datetime(2026, 3, 3, 14, tzinfo=UTC)


def test_branches_ask_what_is_known_of_the_customer_and_of_the_entry() -> None:
    def branch(when: Mapping[str, Any], customer: Customer) -> str:
        walked = journey(
            {
                "a": {"type": "branch", "when": when, "then": "b", "otherwise": "c"},
                "b": {"type": "exit", "reason": "yes"},
                "c": {"type": "exit", "reason": "no"},
            }
        )
        return begun(walked, customer).reason

    gold = Customer(tiers={"default": "gold"}, stage="loyal", segments=frozenset({"tea"}))
    cart = {"type": "event", "where": [{"property": "cart_id", "value": "c-1"}]}
    for when in (
        {"type": "segment", "segment": "tea"},
        {"type": "tier", "tiers": ["gold"]},
        {"type": "stage", "stages": ["loyal"]},
    ):
        assert (branch(when, gold), branch(when, Customer())) == ("yes", "no")
    assert branch(cart, Customer()) == "yes"


@given(st.uuids(), st.integers(1, 1_000), st.integers(0, 1_000))
def test_a_customer_takes_the_same_way_of_a_split_whenever_they_come(customer: UUID, one: int, other: int) -> None:
    walked = journey(
        {
            "a": {
                "type": "split",
                "salt": "s",
                "ways": [{"name": "x", "weight": one}, {"name": "y", "weight": other}],
            }
        }
    )
    first, again = (
        advance(walked, run(profile_id=customer, id=UUID(int=n)), TIMER, Customer(), NOON + n * HOUR) for n in (1, 2)
    )
    assert first.steps[0].outcome == again.steps[0].outcome
    share = one / (one + other)
    assert first.steps[0].outcome == ("x" if bucket("s", str(customer)) / BUCKETS < share else "y")


def test_an_exit_rule_takes_a_run_out_in_the_middle_of_a_wait() -> None:
    walked = journey(
        {"a": {"type": "wait", "time": "P3D", "next": "b"}, "b": {"type": "message", "template": "hello"}},
        exits=[
            {"type": "event", "event": "bought", "same": "cart_id", "goal": True},
            {"type": "consent_withdrawn"},
        ],
    )
    waiting = begun(walked).run
    bought = CustomEvent(name="bought", properties={"cart_id": "c-1"})
    other = CustomEvent(name="bought", properties={"cart_id": "c-2"})
    sms = ConsentChanged(channel="sms", granted=False)
    mail = ConsentChanged(channel="email", granted=False)
    found = [exit_by(walked, waiting, event(body)) for body in (bought, other, sms, mail)]
    assert [one and (one.reason, one.state) for one in found] == [
        ("goal: bought", RunState.FINISHED),
        None,
        None,
        ("consent withdrawn: email", RunState.EXITED),
    ]


@given(st.lists(st.sampled_from(["timer", "sent", "refused: x", "failed"]), max_size=12), st.integers(0, 5))
def test_every_visit_is_entered_once_and_asks_for_its_effects_once(signals: list[str], lateness: int) -> None:
    walked = journey(
        {
            "a": {"type": "message", "template": "hello", "next": "b", "otherwise": "b"},
            "b": {"type": "wait", "time": "PT1H", "next": "a"},
        }
    )
    advanced, now = begun(walked), NOON
    visits, sends = [step.visit for step in advanced.steps if step.outcome == "waits"], list(advanced.effects)
    for one in signals:
        now += (1 + lateness) * HOUR
        waits_for_message = advanced.run.awaits == "message"
        if waits_for_message == (one == "timer"):
            continue
        advanced = advance(walked, advanced.run, TIMER if one == "timer" else Signal("message", one), Customer(), now)
        visits += [step.visit for step in advanced.steps if step.outcome == "waits"]
        sends += advanced.effects
    assert visits == list(range(1, advanced.run.visit + 1))
    assert len(sends) == len(set(sends))


@pytest.mark.parametrize(
    ("nodes", "more", "at", "message"),
    [
        ({"a": {"type": "go_to", "next": "bb"}, "b": {"type": "exit"}}, {}, "/nodes/a/next", "did you mean b?"),
        ({"a": {"type": "exit"}, "b": {"type": "exit"}}, {}, "/nodes/b", "no way leads here"),
        ({"a": {"type": "go_to", "next": "a"}}, {}, "/nodes/a", "circle without a wait"),
        ({"a": {"type": "wait", "time": "3"}}, {}, "/nodes/a/time", "PT"),
        ({"a": {"type": "wait", "time": "P1M"}}, {}, "/nodes/a/time", "month"),
        ({"a": {"type": "wait_until", "time": "9am"}}, {}, "/nodes/a/time", "09:00"),
        ({"a": {"type": "message", "template": "helo"}}, {}, "/nodes/a/template", "did you mean hello?"),
        ({"a": {"type": "message", "template": "hello", "channel": "fax"}}, {}, "/nodes/a/channel", "email"),
        ({"a": {"type": "exit"}}, {"start": "x"}, "/start", "no node x"),
        ({"a": {"type": "exit"}}, {"max_age": "1 day"}, "/max_age", "P"),
        (
            {"a": {"type": "split", "salt": "s", "ways": [{"name": "x", "weight": 0}, {"name": "x", "weight": 0}]}},
            {},
            "/nodes/a/ways",
            "above 0",
        ),
    ],
)
def test_what_is_wrong_with_a_definition_is_told_with_its_place(
    nodes: Mapping[str, Any], more: Mapping[str, Any], at: str, message: str
) -> None:
    found = [one for one in problems(journey(nodes, **more), KNOWN) if not one.warning]
    assert any(one.at == at and message in one.message for one in found), found


def test_a_template_without_a_language_is_a_warning() -> None:
    (warning,) = problems(journey({"a": {"type": "message", "template": "again"}}), KNOWN)
    assert warning.warning
    assert "zh" in warning.message


def test_a_circle_with_a_wait_is_allowed() -> None:
    nodes = {"a": {"type": "wait", "time": "P1D", "next": "b"}, "b": {"type": "go_to", "next": "a"}}
    assert problems(journey(nodes), KNOWN) == []


def test_a_definition_of_before_there_were_nodes_is_one_message() -> None:
    was = former.journey_of(
        {
            "id": "win-back",
            "version": 1,
            "name": {"en": "Win back", "zh": "挽回"},
            "trigger": {"type": "stage_changed", "stages": ["at_risk"]},
            "max_age_hours": 36,
            "channel": "email",
            "template": "win-back",
            "cap": {"messages": 1, "hours": 24},
        }
    )
    (message,) = was.messages()
    assert (message.purpose, message.max_age, message.step) == ("marketing", timedelta(hours=36), "message")
    assert structs.replace(message, step="") == was.message("")


def test_a_dry_run_shows_each_step_at_its_time_and_reaches_the_end() -> None:
    walked = journey(
        {
            "a": {"type": "wait", "time": "P1D", "next": "b"},
            "b": {"type": "message", "template": "hello", "next": "c"},
            "c": {"type": "wait_for_event", "event": "paid", "timeout": "P7D", "on_timeout": "d"},
            "d": {"type": "exit", "reason": "never paid"},
        },
        trigger={"type": "event", "event": "cart_updated"},
        exits=[{"type": "event", "event": "bought", "goal": True}],
    )

    def tried(*later: Event) -> Rehearsed:
        trigger = event(CustomEvent(name="cart_updated", properties={}), NOON)
        return rehearse(
            walked,
            trigger,
            later,
            Customer(),
            until=NOON + timedelta(days=99),
            messages={},
            run_id=UUID(int=1),
            profile_id=UUID(int=7),
            data={},
        )

    alone = tried()
    assert [(step.node, step.outcome, (step.at - NOON).days) for step in alone.steps] == [
        ("a", "waits", 0),
        ("a", "next", 1),
        ("b", "waits", 1),
        ("b", "next", 1),
        ("c", "waits", 1),
        ("c", "timeout", 8),
        ("d", "ended", 8),
    ]
    assert (alone.state, alone.reason, alone.complete) == ("finished", "never paid", True)
    assert tried(event(CustomEvent(name="paid", properties={}), NOON + timedelta(days=2))).reason == "finished"
    bought = tried(event(CustomEvent(name="bought", properties={}), NOON + HOUR))
    assert (bought.reason, bought.steps[-1].at) == ("goal: bought", NOON + HOUR)


def test_a_dry_run_of_a_journey_that_never_ends_is_cut_off() -> None:
    nodes = {"a": {"type": "wait", "time": "P1D", "next": "b"}, "b": {"type": "go_to", "next": "a"}}
    found = rehearse(
        journey(nodes),
        event(CustomEvent(name="cart_updated", properties={}), NOON),
        [],
        Customer(),
        until=NOON + timedelta(days=10),
        messages={},
        run_id=UUID(int=1),
        profile_id=UUID(int=7),
        data={},
    )
    assert (found.complete, found.steps[-1].at) == (False, NOON + timedelta(days=10))


def test_the_schema_of_definitions_in_the_docs_is_that_of_the_code() -> None:
    """Else run `python -m services.campaign.domain.journey.schema > docs/journeys.schema.json`."""
    written = json.loads((DOCS / "journeys.schema.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(schema.schema()))
