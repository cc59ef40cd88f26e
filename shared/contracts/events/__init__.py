"""The typed events, a file each. The next one is a class in a file of its own and a line in `FACTS` here."""

from typing import Final

from shared.contracts.events.body import MARKETING, Body, Item, WithExtra
from shared.contracts.events.cart_updated import CartUpdated
from shared.contracts.events.checkout_started import CheckoutStarted
from shared.contracts.events.consent_changed import ConsentChanged
from shared.contracts.events.custom import CustomEvent
from shared.contracts.events.customer_identified import CustomerIdentified
from shared.contracts.events.feedback_submitted import SURVEY_SCALES, FeedbackSubmitted
from shared.contracts.events.message_sent import MessageSent
from shared.contracts.events.order_cancelled import OrderCancelled
from shared.contracts.events.order_delayed import OrderDelayed
from shared.contracts.events.order_delivered import OrderDelivered
from shared.contracts.events.order_placed import OrderPlaced, OrderRefund
from shared.contracts.events.order_refunded import OrderRefunded
from shared.contracts.events.order_shipped import OrderShipped
from shared.contracts.events.page_viewed import PageViewed
from shared.contracts.events.product_viewed import ProductViewed

FACTS: Final[dict[type[Body], str]] = {
    body: body.TYPE
    for body in (
        OrderPlaced,
        OrderCancelled,
        OrderRefunded,
        OrderShipped,
        OrderDelayed,
        OrderDelivered,
        PageViewed,
        ProductViewed,
        CartUpdated,
        CheckoutStarted,
        FeedbackSubmitted,
        CustomerIdentified,
        ConsentChanged,
        MessageSent,
        CustomEvent,
    )
}

__all__ = [
    "FACTS",
    "MARKETING",
    "SURVEY_SCALES",
    "Body",
    "CartUpdated",
    "CheckoutStarted",
    "ConsentChanged",
    "CustomEvent",
    "CustomerIdentified",
    "FeedbackSubmitted",
    "Item",
    "MessageSent",
    "OrderCancelled",
    "OrderDelayed",
    "OrderDelivered",
    "OrderPlaced",
    "OrderRefund",
    "OrderRefunded",
    "OrderShipped",
    "PageViewed",
    "ProductViewed",
    "WithExtra",
]
