"""By whichever way an event comes in, a value that means nobody links nobody, costs nothing else, and is counted."""

import json
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import pytest

from services.ingest.domain.definitions.mapping import Mapper, parse
from services.ingest.domain.errors import Reason
from services.ingest.domain.formats.files import FileFormat, Options
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.service import triage
from services.ingest.service.source_stats import SourceStats
from services.ingest.service.triage import TriageResult
from shared.contracts.envelope import SourceKind
from shared.contracts.events import CustomerIdentified
from shared.contracts.identity import Identity, Namespace
from tests.support.webhooks import NOW, delivery, events_of, source

MAIL: Final = "ann@example.com"
TILL: Final = {"rules": [{"event": "Sold", "fields": {"userId": "card", "context.traits.email": "mail"}}]}
ANN: Final = (Identity(Namespace.EMAIL, MAIL),)


def identify(user_id: Any, **more: Any) -> Payload:
    call = {"type": "identify", "userId": user_id, "traits": {"email": MAIL}, **more}
    return Payload(way=IngestMethod.TRACKING, raw=json.dumps(call).encode())


def track(user_id: Any) -> Payload:
    call = {"type": "track", "event": "x", "userId": user_id, "context": {"traits": {"email": MAIL}}}
    return Payload(way=IngestMethod.TRACKING, raw=json.dumps(call).encode())


def typed(user_id: Any) -> Payload:
    body = {"customer": {"user_id": user_id, "email": MAIL}, "order_id": "1"}
    return Payload(way=IngestMethod.TYPED, raw=json.dumps(body).encode(), around={"kind": "deliveries"})


def cloudevent(user_id: Any) -> Payload:
    attributes = {"specversion": "1.0", "id": "1", "source": "/erp", "type": "sold", "userid": user_id}
    return Payload(
        way=IngestMethod.CLOUDEVENTS, raw=json.dumps({**attributes, "data": {"customer": {"email": MAIL}}}).encode()
    )


def subject(user_id: Any) -> Payload:
    attributes = {"specversion": "1.0", "id": "1", "source": "/erp", "type": "sold", "subject": f"user_id:{user_id}"}
    return Payload(
        way=IngestMethod.CLOUDEVENTS, raw=json.dumps({**attributes, "data": {"customer": {"email": MAIL}}}).encode()
    )


def till(user_id: Any) -> Payload:
    return delivery({"card": user_id, "mail": MAIL}, {})


def file(user_id: Any) -> Payload:
    row = {"user_id": user_id, "order_id": "1", "currency": "EUR", "total": "1.00", "email": MAIL}
    return Payload(way=IngestMethod.FILE, raw=json.dumps(row).encode(), around={"file": "f", "row": 0})


METHODS: Final[dict[str, tuple[Callable[[Any], Payload], str]]] = {
    "an identify call": (identify, "tracking"),
    "a track call": (track, "tracking"),
    "a typed route": (typed, "tracking"),
    "a CloudEvent": (cloudevent, "tracking"),
    "a CloudEvent's subject": (subject, "tracking"),
    "a mapping": (till, "json"),
    "a row of a file": (file, "tracking"),
}


def taken(payload: Payload, form: str = "tracking", kind: SourceKind = SourceKind.SERVER) -> TriageResult:
    by = source(form, kind=kind, mapper=Mapper(parse(json.dumps(TILL).encode())))
    file_mapper = Options(format=FileFormat.CSV, preset="orders").mapper() if payload.way is IngestMethod.FILE else None
    context = triage.context_for(by, NOW)
    return triage.triage_payloads([payload], by, context, partition_secret=b"test", mapper=file_mapper)


@pytest.mark.parametrize("way", METHODS)
@pytest.mark.parametrize(
    "value", ["not_authenticated", "distinct_id", "(not set)", "{{user.id}}", "[]", "%USER_ID%", "null", "未登录"]
)
def test_a_placeholder_is_nobodys_user_id_whichever_way_it_comes(way: str, value: str) -> None:
    make, form = METHODS[way]
    done = taken(make(value), form)
    [event] = events_of(done)
    assert event.identities == ANN
    assert done.placeholders == {"user_id": 1}


@pytest.mark.parametrize("way", METHODS)
def test_a_real_user_id_is_no_placeholder_whichever_way_it_comes(way: str) -> None:
    make, form = METHODS[way]
    done = taken(make("guest42"), form)
    [event] = events_of(done)
    assert Identity(Namespace.USER_ID, "guest42") in event.identities
    assert not done.placeholders


def test_a_customers_address_that_means_nobody_stays_a_trait() -> None:
    traits = {"email": "noemail@shop.example", "phone": "000-000-0000"}
    done = taken(identify("42", traits=traits))
    [event] = events_of(done)
    assert event.identities == (Identity(Namespace.USER_ID, "42"),)
    assert isinstance(event.body, CustomerIdentified)
    assert event.body.traits == traits
    assert done.placeholders == {"email": 1, "phone": 1}
    assert done.unread_phones == 1


def test_what_a_public_key_says_of_addresses_identifies_nobody_anyway() -> None:
    done = taken(identify("{{id}}", anonymousId="a-1", traits={"email": "null"}), kind=SourceKind.PUBLIC)
    assert done.placeholders == {"user_id": 1}


def test_an_event_of_nobody_else_is_refused_and_counted() -> None:
    done = taken(identify("null", anonymousId="undefined", traits={}))
    [refused] = done.refused
    assert refused.error.reason is Reason.IDENTITY
    assert done.placeholders == {"user_id": 1, "anonymous_id": 1}


def test_an_alias_of_nobody_is_refused_and_counted() -> None:
    done = taken(identify("null", type="alias", previousId="a-1"))
    assert [one.error.reason for one in done.refused] == [Reason.IDENTITY]
    assert done.placeholders == {"user_id": 1}


def test_the_sources_figures_show_placeholders_by_namespace() -> None:
    stats = SourceStats()
    done = taken(identify("[object Object]", traits={"email": MAIL, "phone": "021-62345678x1"}))
    stats.note(UUID(int=7), done.outcomes(), NOW)
    figures = stats.take().figures
    assert figures[UUID(int=7), "placeholder", "user_id"] == 1
    assert figures[UUID(int=7), "unread_phone", ""] == 1


def test_plain_messages_are_counted_like_others() -> None:
    by = source("tracking")
    calls: list[dict[str, Any]] = [
        {"type": "track", "event": "x", "userId": value, "anonymousId": "a-1", "messageId": f"m-{number}",
         "timestamp": "2026-01-31T12:00:00Z"}
        for number, value in enumerate(["42", "{{user.id}}", "", None, "{{user.id}}"])
    ]  # fmt: skip
    calls.append({**calls[0], "type": "identify", "traits": {"email": "noemail@shop.example"}})
    raws = [json.dumps(call).encode() for call in calls]
    done = triage.triage_messages(raws, triage.context_for(by, NOW), partition_secret=b"test")
    assert len(done.accepted) == len(calls)
    assert done.placeholders == {"user_id": 2, "email": 1}
