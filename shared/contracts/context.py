"""The context of an event: where it happened, and on what.

Part of the envelope, because every kind of event has them. All fields may be empty; nothing here decides whose an
event is, or whether it is believed.
"""

import msgspec


class Page(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The page that was open. `search` is the query without its `?`."""

    url: str = ""
    path: str = ""
    title: str = ""
    referrer: str = ""
    search: str = ""


class Campaign(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What brought the visitor here: the UTM parameters."""

    name: str = ""
    source: str = ""
    medium: str = ""
    term: str = ""
    content: str = ""


class Agent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the user agent says of itself. `bot` marks crawlers and monitors."""

    browser: str = ""
    browser_version: str = ""
    os: str = ""
    os_version: str = ""
    device: str = ""
    bot: bool = False


class Geo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an address lies, as far as a database knows. `country` is ISO 3166-1 alpha-2."""

    country: str = ""
    region: str = ""
    city: str = ""


class Context(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The context of one event."""

    ip: str = ""
    locale: str = ""
    timezone: str = ""
    user_agent: str = ""
    library: str = ""
    agent: Agent | None = None
    page: Page | None = None
    campaign: Campaign | None = None
    geo: Geo | None = None
