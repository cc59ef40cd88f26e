"""Who is to blame when records are refused."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.dead_letters.breaker import MAX_DEAD_RATIO, MIN_SAMPLE, SOURCE_SAMPLE, Verdict, judge, longest_run
from shared.kafka.dead_letters.sources import OURS, UNKNOWN

records = st.integers(0, 2_000)
by_source = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=1), records, max_size=8)


def verdict(refused: dict[str, int], applied: dict[str, int]) -> Verdict:
    dead, seen = sum(refused.values()), sum(refused.values()) + sum(applied.values())
    return judge(seen=seen, dead=dead, refused=refused, applied=applied)


@given(flood=st.integers(MIN_SAMPLE, 10**6), others=st.dictionaries(st.sampled_from("bcdef"), st.integers(0, 10**4)))
def test_one_source_however_much_it_sends_stops_nothing(flood: int, others: dict[str, int]) -> None:
    assert verdict({"a": flood}, others) in (Verdict(block=("a",)), Verdict())


@given(refused=by_source, applied=by_source)
def test_nobody_is_blocked_who_is_well_and_nothing_is_done_while_few_are_refused(
    refused: dict[str, int], applied: dict[str, int]
) -> None:
    found = verdict(refused, applied)
    dead, seen = sum(refused.values()), sum(refused.values()) + sum(applied.values())
    assert (found == Verdict()) == (seen < MIN_SAMPLE or dead <= MAX_DEAD_RATIO * seen)
    for source in found.block:
        assert refused[source] > MAX_DEAD_RATIO * (refused[source] + applied.get(source, 0))
    assert not (found.block and found.stop)


@given(st.integers(3, 30), st.integers(SOURCE_SAMPLE, 500))
def test_what_is_refused_of_everybody_is_the_reader_s_fault(count: int, letters: int) -> None:
    refused = {f"source {n}": letters + MIN_SAMPLE for n in range(count)}
    assert verdict(refused, {}).stop == f"of {count} sources"


def test_a_stranger_with_several_keys_stops_nothing_while_most_sources_are_well() -> None:
    applied = Counter({f"shop {n}": 500 for n in range(4)})
    assert verdict({"page 1": 900, "page 2": 900, "page 3": 900}, applied).block == ("page 1", "page 2", "page 3")


def test_what_our_own_services_say_is_never_blocked() -> None:
    assert verdict({OURS: 300}, {"a": 300}).stop == "of what our own services say"
    assert verdict({UNKNOWN: 300}, {"a": 300}).block == (UNKNOWN,)


@given(st.integers(0, 50), st.lists(st.booleans(), max_size=50))
def test_the_longest_run_of_faults(before: int, faulted: list[bool]) -> None:
    text = "x" * before + "".join("x" if one else " " for one in faulted)
    assert longest_run(before, faulted) == (max(map(len, text.split(" "))), len(text) - len(text.rstrip("x")))
