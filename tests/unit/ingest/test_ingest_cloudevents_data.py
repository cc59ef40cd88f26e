"""The data of CloudEvents, in the JSON format and in the binary mode: whatever they are, an event or a refusal."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.formats import cloudevents
from shared.contracts import wire
from shared.contracts.events import CustomEvent
from tests.support.webhooks import NOW, spoiled
from tests.unit.ingest.test_ingest_cloudevents import OURS, PUBLIC, SERVER, event, refusal, triaged, understood
from tests.unit.ingest.test_ingest_normalise import JSON


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_data_may_be_base64_of_json() -> None:
    document = event(data_base64=packed(b'{"hand": "left"}'))
    assert understood(document).body == CustomEvent(name="com.example.waved", properties={"hand": "left"})
    assert understood(event(data_base64="")).body == CustomEvent(name="com.example.waved")


@pytest.mark.parametrize("data", ["no base64", "e30", "e30=\n", "чай"])
def test_data_that_is_no_base64_is_refused(data: str) -> None:
    assert refusal(event(data_base64=data)) == "data_base64: not base64"


@pytest.mark.parametrize("data", [b"hand=left", b"7", b'"left"', b"[]", b"\xff", b"[" * 100_000])
def test_data_that_is_no_object_is_refused_however_it_came(data: bytes) -> None:
    assert triaged(event(data_base64=packed(data))).refused
    assert triaged(json.dumps(event(data=0)).encode().replace(b'"data": 0', b'"data": ' + data)).refused


def test_data_of_another_content_type_is_refused() -> None:
    for form in ("application/json", "application/json; charset=utf-8", "application/vnd.erp+json", "TEXT/JSON"):
        assert triaged(event(datacontenttype=form)).refused == []
    assert refusal(event(datacontenttype="text/xml")) == "datacontenttype: 'text/xml'; send data in application/json"


@pytest.mark.parametrize(
    "attributes",
    [
        {"data": {"text": "a\x00b"}},
        {"data_base64": packed(b'{"text": "a\\u0000b"}')},
        {"id": "a\x00b"},
        {"subject": "user_id:a\x00b"},
    ],
)
def test_a_text_that_no_database_keeps_is_refused_wherever_it_stands(attributes: dict[str, Any]) -> None:
    place, _, text = refusal(event(**attributes)).partition(": ")
    assert (place, text) == (
        "data" if "data_base64" in attributes else "event",
        "a text contains the character U+0000; remove it",
    )


def test_an_escape_that_is_escaped_itself_is_six_characters() -> None:
    for attributes in ({"data": {"text": r"a\u0000b"}}, {"data_base64": packed(rb'{"text": "a\\u0000b"}')}):
        assert understood(event(**attributes)).body == CustomEvent(
            name="com.example.waved", properties={"text": r"a\u0000b"}
        )


def test_data_nested_deeper_than_its_readers_follow_is_refused_however_it_came() -> None:
    deep: Any = {}
    for _ in range(70):
        deep = {"in": deep}
    for attributes in ({"data": deep}, {"data_base64": packed(json.dumps(deep).encode())}):
        assert "nested deeper than 64 levels" in refusal(event(**attributes))


# The binary mode

ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/erp", "type": "com.example.waved", "userid": "42"}


@given(data=st.dictionaries(st.text(), JSON), form=st.sampled_from(["", "application/json", "application/x+json"]))
def test_an_event_in_the_binary_mode_is_the_event_in_the_json_format(data: dict[str, Any], form: str) -> None:
    raw = json.dumps(data).encode()
    made = json.loads(cloudevents.structured(ATTRIBUTES, form, raw))
    content = {"datacontenttype": form} if form else {}
    assert made == {**ATTRIBUTES, **content, "data": data}


def test_data_that_is_no_json_is_kept_as_it_is_and_no_data_is_none() -> None:
    made = json.loads(cloudevents.structured(ATTRIBUTES, "text/plain", b"hand=left"))
    assert base64.b64decode(made.pop("data_base64")) == b"hand=left"
    assert made == {**ATTRIBUTES, "datacontenttype": "text/plain"}
    assert json.loads(cloudevents.structured(ATTRIBUTES, "", b"")) == ATTRIBUTES


@pytest.mark.parametrize(
    "data", [b"{", b"hand=left", b'{} , "userid": "43"', b'1, "type": "rapport.order_placed.v1"', b"[" * 100_000]
)
def test_data_that_says_to_be_json_and_is_not_says_no_attributes_of_its_own(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        cloudevents.structured(ATTRIBUTES, "application/json", data)


@given(data=st.data())
def test_any_json_gives_an_event_or_is_refused(data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([event(wire.TYPE_NAMES[type(body)], msgspec.to_builtins(body)) for body in OURS]))
    document = data.draw(JSON | spoiled({**good, "time": NOW.isoformat(), "userid": 1, "historical": True}, JSON))
    for by in (SERVER, PUBLIC):
        done = triaged(document, by)
        assert len(done.accepted) + len(done.refused) == 1
        assert triaged(document, by).event_ids == done.event_ids


@given(raw=st.binary())
def test_no_bytes_raise_anything_but_a_refusal(raw: bytes) -> None:
    assert triaged(raw).refused
