"""The context of an event: read leniently, because nothing in it may cost the event itself."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

import ua_parser

from services.ingest.domain.values.message import Context as SentContext
from services.ingest.domain.values.message import as_dict, text
from shared.contracts.context import Agent, Campaign, Context, Geo, Page

Locate = Callable[[str], Geo | None]

MAX_LENGTH: Final = 2_000  # characters of any one text here; a URL may be as long as that
REMEMBERED: Final = 4_096  # user agents; there are few, and reading one costs as much as an event
SPIDER: Final = "Spider"  # ua-parser's device family of crawlers and monitors
# Who says of itself that no person looks through it, and is not among ua-parser's spiders: crawlers, what fetches pages
# for assistants, mail services' proxies for pictures, checks of health and speed, browsers without a window.
AUTOMATED: Final = re.compile(
    r"\b(?:Bytespider|GoogleOther|Google-Extended|Google-Read-Aloud|Google-Safety|Google-Site-Verification|GoogleHC"
    r"|APIs-Google|FeedFetcher-Google|Mediapartners-Google|GoogleImageProxy|YahooMailProxy|BingPreview|Claude-User"
    r"|Claude-Web|anthropic-ai|ChatGPT-User|Perplexity-User|MistralAI-User|DuckAssistBot|cohere-ai|meta-externalagent"
    r"|meta-externalfetcher|Gemini-Deep-Research|Chrome-Lighthouse|GTmetrix|kube-probe|ELB-HealthChecker"
    r"|HeadlessChrome|PhantomJS|Playwright|Puppeteer|Cypress|Selenium|WindowsPowerShell|BarracudaCentral)\b",
    re.ASCII | re.IGNORECASE,
)
# What programs send with whose library they send. An app's library does so, too, and names the device beside it.
HTTP_LIBRARY: Final = re.compile(
    r"(?:python|aiohttp|httpx|okhttp|Go-http-client|curl|Wget|Java|Apache-HttpClient|Jakarta|axios|node|node-fetch"
    r"|undici|got|GuzzleHttp|PHP|Symfony HttpClient|libwww-perl|LWP|Ruby|Faraday|rest-client|http\.rb|PostmanRuntime"
    r"|insomnia|HTTPie|Dart|reqwest|hyper|Deno|Bun|RestSharp)(?:[/ ;(-]|$)",
    re.ASCII | re.IGNORECASE,
)
WECHAT: Final = "WeChat Browser"  # as ua-parser calls it where it finds it
_WECHAT: Final = re.compile(r"\bMicroMessenger/(\d+)(?:\.(\d+))?", re.ASCII)
NOTHING: Final = Context()


def nowhere(_: str) -> Geo | None:
    """Returns where an address lies when there is no database: None."""
    return None


def event_context(sent: SentContext, *, address: str, user_agent: str, locate: Locate) -> Context | None:
    """Returns what is known of an event's context; None if that is nothing. Never raises.

    `address` and `user_agent` are the connection's, for what the sender does not say itself.
    """
    ip = short(sent.ip) or address
    user_agent = short(sent.user_agent) or user_agent
    page = _page(as_dict(sent.page))
    found = Context(
        ip=ip,
        locale=short(sent.locale),
        timezone=short(sent.timezone),
        user_agent=user_agent,
        library=_library(as_dict(sent.library)),
        agent=_agent(user_agent, as_dict(sent.os), as_dict(sent.device)),
        page=page,
        campaign=_campaign(as_dict(sent.campaign), page),
        geo=locate(ip) if ip else None,
    )
    return None if found == NOTHING else found


@lru_cache(REMEMBERED)
def agent(user_agent: str) -> Agent:
    """Returns what a user agent says of itself. `bot` is set for whatever no person looks through."""
    found = ua_parser.parse(user_agent)
    browser, os, device = found.user_agent, found.os, found.device
    wechat = _WECHAT.search(user_agent)
    name, version = (browser.family, _version(browser.major, browser.minor)) if browser else ("", "")
    if wechat is not None:  # on Android ua-parser finds the browser that it is built on
        name, version = WECHAT, _version(*wechat.groups())
    return Agent(
        browser=name,
        browser_version=version,
        os=os.family if os else "",
        os_version=_version(os.major, os.minor) if os else "",
        device=device.family if device else "",
        bot=(device is not None and device.family == SPIDER)
        or AUTOMATED.search(user_agent) is not None
        or HTTP_LIBRARY.match(user_agent) is not None,
    )


def _agent(user_agent: str, os: Mapping[str, Any], device: Mapping[str, Any]) -> Agent | None:
    """Returns what the user agent says; of an app that sends by an HTTP library, what its SDK says of the device."""
    if user_agent and not ((os or device) and HTTP_LIBRARY.match(user_agent)):
        return agent(user_agent)
    return _app(os, device)


def _version(*parts: str | None) -> str:
    return ".".join(part for part in parts if part)


def _app(os: Mapping[str, Any], device: Mapping[str, Any]) -> Agent | None:
    """Returns what a phone's SDK says in place of a user agent."""
    if not os and not device:
        return None
    model = short(device.get("model")) or short(device.get("type"))
    return Agent(os=short(os.get("name")), os_version=short(os.get("version")), device=model)


def _page(sent: Mapping[str, Any]) -> Page | None:
    if not sent:
        return None
    found = {name: value for name in ("url", "path", "title", "referrer") if (value := short(sent.get(name)))}
    search = short(sent.get("search")).removeprefix("?")
    return Page(**found, search=search) if found or search else None


def _campaign(sent: Mapping[str, Any], page: Page | None) -> Campaign | None:
    """Returns the campaign that the SDK read, or else the UTM parameters in the page's address."""
    named = sent or (utm(page.search or query_of(page.url)) if page else {})
    found = {name: value for name in _CAMPAIGN if (value := short(named.get(name)))}
    return Campaign(**found) if found else None


_CAMPAIGN: Final = ("name", "source", "medium", "term", "content")


def utm(query: str) -> Mapping[str, str]:
    """Returns the UTM parameters in a query, named as a campaign's parts."""
    if "utm_" not in query:
        return {}
    parameters = {name: value for name, value in parse_qsl(query) if name.startswith("utm_")}
    found = {name.removeprefix("utm_"): value for name, value in parameters.items()}
    return {**found, "name": found.get("campaign", "")}


def query_of(url: str) -> str:
    """Returns the query of an address, without its `?`; empty if it is not an address."""
    return url.partition("#")[0].partition("?")[2]


def _library(sent: Mapping[str, Any]) -> str:
    name, version = short(sent.get("name")), short(sent.get("version"))
    return f"{name}/{version}" if name and version else name


def short(value: Any) -> str:
    """Returns a scalar as a text, cut at `MAX_LENGTH`; empty for anything else."""
    return text(value)[:MAX_LENGTH] if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
