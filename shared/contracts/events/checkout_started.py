"""A customer began to pay."""

from typing import ClassVar

from shared.contracts.events.body import Item, WithExtra


class CheckoutStarted(WithExtra, frozen=True, kw_only=True):
    """A customer began to pay."""

    TYPE: ClassVar = "rapport.checkout_started.v2"
    FIRST: ClassVar = "rapport.checkout_started.v1"
    PUBLIC: ClassVar = True

    checkout_id: str
    currency: str
    total_minor: int
    items: tuple[Item, ...] = ()
