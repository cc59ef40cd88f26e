"""A loop is idle once it has found no work for a while, and no longer as soon as it finds some."""

from hypothesis import given
from hypothesis import strategies as st

from shared.service.loops import Idleness
from tests.support.stopped import StoppedClock

LOOKS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=50)


@given(looks=LOOKS, seconds=st.integers(1, 40))
def test_a_loop_is_idle_as_long_as_its_last_find_lies_longer_ago_than_that(
    looks: list[tuple[int, bool]], seconds: int
) -> None:
    clock = StoppedClock()
    idleness, since_found = Idleness(seconds=seconds, now=clock), 0
    assert not idleness.idle
    for passed, found in looks:
        clock.advance(passed)
        idleness.looked(found=found)
        since_found = 0 if found else since_found + passed
        assert idleness.idle == (since_found > seconds)
