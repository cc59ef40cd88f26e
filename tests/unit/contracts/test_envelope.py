"""The envelope: ids that anyone computes alike, and who may say what."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.changes import CHANGES
from shared.contracts.envelope import SourceKind, derived_id, event_id, may_say, may_say_of, service_source
from shared.contracts.events import (
    FACTS,
    Body,
    FeedbackSubmitted,
    ListMemberAdded,
    ListMemberRemoved,
    MessageFact,
    MessageSent,
    PageViewed,
    ReviewSubmitted,
    TagCleared,
    TagSet,
    TraitSet,
)
from shared.contracts.identity import Identity, Namespace
from tests.support.events import NOON, days, event

ORDERS = ("OrderPlaced", "OrderCancelled", "OrderRefunded", "OrderShipped", "OrderDelayed", "OrderDelivered")


@given(st.uuids(), st.text(), st.text())
def test_a_message_of_a_source_has_one_id_for_ever(source: UUID, one: str, other: str) -> None:
    assert event_id(source, one) == event_id(source, one)
    assert (event_id(source, one) == event_id(source, other)) == (one == other)


def test_the_id_of_a_message_is_pinned() -> None:
    assert str(event_id(UUID(int=7), "m-1")) == "d12e4387-16d5-598f-b61b-61da5fee479e"


def test_a_derived_fact_depends_on_cause_kind_definition_and_version() -> None:
    cause = UUID(int=1)
    ids = {
        derived_id(cause, "a", "b", 1),
        derived_id(cause, "a", "b", 2),
        derived_id(cause, "a", "c", 1),
        derived_id(cause, "d", "b", 1),
        derived_id(UUID(int=2), "a", "b", 1),
    }

    assert len(ids) == 5
    assert derived_id(cause, "a", "b", 1) in ids


def test_each_service_speaks_under_a_source_of_its_own() -> None:
    assert len({service_source(name) for name in ("profile", "segment", "campaign", "feedback")}) == 4


@pytest.mark.parametrize("body", [*FACTS, *CHANGES], ids=lambda body: body.__name__)
def test_a_server_may_say_everything_and_a_browser_only_what_was_done(body: type[Body]) -> None:
    assert may_say(SourceKind.SERVER, body)
    assert may_say(SourceKind.SERVICE, body)
    if body.__name__ in ORDERS or body.__name__ == "MessageSent" or issubclass(body, MessageFact) or body in CHANGES:
        assert not may_say(SourceKind.PUBLIC, body)


@pytest.mark.parametrize("body", FACTS, ids=lambda body: body.__name__)
def test_a_browser_that_may_say_orders_says_nothing_of_messages_tags_and_lists(body: type[Body]) -> None:
    of_the_companys_own = issubclass(body, MessageFact | MessageSent | TraitSet | TagSet | TagCleared)
    of_the_companys_own |= issubclass(body, ListMemberAdded | ListMemberRemoved)
    assert may_say(SourceKind.PUBLIC, body, allow_orders=True) is not of_the_companys_own


def test_a_browser_may_say_what_was_done() -> None:
    assert may_say(SourceKind.PUBLIC, PageViewed)


def test_stamps_order_by_trust_then_time_then_id() -> None:
    browser = event(PageViewed(), at=NOON + days(9), source_kind=SourceKind.PUBLIC).stamp
    early = event(PageViewed(), at=NOON, event_id=UUID(int=9)).stamp
    late = event(PageViewed(), at=NOON + days(1), event_id=UUID(int=1)).stamp
    twin = event(PageViewed(), at=NOON, event_id=UUID(int=8)).stamp

    assert sorted([late, early, browser, twin]) == [browser, twin, early, late]


@pytest.mark.parametrize(
    ("named", "believed"),
    [
        ([Namespace.ANONYMOUS_ID], True),
        ([Namespace.USER_ID], False),
        ([Namespace.ANONYMOUS_ID, Namespace.USER_ID], False),
        ([Namespace.EMAIL], False),
        ([Namespace.PHONE, Namespace.ANONYMOUS_ID], False),
    ],
)
def test_a_browser_gives_the_opinion_of_a_visitor_and_of_nobody_who_is_known(
    named: list[Namespace], believed: bool
) -> None:
    identities = [Identity(namespace, "1") for namespace in named]
    for opinion in (FeedbackSubmitted, ReviewSubmitted):
        assert may_say_of(SourceKind.PUBLIC, opinion, identities) is believed
        assert may_say_of(SourceKind.SERVER, opinion, identities)
    assert may_say_of(SourceKind.PUBLIC, PageViewed, identities)
