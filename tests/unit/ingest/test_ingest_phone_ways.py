"""By whichever way an event comes in, a number in national form is read by the same rule."""

import json
from typing import Any, Final

import pytest

from services.ingest.domain.definitions.mapping import Mapper, parse
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.formats.files import FileFormat, Options
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.service import triage
from services.ingest.service.imports import Batch, Report
from services.ingest.service.triage import TriageResult
from shared.contracts.envelope import SourceKind
from shared.contracts.identity import Namespace
from tests.support.webhooks import NOW, delivery, events_of, source

NUMBER: Final = "01 5331234"  # in Vienna +43 1 5331234; in Germany no number
AUSTRIAN: Final = ["+4315331234"]
TILL: Final = {
    "rules": [
        {
            "event": "Sold",
            "fields": {"userId": "card", "context.traits.phone": "phone", "context.traits.country": "country"},
        }
    ]
}


def tracking(**country: str) -> Payload:
    call = {"type": "track", "event": "x", "userId": "42", "context": {"traits": {"phone": NUMBER, **country}}}
    return Payload(way=IngestMethod.TRACKING, raw=json.dumps(call).encode())


def identify(**country: str) -> Payload:
    call = {"type": "identify", "userId": "42", "traits": {"phone": NUMBER, "address": {"city": "Wien", **country}}}
    return Payload(way=IngestMethod.TRACKING, raw=json.dumps(call).encode())


def typed(**country: str) -> Payload:
    body = {"customer": {"user_id": "42", "phone": NUMBER, **country}, "order_id": "1"}
    return Payload(way=IngestMethod.TYPED, raw=json.dumps(body).encode(), around={"kind": "deliveries"})


def typed_traits(**country: str) -> Payload:
    body = {"customer": {"user_id": "42"}, "traits": {"phone": NUMBER, **country}}
    return Payload(
        way=IngestMethod.TYPED, raw=json.dumps(body).encode(), around={"kind": "customers", "idempotency_key": "k-1"}
    )


def cloudevent(**country: str) -> Payload:
    """As it comes over HTTP, and from Kafka."""
    attributes = {"specversion": "1.0", "id": "1", "source": "/erp", "type": "sold", "subject": "user_id:42"}
    data = {"customer": {"phone": NUMBER, **country}}
    return Payload(way=IngestMethod.CLOUDEVENTS, raw=json.dumps({**attributes, "data": data}).encode())


def woocommerce(**country: str) -> Payload:
    bill = {"billing": {"phone": NUMBER, **country}}
    order = {"id": 1, "status": "processing", "currency": "EUR", "total": "1.00", "customer_id": 42, "line_items": []}
    return delivery({**order, **bill}, {"x-wc-webhook-topic": "order.created"})


def till(**country: str) -> Payload:
    return delivery({"card": "42", "phone": NUMBER, **country}, {})


def file(**country: str) -> Payload:
    row = {"user_id": "42", "order_id": "1", "currency": "EUR", "total": "1.00", "phone": NUMBER, **country}
    return Payload(way=IngestMethod.FILE, raw=json.dumps(row).encode(), around={"file": "f", "row": 0})


METHODS: Final[dict[str, Any]] = {
    "a track call": (tracking, "tracking"),
    "an identify call": (identify, "tracking"),
    "a typed route": (typed, "tracking"),
    "traits of a typed route": (typed_traits, "tracking"),
    "a CloudEvent": (cloudevent, "tracking"),
    "a shop": (woocommerce, "woocommerce"),
    "a mapping": (till, "json"),
    "a row of a file": (file, "tracking"),
}


def taken(payload: Payload, by: Source) -> TriageResult:
    context = triage.context_for(by, NOW)
    file_mapper = Options(format=FileFormat.CSV, preset="orders").mapper() if payload.way is IngestMethod.FILE else None
    return triage.triage_payloads([payload], by, context, partition_secret=b"test", mapper=file_mapper)


def numbers(done: TriageResult) -> list[str]:
    [event] = events_of(done)
    found = [one.value for one in event.identities if one.namespace is Namespace.PHONE]
    assert done.unread_phones == (0 if found else 1)
    return found


@pytest.mark.parametrize("way", METHODS)
def test_a_national_number_is_read_by_the_customers_country_before_the_sources(way: str) -> None:
    made, form = METHODS[way]
    mapper = Mapper(parse(json.dumps(TILL).encode()))
    nowhere, here = (source(form, mapper=mapper, country=country) for country in (None, "AT"))
    german = source(form, mapper=mapper, country="DE")
    assert numbers(taken(made(country="AT"), nowhere)) == AUSTRIAN
    assert numbers(taken(made(country="AT"), german)) == AUSTRIAN
    assert numbers(taken(made(), here)) == AUSTRIAN
    assert numbers(taken(made(), nowhere)) == []
    assert numbers(taken(made(country="DE"), here)) == []


def test_an_import_counts_the_numbers_that_link_nobody() -> None:
    report = Report()
    for done in (taken(file(country=country), source("tracking")) for country in ("AT", "", "Austria")):
        report.add(Batch(done, 1))
    assert (report.events, report.refused, report.unread_phones) == (3, 0, 2)


def test_messages_that_are_read_in_a_few_steps_leave_numbers_to_the_same_rule() -> None:
    raw, by = identify().raw, source("tracking", country="AT")
    done = triage.triage_messages([raw], triage.context_for(by, NOW), partition_secret=b"test")
    assert numbers(done) == AUSTRIAN


def test_a_public_key_links_by_no_number_and_its_traits_have_the_same_form() -> None:
    by = source("tracking", kind=SourceKind.PUBLIC, country="AT")
    done = taken(identify(), by)
    [event] = events_of(done)
    assert [one.namespace for one in event.identities] == [Namespace.USER_ID]
    assert event.body.traits["phone"] == AUSTRIAN[0]  # type: ignore[attr-defined]
    assert taken(identify(), source("tracking", kind=SourceKind.PUBLIC)).unread_phones == 0
