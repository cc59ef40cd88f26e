"""Tags by rule: the rule's last word counts, in whatever order its statements and those of others arrive."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.tags import RuleCause, RuleState, agrees, answer
from shared.contracts import wire
from shared.contracts.envelope import MAX_CAUSATION_DEPTH, Event, SourceKind, Stamp
from shared.contracts.events import TagCleared, TagSet
from tests.support.events import NOON, event

ANN = UUID(int=1)
SOURCE = UUID(int=7)
offsets = st.integers(-3, 3).map(lambda seconds: timedelta(seconds=seconds))


def state(
    *, member: bool, has: bool = False, expires_at: datetime | None = None, stamp: Stamp | None = None
) -> RuleState:
    return RuleState(
        profile_id=ANN, tag="tea", segment_id="drinkers", member=member, has=has, expires_at=expires_at, stamp=stamp
    )


def stated(found: RuleState, cause: RuleCause) -> Event:
    made = answer(found, cause, source_id=SOURCE, now=NOON)
    assert made is not None
    return made


@settings(max_examples=2_000)
@given(
    st.lists(st.tuples(offsets, st.booleans()), min_size=1, max_size=6),
    st.lists(st.tuples(offsets, st.booleans()), max_size=3),
    st.randoms(use_true_random=False),
)
def test_of_a_rules_statements_and_those_of_servers_the_rules_last_one_counts_in_any_order(
    turns: list[tuple[timedelta, bool]], others: list[tuple[timedelta, bool]], random: object
) -> None:
    """Causes come late, and in any order; the newest statement by stamp is what a reader keeps."""
    facts = [event(TagSet(tag="tea") if on else TagCleared(tag="tea"), at=NOON + offset) for offset, on in others]
    known: Stamp | None = None
    for offset, member in turns:
        cause = RuleCause(event_id=uuid4(), occurred_at=NOON + offset)
        made = stated(state(member=member, stamp=known), cause)
        facts.append(made)
        known = made.stamp
        assert made.occurred_at <= made.received_at
        assert made.occurred_at >= cause.occurred_at
    random.shuffle(facts)  # type: ignore[attr-defined]
    last = max(facts, key=lambda one: one.stamp.place)
    assert isinstance(last.body, TagSet) == turns[-1][1]


def test_what_comes_back_through_profile_is_the_same_statement() -> None:
    made = stated(state(member=True, stamp=None), RuleCause(event_id=uuid4(), occurred_at=NOON))
    head, value = wire.encode(made)
    assert wire.decode(head, value).stamp == made.stamp


def test_a_statement_by_hand_gives_way_to_the_rule_however_new_it_is() -> None:
    by_hand = event(TagSet(tag="tea"), at=NOON + timedelta(days=1), source_kind=SourceKind.SERVICE)
    made = stated(state(member=False, stamp=by_hand.stamp), RuleCause(event_id=uuid4(), occurred_at=NOON))
    assert by_hand.stamp < made.stamp


def test_deciding_again_makes_the_same_fact() -> None:
    cause = RuleCause(event_id=uuid4(), occurred_at=NOON, historical=True, depth=2)
    one, again = stated(state(member=True), cause), stated(state(member=True), cause)
    assert one == again
    assert (one.historical, one.depth, one.cause_id) == (True, 3, cause.event_id)


def test_a_rule_is_silent_where_causes_have_followed_too_long() -> None:
    deep = RuleCause(event_id=uuid4(), occurred_at=NOON, depth=MAX_CAUSATION_DEPTH)
    assert answer(state(member=True), deep, source_id=SOURCE, now=NOON) is None


def test_members_have_a_tag_for_as_long_as_they_are_members_and_others_have_it_not() -> None:
    later, before = NOON + timedelta(days=1), NOON - timedelta(days=1)
    assert agrees(state(member=True, has=True), NOON)
    assert not agrees(state(member=True, has=True, expires_at=later), NOON)
    assert not agrees(state(member=True), NOON)
    assert agrees(state(member=False), NOON)
    assert agrees(state(member=False, has=True, expires_at=before), NOON)
    assert not agrees(state(member=False, has=True, expires_at=later), NOON)
