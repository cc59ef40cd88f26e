"""The typed events, a file each. The next one is a class in a file of its own and a line in `FACTS` here."""

from typing import Final

from shared.contracts.events.body import MARKETING, Body, Item, WithExtra
from shared.contracts.events.cart_item_added import CartItemAdded
from shared.contracts.events.cart_item_removed import CartItemRemoved
from shared.contracts.events.cart_shared import CartShared
from shared.contracts.events.cart_updated import CartUpdated
from shared.contracts.events.checkout_started import CheckoutStarted
from shared.contracts.events.checkout_step_reached import CheckoutStepReached
from shared.contracts.events.consent_changed import ConsentChanged
from shared.contracts.events.coupon_changed import CouponChanged
from shared.contracts.events.custom import CustomEvent
from shared.contracts.events.customer_identified import CustomerIdentified
from shared.contracts.events.feedback_submitted import SURVEY_SCALES, FeedbackSubmitted
from shared.contracts.events.list_member_added import ListMemberAdded
from shared.contracts.events.list_member_removed import ListMemberRemoved
from shared.contracts.events.message_bounced import MessageBounced
from shared.contracts.events.message_clicked import MessageClicked
from shared.contracts.events.message_delivered import MessageDelivered
from shared.contracts.events.message_fact import MessageFact
from shared.contracts.events.message_failed import MessageFailed
from shared.contracts.events.message_marked_spam import MessageMarkedSpam
from shared.contracts.events.message_opened import MessageOpened
from shared.contracts.events.message_sent import MessageSent
from shared.contracts.events.one_product import OneProduct
from shared.contracts.events.order_cancelled import OrderCancelled
from shared.contracts.events.order_delayed import OrderDelayed
from shared.contracts.events.order_delivered import OrderDelivered
from shared.contracts.events.order_placed import OrderPlaced, OrderRefund
from shared.contracts.events.order_refunded import OrderRefunded
from shared.contracts.events.order_shipped import OrderShipped
from shared.contracts.events.page_viewed import PageViewed
from shared.contracts.events.payment_info_entered import PaymentInfoEntered
from shared.contracts.events.product_clicked import ProductClicked
from shared.contracts.events.product_list_viewed import ProductListViewed
from shared.contracts.events.product_shared import ProductShared
from shared.contracts.events.product_viewed import ProductViewed
from shared.contracts.events.products_searched import ProductsSearched
from shared.contracts.events.promotion_clicked import PromotionClicked
from shared.contracts.events.promotion_viewed import PromotionViewed
from shared.contracts.events.review_submitted import ReviewSubmitted
from shared.contracts.events.tag_cleared import TagCleared
from shared.contracts.events.tag_set import TagSet
from shared.contracts.events.trait_set import TraitSet
from shared.contracts.events.wishlist_item_added import WishlistItemAdded
from shared.contracts.events.wishlist_item_removed import WishlistItemRemoved

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
        CartItemAdded,
        CartItemRemoved,
        CartShared,
        CheckoutStepReached,
        CouponChanged,
        MessageBounced,
        MessageClicked,
        MessageDelivered,
        MessageFailed,
        MessageMarkedSpam,
        MessageOpened,
        PaymentInfoEntered,
        ProductClicked,
        ProductListViewed,
        ProductShared,
        ProductsSearched,
        PromotionClicked,
        PromotionViewed,
        ReviewSubmitted,
        WishlistItemAdded,
        WishlistItemRemoved,
        TraitSet,
        TagSet,
        TagCleared,
        ListMemberAdded,
        ListMemberRemoved,
        CustomEvent,
    )
}

__all__ = [
    "FACTS",
    "MARKETING",
    "SURVEY_SCALES",
    "Body",
    "CartItemAdded",
    "CartItemRemoved",
    "CartShared",
    "CartUpdated",
    "CheckoutStarted",
    "CheckoutStepReached",
    "ConsentChanged",
    "CouponChanged",
    "CustomEvent",
    "CustomerIdentified",
    "FeedbackSubmitted",
    "Item",
    "ListMemberAdded",
    "ListMemberRemoved",
    "MessageBounced",
    "MessageClicked",
    "MessageDelivered",
    "MessageFact",
    "MessageFailed",
    "MessageMarkedSpam",
    "MessageOpened",
    "MessageSent",
    "OneProduct",
    "OrderCancelled",
    "OrderDelayed",
    "OrderDelivered",
    "OrderPlaced",
    "OrderRefund",
    "OrderRefunded",
    "OrderShipped",
    "PageViewed",
    "PaymentInfoEntered",
    "ProductClicked",
    "ProductListViewed",
    "ProductShared",
    "ProductViewed",
    "ProductsSearched",
    "PromotionClicked",
    "PromotionViewed",
    "ReviewSubmitted",
    "TagCleared",
    "TagSet",
    "TraitSet",
    "WishlistItemAdded",
    "WishlistItemRemoved",
    "WithExtra",
]
