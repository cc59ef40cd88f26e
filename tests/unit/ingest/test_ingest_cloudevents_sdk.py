"""CloudEvents as the official SDK of Python writes them, over HTTP and on Kafka, are what they say."""

import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.v1.event import CloudEvent

from services.ingest.domain.definitions.source import Source
from services.ingest.domain.formats import cloudevents, inbound
from services.ingest.domain.payload import IngestMethod, Payload
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import OrderPlaced
from tests.support.webhooks import SOURCE, events_of, refusal_of, taken

SERVER: Final = Source(id=SOURCE, name="erp", kind=SourceKind.SERVER)
DATA: Final = {"order_id": "A-1", "currency": "EUR", "total": "9.50"}
AT: Final = datetime(2026, 1, 30, 9, 30, tzinfo=UTC)
WHO: Final = "user_id:Zoë 茶"


def made(**extensions: Any) -> CloudEvent:
    attributes = {"id": "e-1", "source": "/erp", "type": "Order Completed", "time": AT, "subject": WHO}
    return CloudEvent({**attributes, "datacontenttype": "application/json", **extensions}, dict(DATA))


def read(raw: bytes) -> Event:
    [found] = events_of(taken(Payload(way=IngestMethod.CLOUDEVENTS, raw=raw), SERVER))
    return found


def on_kafka(message: kafka.KafkaMessage) -> bytes:
    body = inbound.decode(list(message.headers.items()), message.value).body
    assert isinstance(body, inbound.Inbound)
    return body.raw


def over_http(message: http.HTTPMessage) -> bytes:
    headers = {name.lower(): value for name, value in message.headers.items()}
    if headers["content-type"].startswith(cloudevents.MEDIA_TYPE):
        return message.body
    attributes = {
        name.removeprefix("ce-"): cloudevents.header_text(value.encode().decode("latin-1"))
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    return cloudevents.structured(attributes, headers["content-type"], message.body)


WAYS: Final = {
    "kafka, binary": lambda event: on_kafka(kafka.to_binary_event(event)),
    "kafka, structured": lambda event: on_kafka(kafka.to_structured_event(event)),
    "http, binary": lambda event: over_http(http.to_binary_event(event)),
    "http, structured": lambda event: over_http(http.to_structured_event(event)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("historical", [True, False, None, "true", "FALSE"])
def test_an_event_of_the_sdk_is_what_it_says(way: str, historical: bool | str | None) -> None:
    event = made() if historical is None else made(historical=historical)
    found = read(WAYS[way](event))
    assert found.body == OrderPlaced(order_id="A-1", currency="EUR", total_minor=950, state="placed")
    assert (str(found.identities[0]), found.occurred_at) == (WHO, AT)
    assert found.historical is (str(historical).lower() == "true")


@pytest.mark.parametrize("media", ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8"])
def test_a_structured_record_is_one_however_its_header_is_written_and_whatever_stands_beside(media: str) -> None:
    structured = kafka.to_structured_event(made())
    headers = {"Content-Type": media.encode(), "ce_specversion": b"1.0"}
    found = read(on_kafka(kafka.KafkaMessage(headers, None, structured.value)))
    assert found.body == OrderPlaced(order_id="A-1", currency="EUR", total_minor=950, state="placed")
    bare = read(on_kafka(kafka.KafkaMessage({}, None, structured.value)))
    assert bare.event_id == found.event_id
    capitals = {name.upper(): value for name, value in kafka.to_binary_event(made()).headers.items()}
    binary = read(on_kafka(kafka.KafkaMessage(capitals, None, kafka.to_binary_event(made()).value)))
    assert (binary.event_id, binary.body) == (found.event_id, found.body)


@pytest.mark.parametrize("text", ["yes", "1", "", "wahr", "None"])
def test_any_other_word_for_history_is_refused(text: str) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/erp", "type": "Order Completed", "subject": "user_id:42"}
    raw = json.dumps({**event, "historical": text, "data": DATA}).encode()
    found = refusal_of(taken(Payload(way=IngestMethod.CLOUDEVENTS, raw=raw), SERVER))
    assert found == f"historical: {text!r}; send true or false"


@pytest.mark.parametrize("text", ["Zoë", "茶 & 100 %", "Zoe", "%41"])
def test_a_header_may_be_percent_encoded_or_utf_8_as_it_is(text: str) -> None:
    assert cloudevents.header_text(quote(text)) == text
    if "%" not in text:
        assert cloudevents.header_text(text.encode().decode("latin-1")) == text
    assert cloudevents.header_text("Zo\xeb") == "Zoë"  # Latin-1
