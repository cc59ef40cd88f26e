"""A customer chose in a checkout how to pay."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class PaymentInfoEntered(WithExtra, frozen=True, kw_only=True):
    """A customer chose in a checkout how to pay."""

    TYPE: ClassVar = "rapport.payment_info_entered.v1"
    PUBLIC: ClassVar = True

    checkout_id: str | None = None
    order_id: str | None = None
    step: str = ""
    shipping_method: str = ""
    payment_method: str = ""
