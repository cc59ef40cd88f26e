"""A page was seen, or a screen of an app."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class PageViewed(WithExtra, frozen=True, kw_only=True):
    """A page was seen, or a screen of an app."""

    TYPE: ClassVar = "rapport.page_viewed.v2"
    FIRST: ClassVar = "rapport.page_viewed.v1"
    PUBLIC: ClassVar = True

    url: str = ""
    path: str = ""
    title: str = ""
    referrer: str = ""
    screen: bool = False
