"""A page, or a screen of an app, was seen: `page` and `screen` calls, `POST /v1/page-views`."""

from typing import Any, Final

import msgspec

from services.ingest.domain.catalogue import fast_parts as fast
from services.ingest.domain.catalogue.entry import (
    EXAMPLE_VISITOR,
    CatalogueEntry,
    EventMeaning,
    Fact,
    FactCall,
    Fields,
    TypedRoute,
)
from services.ingest.domain.catalogue.properties import Properties, beside
from services.ingest.domain.values import message
from services.ingest.domain.values.context import short
from services.ingest.domain.values.message import Message, Scalar, Sent, text
from shared.contracts.events import PageViewed

NAME: Final = "Page"  # as a tracking plan speaks of it


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    """What the properties of a page call say of the page."""

    url: Scalar = None
    path: Scalar = None
    title: Scalar = None
    referrer: Scalar = None


_PROPERTIES: Final = Properties(_Page, *_Page.__struct_fields__)


def viewed(call: Message, properties: bytes, page: Fields, *, screen: bool) -> PageViewed:
    """Returns the page view of a call; `page` is what its context says of the page that was open."""
    own, held = _PROPERTIES.read(properties)
    name, title = text(call.name), text(own.title) or short(page.get("title"))
    extra = {} if held else beside(message.decode_object(properties), _PROPERTIES.held)
    if category := text(call.category):
        extra = {"category": category, **extra}
    if title and name not in ("", title):
        extra = {"name": name, **extra}
    return PageViewed(
        url=text(own.url) or short(page.get("url")),
        path=text(own.path) or short(page.get("path")),
        title=title or name,
        referrer=text(own.referrer) or short(page.get("referrer")),
        screen=screen,
        extra=extra,
    )


class OpenPage(msgspec.Struct, frozen=True):
    """The page that was open, as far as an event's context says it."""

    url: str = ""
    path: str = ""
    title: str = ""
    referrer: str = ""


_HELD: Final = frozenset(OpenPage.__struct_fields__)


def fast_viewed(call: Sent, fields: Fields, page: OpenPage, *, screen: bool) -> PageViewed:
    """Returns what `viewed` does, in a few steps. Anything else in place of a text raises `TypeError`."""
    extra = {} if _HELD.issuperset(fields) else fast.beside(fields, _HELD)
    title = fast.strip(fields.get("title", "")) or page.title
    if call.category is not None:
        category: Any = call.category
        if category := fast.strip(category):
            extra = {"category": category, **extra}
    name: Any = call.name
    name = "" if name is None else fast.strip(name)
    if title and name not in ("", title):
        extra = {"name": name, **extra}
    return PageViewed(
        url=fast.strip(fields.get("url", "")) or page.url,
        path=fast.strip(fields.get("path", "")) or page.path,
        title=title or name,
        referrer=fast.strip(fields.get("referrer", "")) or page.referrer,
        screen=screen,
        extra=extra,
    )


class PageView(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page or a screen was seen."""

    url: str = ""
    path: str = ""
    title: str = ""
    referrer: str = ""


def _understand(fact: PageView, _: FactCall) -> EventMeaning:
    fields: Fields = {name: text(value) for name in _Page.__struct_fields__ if (value := getattr(fact, name))}
    return EventMeaning(NAME, PageViewed(**fields), fields)


ENTRY: Final = CatalogueEntry(
    body=PageViewed,
    route=TypedRoute(
        path="page-views",
        body=PageView,
        key="header",
        example={"customer": EXAMPLE_VISITOR, "url": "https://shop.example/tea", "path": "/tea"},
        understand=_understand,
    ),
)
