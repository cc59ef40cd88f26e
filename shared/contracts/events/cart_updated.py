"""What lies in a cart now."""

from typing import ClassVar

from shared.contracts.events.body import Item, WithExtra


class CartUpdated(WithExtra, frozen=True, kw_only=True):
    """What lies in a cart now."""

    TYPE: ClassVar = "rapport.cart_updated.v2"
    FIRST: ClassVar = "rapport.cart_updated.v1"
    PUBLIC: ClassVar = True

    cart_id: str
    currency: str
    total_minor: int
    items: tuple[Item, ...] = ()
