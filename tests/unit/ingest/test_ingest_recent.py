"""Events that come again, as far back as a process remembers."""

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.service.source_stats import Recent

SIZE = 8
REQUESTS = st.lists(st.lists(st.integers(0, 30).map(lambda number: b"%d" % number), max_size=6), max_size=20)


@given(REQUESTS)
def test_with_memory_enough_every_event_that_came_before_is_known(requests: list[list[bytes]]) -> None:
    recent = Recent(1_000)
    seen: set[bytes] = set()
    for ids in requests:
        again = 0
        for one in ids:
            again += one in seen
            seen.add(one)
        assert recent.again(ids) == again


@given(REQUESTS)
def test_an_event_that_came_a_little_while_ago_is_known_and_a_new_one_never(requests: list[list[bytes]]) -> None:
    recent = Recent(SIZE)
    came: list[bytes] = []
    for ids in requests:
        lately, ever = set(came[-SIZE:]), set(came)
        distinct = len(set(ids))
        repeats = len(ids) - distinct
        found = recent.again(ids) - repeats
        assert len(lately & {*ids}) <= found <= len(ever & {*ids})
        came += ids
