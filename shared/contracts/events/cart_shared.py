"""A customer told somebody of a cart."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class CartShared(WithExtra, frozen=True, kw_only=True):
    """A customer told somebody of a cart."""

    TYPE: ClassVar = "rapport.cart_shared.v1"
    PUBLIC: ClassVar = True

    cart_id: str | None = None
    via: str = ""
