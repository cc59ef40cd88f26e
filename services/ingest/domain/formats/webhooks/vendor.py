"""What a webhook vendor is made of: one object, in the vendor's own file."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.ingest.domain.formats.webhooks.delivery import Delivery, Translated

Verify = Callable[[bytes, Delivery, datetime], None]
Translate = Callable[[Delivery], Translated]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One vendor, or one way of signing that vendors share. `registry.py` has them by their names."""

    name: str
    """What a source's `format` says."""
    headers: tuple[str, ...]
    """How the names of the headers that describe a delivery begin, in small letters; its signature is among them."""
    verify: Verify
    """Returns if a delivery is signed with this secret at this time; raises `BadSignature`."""
    translate: Translate | None
    """Returns what a delivery means. Raises `BadEvent`, or what msgspec raises. None: the source's mapping does it."""
    telling_headers: tuple[str, ...] = ()
    """The headers that distinguish a delivery from another of the same bytes."""
    needs_secret: bool = True
    """Whether a source without a secret accepts nothing. Otherwise its write key authenticates it."""
    numbers_its_own: bool = False
    """Whether ids of customers and orders are numbers that another shop of this vendor has, too: a new source has a
    space of its own then."""
    topics: tuple[str, ...] = ()
    """The topics that a shop has to subscribe for its orders, its refunds and its customers to be right: a source's
    page shows which of them never came."""
    topic: Callable[[Delivery], str] | None = None
    """Returns the topic of a delivery. Raises what msgspec raises for a payload of another shape."""
    signs_its_id: bool = False
    """Whether the signature covers the `webhook-id`, so that it may be believed."""
