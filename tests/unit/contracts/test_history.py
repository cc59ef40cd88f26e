"""The streams of profile's history: a line is the event it was, and a position is read as it was written."""

import contextlib
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.profile.api.history import MAX_TYPES
from shared.contracts import wire
from shared.contracts.envelope import Event
from shared.contracts.events import OrderPlaced, PageViewed
from shared.contracts.history import (
    LAST_ID,
    NO_ID,
    SHORT_NAMES,
    Position,
    Progress,
    event_line,
    position_of,
    progress_line,
    read_line,
    type_names,
)
from shared.contracts.wire import MAX_ORIGIN, MAX_SEQUENCE, NO_ORIGIN
from tests.support.events import event as view
from tests.support.events import user
from tests.support.examples import at_least
from tests.unit.contracts.strategies import any_events

origins = st.integers(NO_ORIGIN, MAX_ORIGIN)
sequences = st.integers(0, MAX_SEQUENCE)
places = st.tuples(origins, sequences, st.uuids()) | st.tuples(st.none(), st.none(), st.uuids())
VIEW = view(PageViewed(path="/"), user("ann"))
positions = st.builds(
    Position, st.dictionaries(origins, sequences, max_size=8), st.one_of(st.just(NO_ID), st.just(LAST_ID), st.uuids())
)


@given(any_events)
def test_a_line_is_read_as_the_event_that_it_was(one: Event) -> None:
    line = event_line(one)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read_line(line) == one


@given(positions, st.booleans())
@settings(max_examples=at_least(100))
def test_a_position_is_read_as_it_was_written(one: Position, ended: bool) -> None:
    assert position_of(str(one)) == one
    assert read_line(progress_line(str(one), ended=ended)) == Progress(str(one), ended)


@given(positions, origins, sequences, places)
@settings(max_examples=at_least(100))
def test_a_position_never_goes_back_and_has_what_it_is_past(
    one: Position, origin: int, sequence: int, place: tuple[int | None, int | None, UUID]
) -> None:
    event = msgspec.structs.replace(VIEW, origin=place[0], sequence=place[1], event_id=place[2])
    after = one.moved(origin, sequence).past(event)
    assert all(after.sequence(name) >= mark for name, mark in one.lanes.items())
    assert after.sequence(origin) >= sequence
    assert after.old >= one.old
    if event.origin is not None and event.sequence is not None:
        assert after.has(event)
    else:
        assert after.old >= event.event_id


@given(st.one_of(st.text(max_size=40), st.text("old:0123456789abcdef-,", max_size=60)))
@settings(max_examples=at_least(150))
def test_whatever_else_stands_in_the_place_of_a_position_is_refused_or_is_one(text: str) -> None:
    with contextlib.suppress(ValueError):
        found = position_of(text)
        assert position_of(str(found)) == found


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_a_line_that_is_none_says_so(line: bytes) -> None:
    with contextlib.suppress(wire.Undecodable, wire.NewerThanCode):
        read_line(line)
    assert isinstance(read_line(b'{"end":""}'), Progress)


@pytest.mark.parametrize("line", [b"", b"[]", b"{", b"[" * 100_000, b'{"end":5}', b'{"type":"x"}', b"\xff"])
def test_a_broken_line_is_undecodable(line: bytes) -> None:
    with pytest.raises(wire.Undecodable):
        read_line(line)


def test_a_type_is_asked_for_by_its_name_and_comes_in_all_its_versions() -> None:
    assert SHORT_NAMES["order_placed"] is OrderPlaced
    assert "order_reassigned" in SHORT_NAMES
    assert "profile_changed" not in SHORT_NAMES
    assert type_names([OrderPlaced]) == ["rapport.order_placed.v1", "rapport.order_placed.v2"]


def test_all_types_can_be_asked_for_at_once() -> None:
    assert len(",".join(SHORT_NAMES)) < MAX_TYPES / 2


def test_the_beginning_is_an_empty_text() -> None:
    assert position_of("") == Position()
    assert str(Position({3: 7, -1: 2}, UUID(int=5))) == "old:00000000-0000-0000-0000-000000000005,-1:2,3:7"
