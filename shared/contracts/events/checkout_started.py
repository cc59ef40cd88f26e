"""A customer began to pay."""

from typing import ClassVar

from shared.contracts.events.body import Item, Told


class CheckoutStarted(Told, frozen=True, kw_only=True):
    """A customer began to pay."""

    TYPE: ClassVar = "rapport.checkout_started.v1"
    PUBLIC: ClassVar = True

    checkout_id: str
    currency: str
    total_minor: int
    items: tuple[Item, ...] = ()
