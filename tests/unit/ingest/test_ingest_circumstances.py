"""What is known of where an event happened; nothing in it can cost the event."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.values.context import agent, event_context, nowhere, utm
from services.ingest.domain.values.message import Context as SentContext
from services.ingest.domain.values.message import context_in
from shared.contracts.context import Agent, Campaign, Context, Geo, Page
from tests.unit.ingest.test_ingest_normalise import JSON_WITHOUT_NUL, NOW, normalise, request_context

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PAGE = "https://shop.example/tea?utm_source=mail&utm_campaign=spring&x=1#top"


def known(sent: dict[str, Any], **connection: Any) -> Context | None:
    """What the context of an event comes to."""
    here: dict[str, Any] = {"address": "", "user_agent": "", "locate": nowhere} | connection
    return event_context(context_in(json.dumps(sent).encode()), **here)


def test_what_an_sdk_says_of_its_surroundings_is_kept() -> None:
    found = known(
        {
            "ip": "192.0.2.7",
            "locale": "zh-CN",
            "timezone": "Asia/Shanghai",
            "userAgent": FIREFOX,
            "library": {"name": "analytics.js", "version": "4.1.0"},
            "page": {"url": PAGE, "path": "/tea", "title": "茶", "referrer": "https://example.com/", "search": "?x=1"},
            "campaign": {"name": "spring", "source": "mail", "medium": "", "id": 7},
        }
    )

    assert found == Context(
        ip="192.0.2.7",
        locale="zh-CN",
        timezone="Asia/Shanghai",
        user_agent=FIREFOX,
        library="analytics.js/4.1.0",
        agent=Agent(browser="Firefox", browser_version="150.0", os="Linux"),
        page=Page(url=PAGE, path="/tea", title="茶", referrer="https://example.com/", search="x=1"),
        campaign=Campaign(name="spring", source="mail"),
    )


def test_a_phones_sdk_says_what_it_runs_on_in_place_of_a_user_agent() -> None:
    found = known({"os": {"name": "iOS", "version": "26.1"}, "device": {"model": "iPhone18,1", "type": "ios"}})
    assert found == Context(agent=Agent(os="iOS", os_version="26.1", device="iPhone18,1"))


def test_the_connection_says_what_the_sender_does_not() -> None:
    found = known({"ip": "198.51.100.1"}, address="192.0.2.7", user_agent=FIREFOX)
    assert found is not None
    assert (found.ip, found.user_agent) == ("198.51.100.1", FIREFOX)


def test_the_campaign_is_read_off_the_pages_address() -> None:
    found = known({"page": {"url": PAGE}})
    assert found is not None
    assert found.campaign == Campaign(name="spring", source="mail")
    assert utm("?q=utm_source") == {"name": ""}
    assert utm("q=1") == {}


def test_a_place_is_known_where_a_database_knows_it() -> None:
    def locate(address: str) -> Geo | None:
        return Geo(country="CN", city="杭州") if address == "192.0.2.7" else None

    assert known({"ip": "192.0.2.7"}, locate=locate) == Context(ip="192.0.2.7", geo=Geo(country="CN", city="杭州"))
    assert known({"ip": "192.0.2.8"}, locate=locate) == Context(ip="192.0.2.8")


@pytest.mark.parametrize(
    ("user_agent", "bot"),
    [(FIREFOX, False), (GOOGLE, True), ("UptimeRobot/2.0", True), ("curl/8.1.2", True), ("Shop/3.1 (Android)", False)],
)
def test_crawlers_monitors_and_bare_clients_are_marked(user_agent: str, bot: bool) -> None:
    assert agent(user_agent).bot is bot


def test_nothing_known_is_nothing() -> None:
    assert known({}) is None
    assert known({"page": {}, "library": {}, "os": "iOS", "locale": None, "ip": True}) is None


@given(st.dictionaries(st.sampled_from(SentContext.__struct_encode_fields__), JSON_WITHOUT_NUL))
def test_nothing_said_here_can_cost_the_event(sent: dict[str, Any]) -> None:
    sent.pop("traits", None)  # these name the customer, and are as strict as the event
    sent.pop("consent", None)
    event = normalise(
        json.dumps({"type": "track", "event": "x", "userId": "42", "messageId": "m", "context": sent}).encode(),
        request_context(),
    )
    assert event.received_at == NOW


def test_the_time_as_it_was_stated_is_kept_beside_the_corrected_one() -> None:
    raw = json.dumps({"type": "page", "userId": "42", "timestamp": "2026-01-31T10:00:00Z"}).encode()
    event = normalise(raw, request_context(sent_at=NOW.replace(hour=11)))
    assert event.stated_at == NOW.replace(hour=10)
    assert event.occurred_at == NOW.replace(hour=11)


def test_events_of_a_batch_that_share_a_context_share_what_is_known() -> None:
    by = request_context(context=context_in(b'{"locale": "en-GB"}'))
    one, other, own = (
        normalise(json.dumps({"type": "page", "userId": "42", "context": context}).encode(), by).context
        for context in ({"ip": "192.0.2.7"}, {"ip": "192.0.2.7"}, {"ip": "192.0.2.8", "locale": "de-DE"})
    )
    assert one is other
    assert one == Context(ip="192.0.2.7", locale="en-GB")
    assert own == Context(ip="192.0.2.8", locale="de-DE")
