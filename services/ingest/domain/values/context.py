"""The context of an event: read leniently, because nothing in it may cost the event itself."""

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
# Headless browsers and bare HTTP clients: no person looks through them.
HEADLESS: Final = frozenset({"HeadlessChrome", "PhantomJS", "curl", "Wget", "Python Requests", "Go-http-client"})
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
        agent=agent(user_agent) if user_agent else _app(as_dict(sent.os), as_dict(sent.device)),
        page=page,
        campaign=_campaign(as_dict(sent.campaign), page),
        geo=locate(ip) if ip else None,
    )
    return None if found == NOTHING else found


@lru_cache(REMEMBERED)
def agent(user_agent: str) -> Agent:
    """Returns what a user agent says of itself. `bot` is set for crawlers, monitors and browsers without a person."""
    found = ua_parser.parse(user_agent)
    browser, os, device = found.user_agent, found.os, found.device
    return Agent(
        browser=browser.family if browser else "",
        browser_version=_version(browser.major, browser.minor) if browser else "",
        os=os.family if os else "",
        os_version=_version(os.major, os.minor) if os else "",
        device=device.family if device else "",
        bot=bool((device and device.family == SPIDER) or (browser and browser.family in HEADLESS)),
    )


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
