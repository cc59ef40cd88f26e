"""Tags by rule: the rule's last word counts, in whatever order its statements and those of others arrive."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.belongings import rank
from services.segment.domain.tags import RuleCause, RuleState, agrees, answer
from shared.contracts import wire
from shared.contracts.envelope import MAX_CAUSATION_DEPTH, Event, SourceKind, Stamp
from shared.contracts.events import TagCleared, TagSet
from tests.support.events import NOON, event
from tests.support.examples import at_least

ANN = UUID(int=1)
SOURCE = UUID(int=7)
offsets = st.integers(-3, 3).map(lambda seconds: timedelta(seconds=seconds))


def state(
    *, member: bool, has: bool = False, expires_at: datetime | None = None, stamp: Stamp | None = None
) -> RuleState:
    return RuleState(
        profile_id=ANN, tag="tea", segment_id="drinkers", member=member, has=has, expires_at=expires_at, stamp=stamp
    )


def caused(cause: Event) -> RuleCause:
    return RuleCause(event_id=cause.event_id, occurred_at=cause.occurred_at)


def stated(found: RuleState, cause: RuleCause) -> Event:
    made = answer(found, cause, source_id=SOURCE, now=NOON)
    assert made is not None
    return made


@settings(max_examples=at_least(250))
@given(
    st.lists(
        st.tuples(st.uuids(version=4), offsets, st.booleans(), st.booleans()),
        min_size=1,
        max_size=7,
        unique_by=lambda one: one[0],
    ),
)
def test_the_rules_last_word_counts_in_any_order_whatever_others_state_meanwhile(
    statements: list[tuple[UUID, timedelta, bool, bool]],
) -> None:
    """Causes are late or early, others state what they like; the rule speaks where what counts is not what it says.

    The highest rank is kept, so whoever is right by it is right in any order of arrival.
    """
    facts: list[Event] = []
    known: Stamp | None = None
    member = has = False
    for event_id, offset, on, foreign in statements:
        body = TagSet(tag="tea") if on else TagCleared(tag="tea")
        cause = event(body, at=NOON + offset, event_id=event_id)
        if foreign:
            facts.append(cause)
            if known is None or known < rank(cause):
                known, has = rank(cause), on
        else:
            member = on
        if not agrees(state(member=member, has=has), NOON):
            made = stated(state(member=member, has=has, stamp=known), caused(cause))
            facts.append(made)
            assert cause.occurred_at <= made.occurred_at <= made.received_at
            assert known is None or known < rank(made)
            known, has = rank(made), member
    last = max(facts, key=lambda one: rank(one).place, default=None)
    assert (last is not None and isinstance(last.body, TagSet)) == member


def test_what_comes_back_through_profile_is_the_same_statement() -> None:
    made = stated(state(member=True), RuleCause(event_id=uuid4(), occurred_at=NOON))
    head, value = wire.encode(made)
    assert rank(wire.decode(head, value)) == rank(made)


def test_of_a_server_and_a_service_whoever_spoke_later_counts() -> None:
    by_hand = event(TagSet(tag="tea"), source_kind=SourceKind.SERVICE)
    by_server = event(TagCleared(tag="tea"), at=NOON + timedelta(seconds=1))
    assert rank(by_hand) < rank(by_server)
    assert by_server.stamp < by_hand.stamp


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
