"""When a log counts as shorter than what was read of it, and when a high-water mark is only late."""

from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.batch import SHORT_MILLISECONDS, Held
from shared.kafka.offsets import Place

PLACE = Place("cluster", 1, "rapport.events.v1", 0)


def held() -> Held:
    return Held(PLACE, epoch=1, expected=212, stored=212)


@given(st.lists(st.integers(0, SHORT_MILLISECONDS - 1), min_size=1))
def test_a_leader_that_is_new_may_know_a_lower_mark_for_a_while(moments: list[int]) -> None:
    # Followers learn of the mark with their next fetch; one that becomes leader between says what it knew before.
    one = held()
    assert not any(one.seems_short(high=210, polled_ms=1_000_000 + moment) for moment in sorted(moments))


def test_a_log_that_stays_shorter_is_shorter() -> None:
    one = held()
    assert not one.seems_short(high=210, polled_ms=1_000_000)
    assert one.seems_short(high=211, polled_ms=1_000_000 + SHORT_MILLISECONDS)


def test_a_mark_that_catches_up_forgets_that_it_was_late() -> None:
    one = held()
    assert not one.seems_short(high=210, polled_ms=1_000_000)
    assert not one.seems_short(high=212, polled_ms=1_000_500)
    assert not one.seems_short(high=210, polled_ms=1_000_000 + SHORT_MILLISECONDS)


def test_records_that_come_meanwhile_show_that_the_log_goes_on() -> None:
    one = held()
    assert not one.seems_short(high=210, polled_ms=1_000_000)
    one.expected = 220
    assert not one.seems_short(high=215, polled_ms=1_000_000 + SHORT_MILLISECONDS)
