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


MOBILE = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"


@pytest.mark.parametrize(
    "user_agent",
    [
        GOOGLE,
        "GoogleOther",
        f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) {MOBILE} (compatible; GoogleOther)",
        f"Mozilla/5.0 (Linux; Android 5.0) {MOBILE} (compatible; Bytespider; spider@example.com)",
        "Mozilla/5.0 (compatible; Claude-User/1.0; +Claude-User@example.com)",
        "Mozilla/5.0 (compatible; ChatGPT-User/1.0; +https://example.com/bot)",
        "Mozilla/5.0 (compatible; Perplexity-User/1.0)",
        "Mozilla/5.0 (compatible; GPTBot/1.2)",
        "Mozilla/5.0 (compatible; ClaudeBot/1.0)",
        "meta-externalagent/1.1",
        "facebookexternalhit/1.1",
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        "YahooMailProxy; https://example.com/proxy",
        "Mediapartners-Google",
        "UptimeRobot/2.0",
        "kube-probe/1.30",
        f"Mozilla/5.0 (Linux; Android 11; moto g power (2022)) {MOBILE} Chrome-Lighthouse",
        f"Mozilla/5.0 (X11; Linux x86_64) {MOBILE.replace('Chrome', 'HeadlessChrome')}",
        "curl/8.1.2",
        "Wget/1.21",
        "python-requests/2.31.0",
        "python-httpx/0.27.0",
        "Python/3.11 aiohttp/3.9.1",
        "Python-urllib/3.11",
        "okhttp/4.12.0",
        "Go-http-client/2.0",
        "Java/17.0.1",
        "Apache-HttpClient/4.5.14 (Java/17)",
        "axios/1.6.0",
        "node-fetch/1.0 (+https://example.com)",
        "node",
        "undici",
        "GuzzleHttp/7",
        "libwww-perl/6.67",
        "Ruby",
        "PostmanRuntime/7.36.0",
        "Dart/3.2 (dart:io)",
        "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1",
    ],
)
def test_whatever_no_person_looks_through_is_marked(user_agent: str) -> None:
    assert agent(user_agent).bot


@pytest.mark.parametrize(
    "user_agent",
    [
        FIREFOX,
        f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {MOBILE}",
        f"Mozilla/5.0 (Linux; Android 9; CUBOT X19) {MOBILE}",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
        "Shop/3.1 (Android)",
        "Shop/3.1 CFNetwork/1568.200.51 Darwin/24.1.0",
        "Javanese Tea/2.0 (iOS)",
        "NodeShop/1.0",
        "Rubyshop/1.0",
        "",
    ],
)
def test_a_person_s_browser_or_app_is_not_marked(user_agent: str) -> None:
    assert not agent(user_agent).bot


def test_an_app_that_sends_by_a_library_is_what_its_sdk_says() -> None:
    device = {"os": {"name": "Android", "version": "14"}, "device": {"model": "Pixel 8"}}
    found = known(device, user_agent="okhttp/4.12.0")
    assert found is not None
    assert found.agent == Agent(os="Android", os_version="14", device="Pixel 8")
    alone = known({}, user_agent="okhttp/4.12.0")
    assert alone is not None
    assert alone.agent is not None
    assert alone.agent.bot


@pytest.mark.parametrize(
    "user_agent",
    [
        f"Mozilla/5.0 (Linux; Android 13; V2166A; wv) {MOBILE} XWEB/1160065 MicroMessenger/8.0.47.2560 NetType/WIFI",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) Mobile/15E148 MicroMessenger/8.0.47(0x18002c2f)",
        f"Mozilla/5.0 (Windows NT 10.0) {MOBILE} MicroMessenger/8.0.47 WindowsWechat XWEB/8555",
    ],
)
def test_the_browser_of_wechat_is_named_on_every_system(user_agent: str) -> None:
    found = agent(user_agent)
    assert (found.browser, found.browser_version, found.bot) == ("WeChat Browser", "8.0", False)


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
