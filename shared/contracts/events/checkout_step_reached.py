"""A customer saw a step of a checkout, or completed it."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class CheckoutStepReached(WithExtra, frozen=True, kw_only=True):
    """A customer saw a step of a checkout, or completed it."""

    TYPE: ClassVar = "rapport.checkout_step_reached.v1"
    PUBLIC: ClassVar = True

    step: str
    completed: bool = False
    checkout_id: str | None = None
    shipping_method: str = ""
    payment_method: str = ""
