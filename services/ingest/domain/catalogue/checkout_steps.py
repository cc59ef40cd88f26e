"""How far a checkout came: `Checkout Step Viewed`, `Checkout Step Completed`, `Payment Info Entered`."""

from typing import Final

from services.ingest.domain.catalogue.simple import simple
from shared.contracts.events import CheckoutStepReached, PaymentInfoEntered

_STEP: Final = {
    "checkout_id": "checkout_id",
    "step": "step",
    "shipping_method": "shipping_method",
    "payment_method": "payment_method",
}

ENTRIES: Final = (
    simple(CheckoutStepReached, "checkout step viewed", texts=_STEP, required=("step",)),
    simple(CheckoutStepReached, "checkout step completed", texts=_STEP, required=("step",), completed=True),
    simple(PaymentInfoEntered, "payment info entered", texts={**_STEP, "order_id": "order_id"}),
)
