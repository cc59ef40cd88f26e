"""Consent as it comes in: by route, call, file and trait; and what a public source is believed of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.definitions.consent import USUAL, Document, Word, Words
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.errors import BadDefinition
from services.ingest.domain.formats.files import FileFormat, Options
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.service.triage import TriageResult
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import ConsentChanged, CustomerIdentified
from tests.support.webhooks import events_of, refusal_of, source, taken

SERVER = source("tracking")
PUBLIC = source("tracking", kind=SourceKind.PUBLIC)
ALLOWED = source("tracking", kind=SourceKind.PUBLIC, may_say=frozenset({"addresses", "consent"}))
WITHOUT_ADDRESSES = source("tracking", kind=SourceKind.PUBLIC, may_say=frozenset({"consent"}))
GIVEN = {"channel": "email", "granted": True}
WITHDRAWN = {"channel": "email", "granted": False}


def send(by: Source, **fields: Any) -> TriageResult:
    raw = json.dumps({"anonymousId": "a-1", "messageId": "m", **fields}).encode()
    return taken(Payload(way=IngestMethod.TRACKING, raw=raw), by)


def changed(properties: dict[str, Any], by: Source = SERVER, **fields: Any) -> Event:
    [event] = events_of(send(by, type="track", event="Consent Changed", properties=properties, **fields))
    return event


def identified(by: Source = SERVER, **fields: Any) -> CustomerIdentified:
    [event] = events_of(send(by, type="identify", **fields))
    assert isinstance(event.body, CustomerIdentified)
    return event.body


def asked(choice: dict[str, bool], **traits: Any) -> dict[str, Any]:
    return {"context": {"consent": {"categoryPreferences": choice}}, "traits": traits}


def test_what_names_no_purpose_is_marketing() -> None:
    assert changed(GIVEN).body == ConsentChanged(channel="email", granted=True, purpose="marketing")
    body = changed({**WITHDRAWN, "purpose": " Newsletter ", "evidence": {"form": "footer"}, "page": "/tea"}).body
    expected = ConsentChanged(
        channel="email", granted=False, purpose="newsletter", evidence={"form": "footer"}, extra={"page": "/tea"}
    )
    assert body == expected


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"granted": True}, "channel: required"),
        ({"channel": "email"}, "granted: required"),
        ({"channel": "e mail", "granted": True}, "channel: 'e mail'"),
        ({**GIVEN, "purpose": "x" * 41}, "purpose: "),
        ({**GIVEN, "granted": "maybe"}, "granted: neither yes nor no"),
        ({**GIVEN, "granted": ["yes"]}, "properties of 'Consent Changed'"),
        ({**GIVEN, "evidence": {"text": "x" * 4_000}}, "evidence: 4011 bytes"),
    ],
)
def test_what_can_not_be_kept_as_consent_is_refused_with_its_place(properties: dict[str, Any], reason: str) -> None:
    assert refusal_of(send(SERVER, type="track", event="Consent Changed", properties=properties)).startswith(reason)


def test_identify_gives_and_withdraws_by_channel_and_by_channel_and_purpose() -> None:
    call = asked({"email": True, "sms:marketing": False, "email:newsletter": False})
    assert identified(**call).consent == {"email": True, "sms": False, "email:newsletter": False}


def test_a_file_gives_and_withdraws() -> None:
    mapper = Options(format=FileFormat.CSV, preset="consents").mapper()
    assert mapper is not None
    row = {"email": "ann@example.com", "channel": "email", "granted": "no", "changed_at": "2026-01-02", "evidence": "x"}
    [made] = mapper.apply(row)
    body = changed(made["properties"], timestamp=made["timestamp"], context=made["context"]).body
    assert body == ConsentChanged(channel="email", granted=False, evidence={"note": "x"})


# What a public source is believed


def test_a_public_source_is_believed_nothing_of_consent_unless_it_may_say_it() -> None:
    event = changed(WITHDRAWN, PUBLIC, context={"traits": {"email": "ann@example.com"}})
    assert event.unverified
    assert identified(PUBLIC, **asked({"email": False}, email="ann@example.com")).consent == {}


def test_what_it_grants_is_a_claim_with_the_address_to_ask_and_what_it_withdraws_is_believed() -> None:
    call_context = {"context": {"traits": {"email": "Ann@Example.com"}}}
    granted = changed(GIVEN, ALLOWED, **call_context)
    assert isinstance(granted.body, ConsentChanged)
    assert (granted.unverified, granted.body.confirm_at) == (True, "ann@example.com")
    assert [str(one) for one in granted.identities] == ["anonymous_id:a-1"]
    withdrawn = changed(WITHDRAWN, ALLOWED, **call_context)
    assert isinstance(withdrawn.body, ConsentChanged)
    assert (withdrawn.unverified, withdrawn.body.confirm_at) == (False, "")
    customer = identified(ALLOWED, **asked({"email": True, "telepathy": True}, email="ann@example.com"))
    assert (customer.consent, customer.confirm_at) == ({"email": True}, "ann@example.com")


def test_a_source_that_may_not_say_addresses_names_none_to_ask() -> None:
    call_context = {"context": {"traits": {"email": "ann@example.com"}}}
    body = changed(GIVEN, WITHOUT_ADDRESSES, **call_context).body
    assert isinstance(body, ConsentChanged)
    assert body.confirm_at == ""


@pytest.mark.parametrize("by", [SERVER, PUBLIC, WITHOUT_ADDRESSES])
def test_nobody_says_whom_to_ask_by_the_contract_s_own_word(by: Source) -> None:
    data = {"channel": "email", "granted": True, "confirm_at": "victim@example.com"}
    attributes = {"specversion": "1.0", "id": "1", "source": "/s", "subject": "anonymous_id:a"}
    raw = json.dumps({**attributes, "type": "rapport.consent_changed.v1", "data": data}).encode()
    [event] = events_of(taken(Payload(way=IngestMethod.CLOUDEVENTS, raw=raw), by))
    assert isinstance(event.body, ConsentChanged)
    assert event.body.confirm_at == ""


# Words


def with_words(document: Document, kind: SourceKind = SourceKind.SERVER) -> Source:
    return source("tracking", kind=kind, consent_words=Words(document))


def test_the_usual_words_mean_consent_only_where_that_is_switched_on() -> None:
    traits = {"email_opt_in": True, "name": "Ann"}
    assert identified(SERVER, traits=traits, userId="1").consent == {}
    assert identified(with_words("usual"), traits=traits, userId="1").consent == {"email": True}


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"subscribed": True}, {"email": True}),
        ({"acceptsMarketing": "true"}, {"email": True}),
        ({"accepts_marketing": False}, {"email": False}),
        ({"Newsletter": "yes"}, {"email": True}),
        ({"newsletter": 1, "sms_opt_in": 0}, {"email": True, "sms": False}),
        ({"unsubscribed": True}, {"email": False}),
        ({"unsubscribed": "no"}, {"email": True}),
        ({"email_opt_in": True, "unsubscribed": True}, {"email": False}),
        ({"subscribed": "pending"}, {}),
        ({"subscribed": None, "newsletter": ["a"], "sms_opt_in": ""}, {}),
        ({"email_marketing_consent": "not_subscribed"}, {"email": False}),
    ],
)
def test_the_usual_words_in_the_usual_spellings(traits: dict[str, Any], expected: dict[str, bool]) -> None:
    assert identified(with_words("usual"), traits=traits).consent == expected


def test_a_word_and_an_explicit_choice_that_disagree_withdraw() -> None:
    assert identified(with_words("usual"), **asked({"email": True}, subscribed=False)).consent == {"email": False}
    assert identified(with_words("usual"), **asked({"email": False}, subscribed=True)).consent == {"email": False}


def test_a_source_has_words_of_its_own() -> None:
    own = with_words({"wants_news": "email:newsletter", "no_mail": Word(to="email", inverted=True)})
    assert identified(own, traits={"wants_news": 1, "no_mail": True}).consent == {
        "email:newsletter": True,
        "email": False,
    }


@pytest.mark.parametrize("to", ["", "e mail", "email:a b", "x" * 41])
def test_a_word_that_means_no_channel_and_purpose_is_no_word(to: str) -> None:
    with pytest.raises(BadDefinition):
        Words({"a": to})


def test_a_public_key_s_words_count_as_little_as_its_consent() -> None:
    assert identified(with_words("usual", SourceKind.PUBLIC), traits={"subscribed": True}).consent == {}


@given(st.dictionaries(st.sampled_from(sorted(USUAL)), st.booleans() | st.sampled_from(["yes", "no", "?"])))
def test_no_mixture_of_words_makes_a_yes_where_one_of_them_says_no(traits: dict[str, Any]) -> None:
    words = Words("usual")
    together = words.read(traits)
    for name, value in traits.items():
        for to, granted in words.read({name: value}).items():
            assert granted or together[to] is False
