"""The typed events: past tense, frozen, versioned. Money is integer minor units with an ISO 4217 code."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

MARKETING: Final = "marketing"  # the purpose of a message that says none, and of consent by channel alone


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an event says, without the envelope that says whose, when and by whom."""


class Told(Body, frozen=True):
    """A fact as somebody outside tells it. `more` is what was said beside that, in the sender's own words."""

    more: dict[str, Any] = {}


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line of an order or a cart. Prices are per unit, in minor units.

    `total_minor` is what the line comes to where that is not quantity times price: of weighed and discounted goods.
    `more` is what was said of it beside that, in the sender's own words.
    """

    sku: str
    name: str = ""
    category: str = ""
    quantity: int
    unit_price_minor: int
    unit_cost_minor: int | None = None
    total_minor: int | None = None
    more: dict[str, Any] = {}


class OrderPlaced(Told, frozen=True, kw_only=True):
    """A customer ordered. `total_minor` is what the customer pays.

    Said again later, with other items or another total, the later word counts; `placed_at` is then when the order was
    placed, where that is not when the event happened.
    """

    order_id: str
    currency: str
    total_minor: int
    items: tuple[Item, ...] = ()
    placed_at: datetime | None = None


class OrderCancelled(Told, frozen=True, kw_only=True):
    """An order no longer stands."""

    order_id: str
    reason: str = ""


class OrderRefunded(Told, frozen=True, kw_only=True):
    """Money went back for an order. `refund_id` makes one refund count once."""

    order_id: str
    refund_id: str
    currency: str
    amount_minor: int


class OrderShipped(Told, frozen=True, kw_only=True):
    """An order left for the customer."""

    order_id: str
    carrier: str = ""
    tracking_number: str = ""


class OrderDelayed(Told, frozen=True, kw_only=True):
    """An order will come later than promised."""

    order_id: str
    reason: str = ""
    expected_at: str = ""


class OrderDelivered(Told, frozen=True, kw_only=True):
    """An order reached the customer."""

    order_id: str


class PageViewed(Told, frozen=True, kw_only=True):
    """A page was seen, or a screen of an app."""

    url: str = ""
    path: str = ""
    title: str = ""
    referrer: str = ""
    screen: bool = False


class ProductViewed(Told, frozen=True, kw_only=True):
    """A product page was seen."""

    sku: str
    name: str = ""
    category: str = ""
    currency: str = ""
    price_minor: int | None = None


class CartUpdated(Told, frozen=True, kw_only=True):
    """What lies in a cart now."""

    cart_id: str
    currency: str
    total_minor: int
    items: tuple[Item, ...] = ()


class CheckoutStarted(Told, frozen=True, kw_only=True):
    """A customer began to pay."""

    checkout_id: str
    currency: str
    total_minor: int
    items: tuple[Item, ...] = ()


# The ratings of each survey: how likely to recommend, how satisfied.
SURVEY_SCALES: Final[Mapping[str, range]] = {"nps": range(11), "csat": range(1, 6)}


class FeedbackSubmitted(Told, frozen=True, kw_only=True):
    """A customer said how it was. A rating lies on its survey's scale, `SURVEY_SCALES`."""

    survey: Literal["nps", "csat"]
    rating: int
    text: str = ""
    order_id: str | None = None


class CustomerIdentified(Body, frozen=True):
    """Who a customer is: traits, and consent by channel (`{"email": true}`), which means marketing.

    With a purpose it is spelt `{"email:newsletter": true}`. `confirm_at` as in `ConsentChanged`.
    """

    traits: dict[str, Any] = {}
    consent: dict[str, bool] = {}
    confirm_at: str = ""


class ConsentChanged(Told, frozen=True, kw_only=True):
    """A customer gave consent to a channel and a purpose, or withdrew it. `evidence` is how: a form, its wording, …

    `confirm_at` is the mail address at which a visitor of a public source is to be asked whether that is so; what is
    granted there counts once it was confirmed.
    """

    channel: str
    granted: bool
    purpose: str = MARKETING
    evidence: dict[str, Any] = {}
    confirm_at: str = ""


class MessageSent(Body, frozen=True):
    """A message was handed to its channel, for a purpose that consent may be needed for."""

    message_id: UUID
    journey_id: str
    journey_version: int
    trigger_id: str
    channel: str
    subject: str = ""
    purpose: str = MARKETING


class CustomEvent(Body, frozen=True):
    """Anything that has no type of its own."""

    name: str
    properties: dict[str, Any] = {}


FACTS: Final[dict[type[Body], str]] = {
    OrderPlaced: "rapport.order_placed.v1",
    OrderCancelled: "rapport.order_cancelled.v1",
    OrderRefunded: "rapport.order_refunded.v1",
    OrderShipped: "rapport.order_shipped.v1",
    OrderDelayed: "rapport.order_delayed.v1",
    OrderDelivered: "rapport.order_delivered.v1",
    PageViewed: "rapport.page_viewed.v1",
    ProductViewed: "rapport.product_viewed.v1",
    CartUpdated: "rapport.cart_updated.v1",
    CheckoutStarted: "rapport.checkout_started.v1",
    FeedbackSubmitted: "rapport.feedback_submitted.v1",
    CustomerIdentified: "rapport.customer_identified.v1",
    ConsentChanged: "rapport.consent_changed.v1",
    MessageSent: "rapport.message_sent.v1",
    CustomEvent: "rapport.custom.v1",
}
