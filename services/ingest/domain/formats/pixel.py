"""An event in the address of an image."""

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

PAGE: Final = "page"
_OWN: Final = frozenset({"writeKey", "event", "userId", "anonymousId", "messageId", "timestamp"})


def message(parameters: Iterable[tuple[str, str]], *, referrer: str) -> dict[str, Any]:
    """Returns the message in an image's address; without an `event`, a view of the page that shows the image."""
    values = dict(parameters)
    properties = {name: value for name, value in values.items() if name not in _OWN}
    made: dict[str, Any] = {name: values[name] for name in sorted(_OWN - {"writeKey", "event"}) if values.get(name)}
    event = values.get("event", PAGE)
    if event != PAGE:
        return {**made, "type": "track", "event": event, "properties": properties, "context": _page(referrer)}
    return {**made, "type": "page", "properties": {"url": referrer, **properties}}


def page_origin(*, origin: str, referrer: str) -> str:
    """Returns the origin of the page that shows the image, as the browser names it; empty if it does not.

    Browsers request images without `Origin`; the page's origin stands in the referrer.
    """
    if origin:
        return origin
    try:
        page = urlsplit(referrer)
    except ValueError:  # not an address
        return ""
    return f"{page.scheme}://{page.netloc}".lower() if page.scheme in ("http", "https") and page.netloc else ""


def _page(referrer: str) -> dict[str, Any]:
    return {"page": {"url": referrer}} if referrer else {}
