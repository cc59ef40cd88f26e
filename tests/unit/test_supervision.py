"""What the local stack's supervisor decides, and says, of a part that has ended."""

import json

from hypothesis import given
from hypothesis import strategies as st

from deploy.local.endings import MOST_CHARACTERS, how, why
from deploy.local.supervisor import Policy

POLICY = Policy(first_pause_seconds=0.5, longest_pause_seconds=4.0, most_endings=5, window_seconds=60.0)
TIMES = st.lists(st.floats(0, 10_000), min_size=1, max_size=30).map(sorted)


def recent(endings: list[float]) -> list[float]:
    return [at for at in endings if endings[-1] - at < POLICY.window_seconds]


@given(TIMES)
def test_a_part_is_given_up_exactly_when_it_has_ended_too_often_within_the_window(endings: list[float]) -> None:
    assert (POLICY.pause_seconds(endings) is None) == (len(recent(endings)) >= POLICY.most_endings)


@given(TIMES)
def test_endings_of_long_ago_change_nothing(endings: list[float]) -> None:
    assert POLICY.pause_seconds(endings) == POLICY.pause_seconds(recent(endings))


@given(TIMES, st.floats(0, 10))
def test_who_ends_again_soon_waits_no_shorter_and_never_longer_than_the_longest(
    endings: list[float], later: float
) -> None:
    before, after = POLICY.pause_seconds(endings), POLICY.pause_seconds([*recent(endings), endings[-1] + later])
    if before is not None and after is not None:
        assert POLICY.first_pause_seconds <= after <= POLICY.longest_pause_seconds
        if endings[-1] + later - recent(endings)[0] < POLICY.window_seconds:
            assert after >= before


def test_a_pause_doubles_with_each_ending() -> None:
    pauses = [POLICY.pause_seconds([float(n) for n in range(count)]) for count in range(1, 6)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, None]


def test_a_signal_and_an_exit_code_are_told_apart() -> None:
    assert (how(-9), how(3)) == ("was ended by SIGKILL", "ended with exit code 3")


def line(**fields: object) -> str:
    return json.dumps(fields)


def test_the_last_error_is_told_by_its_event_and_its_error_alone() -> None:
    raised = {"exc_type": "ValueError", "exc_value": "tiers: must begin at 0 and rise", "frames": [{"lineno": 1}]}
    lines = [
        line(event="service.ends", level="error", exception=[raised], partitions=["a/0"]),
        line(event="relay.waits", level="warning", error="later, and no error"),
    ]
    assert why(lines) == "service.ends: ValueError: tiers: must begin at 0 and rise"


def test_of_a_group_of_errors_its_first_member_is_told() -> None:
    inner = [{"exc_type": "RuntimeError", "exc_value": "the relay loop ended by itself"}]
    group = {"exc_type": "ExceptionGroup", "exc_value": "unhandled errors", "exceptions": [inner]}
    assert why([line(event="service.ends", level="error", exception=[group])]) == (
        "service.ends: RuntimeError: the relay loop ended by itself"
    )


def test_what_a_part_says_in_plain_words_is_told_as_it_is() -> None:
    assert why([line(event="service.starts", level="info"), "DATABASE_URL: Field required"]) == (
        "DATABASE_URL: Field required"
    )


def test_a_part_that_wrote_no_error_is_said_to_have_given_no_reason() -> None:
    assert why([line(event="service.starts", level="info"), "[1, 2]"]) == "[1, 2]"
    assert why([line(event="service.starts", level="info")]) == ""
    assert why([]) == ""


@given(st.lists(st.text(max_size=2_000), max_size=5))
def test_the_reason_is_one_short_line_whatever_was_written(lines: list[str]) -> None:
    reason = why(lines)
    assert len(reason) <= MOST_CHARACTERS + 2
    assert reason.split() == reason.split(" ") or reason == ""
