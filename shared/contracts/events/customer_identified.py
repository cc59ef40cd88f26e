"""Who a customer is: traits, and consent by channel (`{"email": true}`), which means marketing."""

from typing import Any, ClassVar

from shared.contracts.events.body import Body


class CustomerIdentified(Body, frozen=True):
    """Who a customer is: traits, and consent by channel (`{"email": true}`), which means marketing.

    With a purpose it is spelt `{"email:newsletter": true}`. `confirm_at` as in `ConsentChanged`.
    """

    TYPE: ClassVar = "rapport.customer_identified.v1"
    PUBLIC: ClassVar = True

    traits: dict[str, Any] = {}
    consent: dict[str, bool] = {}
    confirm_at: str = ""
