"""The wire: what is encoded is decoded again, and what can't be decoded says so in one of two ways."""

import contextlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts import versions, wire
from shared.contracts.changes import ProfileChanged, SegmentEntered, SegmentExited, StageChanged, TierChanged
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import CustomEvent, OrderPlaced, PageViewed
from tests.support.events import event, user
from tests.support.examples import at_least
from tests.unit.contracts.strategies import START, any_event, any_events

Pairs = list[tuple[str, bytes]]


def record(**changes: str | None) -> tuple[Pairs, bytes]:
    """A record that decodes, with headers changed or (None) taken away."""
    headers, value = wire.encode(event(PageViewed(path="/"), user(1)))
    values = dict(headers) | {name: text.encode() for name, text in changes.items() if text is not None}
    return [(name, raw) for name, raw in values.items() if changes.get(name, "") is not None], value


def test_events_that_differ_by_id_and_body_are_written_as_each_alone() -> None:
    who, cause = UUID(int=7), UUID(int=8)
    known: dict[str, Any] = {"profile_id": who, "segment_id": "a", "segment_version": 1, "name": '"A"'}
    known |= {"reason": "", "cause": "event"}
    shared: dict[str, Any] = {"profile_id": who, "cause_id": cause, "depth": 2, "traceparent": "00-1-2-03"}
    one = event(SegmentEntered(version=1, **known), event_id=UUID(int=1), **shared)
    other = event(SegmentExited(version=2, **known), event_id=UUID(int=2), **shared)
    alike = wire.Alike(one)

    for each in (one, other):
        headers, value = wire.encode(each)
        assert alike.encode(str(each.event_id), each.body) == (wire.headers_text(headers), value)


@pytest.mark.hypothesis
@pytest.mark.parametrize("body", wire.TYPE_NAMES, ids=lambda body: body.__name__)
def test_every_event_type_is_decoded_to_what_was_encoded(body: type) -> None:
    @given(any_event(body))
    @settings(max_examples=at_least(15))
    def holds(one: Event) -> None:
        headers, value = wire.encode(one)
        assert wire.decode(headers, value) == one
        assert wire.encode(wire.decode(headers, value)) == (headers, value)

    holds()


@given(any_events)
def test_headers_are_those_of_cloudevents_in_binary_mode(one: Event) -> None:
    headers, _ = wire.encode(one)
    values = dict(headers)

    assert len(values) == len(headers)
    assert values["ce_specversion"] == b"1.0"
    assert values["content-type"] == b"application/json"
    assert values["ce_type"].decode() == wire.TYPE_NAMES[type(one.body)]
    assert values["ce_time"].endswith(b"Z")


def test_type_names_are_versioned_and_each_means_one_type() -> None:
    assert all(re.fullmatch(r"rapport\.[a-z_]+\.v[12]", name) for name in wire.BODIES)
    current, first = set(wire.TYPE_NAMES.values()), set(versions.FIRST_NAMES.values())
    assert len(current) == len(wire.TYPE_NAMES)
    assert (current | first, current & first) == (set(wire.BODIES), set())
    assert all(wire.BODIES[name] is body for body, name in versions.FIRST_NAMES.items())


@given(any_events)
def test_whatever_version_is_written_the_same_event_is_read(one: Event) -> None:
    wire.write_version(1)
    try:
        headers, value = wire.encode(one)
    finally:
        wire.write_version(versions.CURRENT)
    names = dict(headers)
    assert "ce_unverified" not in names
    assert names["ce_type"].endswith(b".v1")
    assert wire.decode(headers, value) == wire.decode(*wire.encode(one))


@pytest.mark.parametrize("name", ["rapport.order_placed.v3", "rapport.points_earned.v1", "rapport.custom.v10"])
def test_a_type_that_a_newer_release_writes_stops_the_reader(name: str) -> None:
    with pytest.raises(wire.NewerThanCode, match=name):
        wire.decode(*record(ce_type=name))


@pytest.mark.parametrize("name", ["order_placed", "com.example.order.v1", "rapport.Order.v1", "rapport.custom.vX", ""])
def test_a_type_that_is_none_of_this_bus_is_undecodable(name: str) -> None:
    with pytest.raises(wire.Undecodable, match="ce_type"):
        wire.decode(*record(ce_type=name))


@pytest.mark.parametrize("name", ["ce_type", "ce_id", "ce_source", "ce_sourcekind", "ce_time", "ce_receivedat"])
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(wire.Undecodable, match=name):
        wire.decode(*record(**{name: None}))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ce_id", "42"),
        ("ce_sourcekind", "stranger"),
        ("ce_time", "yesterday"),
        ("ce_time", "2026-03-01T12:00:00"),
        ("ce_receivedat", "2026-03-01T12:00:00"),
        ("ce_time", "0001-01-01T00:00:00+14:00"),
        ("ce_receivedat", "9999-12-31T23:59:59-12:00"),
        ("ce_profileid", "me"),
        ("ce_origin", "one"),
        ("ce_depth", "deep"),
    ],
)
def test_a_header_that_means_nothing_is_undecodable(name: str, text: str) -> None:
    with pytest.raises(wire.Undecodable):
        wire.decode(*record(**{name: text}))


def test_a_header_without_a_value_is_undecodable() -> None:
    headers, value = record()

    with pytest.raises(wire.Undecodable):
        wire.decode([*headers, ("traceparent", None)], value)  # type: ignore[list-item] # Kafka allows a null here


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"null",
        b"[]",
        b"{",
        b"{}",
        b"\xff",
        b'{"data":null}',
        b'{"data":[]}',
        b'{"data":{"path":1}}',
        b'{"data":{},"identities":[["nickname","x"]]}',
        b'{"data":{},"identities":[["user_id"]]}',
        b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"data":{"title":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}}",
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_value_that_means_nothing_is_undecodable(value: bytes | None) -> None:
    headers, _ = record()

    with pytest.raises(wire.Undecodable, match="value"):
        wire.decode(headers, value)


def test_a_custom_event_nested_without_end_is_undecodable() -> None:
    headers, _ = wire.encode(event(CustomEvent(name="Waved"), user(1)))
    deep = b'{"data":{"name":"Waved","properties":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}}"

    with pytest.raises(wire.Undecodable):
        wire.decode(headers, deep)


def only_two_ways(headers: Sequence[tuple[str, bytes]], value: bytes | None) -> None:
    """Decodes, or fails in one of the two ways that the consumer knows."""
    with contextlib.suppress(wire.Undecodable, wire.NewerThanCode):
        wire.decode(headers, value)


names = st.sampled_from(
    [name for name, _ in wire.encode(event(OrderPlaced(order_id="1", currency="USD", total_minor=1)))[0]]
)


@given(st.lists(st.tuples(names | st.text(max_size=10), st.binary(max_size=30)), max_size=8), st.none() | st.binary())
def test_garbage_raises_nothing_but_undecodable_or_newer_than_code(headers: Pairs, value: bytes | None) -> None:
    only_two_ways(headers, value)


@given(any_events, names, st.binary(max_size=30) | st.text(max_size=30).map(str.encode), st.data())
def test_a_good_record_with_a_bad_part_raises_nothing_else(
    one: Event, name: str, raw: bytes, data: st.DataObject
) -> None:
    headers, value = wire.encode(one)
    only_two_ways([(key, raw if key == name else text) for key, text in headers], value)
    place = data.draw(st.integers(0, len(value)))
    only_two_ways(headers, value[:place] + raw + value[place + 1 :])


@given(any_events, st.sampled_from(["ce_time", "ce_receivedat"]), st.datetimes(timezones=st.timezones()))
def test_any_time_with_a_zone_is_read_in_utc_or_refused(one: Event, name: str, moment: datetime) -> None:
    headers, value = wire.encode(one)
    only_two_ways([(key, moment.isoformat().encode() if key == name else text) for key, text in headers], value)


def test_times_are_read_in_utc_whatever_their_offset() -> None:
    decoded = wire.decode(*record(ce_time="2026-03-01T20:00:00.5+08:00"))

    assert decoded.occurred_at == datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    assert decoded.occurred_at.tzinfo is UTC


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "2026-03-01T12:00:00", 5])
@pytest.mark.parametrize("where", ["placed_at", "stated_at", "ce_time", "ce_receivedat"])
def test_a_moment_that_nobody_can_mean_is_read_by_nobody(where: str, moment: Any) -> None:
    placed = OrderPlaced(order_id="o", currency="EUR", total_minor=5, placed_at=START)
    headers, value = wire.encode(event(placed, user(1), stated_at=START))
    if where.startswith("ce_"):
        headers = [(name, str(moment).encode() if name == where else text) for name, text in headers]
    else:
        members = msgspec.json.decode(value)
        (members["data"] if where == "placed_at" else members)[where] = moment
        value = msgspec.json.encode(members)
    with pytest.raises(wire.Undecodable, match=r"ce_time or ce_receivedat|headers|data|stated_at|Expected"):
        wire.decode(headers, value)


@pytest.mark.parametrize("version", [-1, 2**40 + 1, 2**53, 2**63 - 1, 2**64 - 1])
@pytest.mark.parametrize("body", [ProfileChanged, TierChanged, StageChanged])
def test_a_version_that_no_customer_can_reach_is_read_by_nobody(body: type, version: int) -> None:
    """A reader keeps the highest one: after this, that customer's changes would be old news for ever."""
    named: dict[type, dict[str, Any]] = {
        ProfileChanged: {"first_seen": START, "last_seen": START},
        TierChanged: {"previous": None, "current": "gold", "direction": "up", "reason": "spend"},
        StageChanged: {"previous": None, "current": "loyal", "reason": "orders"},
    }
    made = body(profile_id=UUID(int=1), version=version, **named[body])
    with pytest.raises(wire.Undecodable, match=r"value: Expected `int`.*version"):
        wire.decode(*wire.encode(event(made, user(1))))


def test_what_a_field_means_to_a_newer_release_is_ignored_by_this_one() -> None:
    headers, _ = record(ce_extension="new")

    assert wire.decode(headers, b'{"data":{"path":"/","scroll":80},"shard":3}').body == PageViewed(path="/")


def test_an_envelope_keeps_who_spoke() -> None:
    decoded = wire.decode(*record())

    assert decoded.source_kind is SourceKind.SERVER
    assert decoded.identities == (user(1),)
