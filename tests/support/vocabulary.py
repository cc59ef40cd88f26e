"""A sample of each fact of behaviour, of each about a message of another system, and of what servers alone say."""

from datetime import UTC, datetime
from typing import Any, Final

from shared.contracts import events
from shared.contracts.events import Body

_TEA: Final[dict[str, Any]] = {
    "sku": "TEA-1",
    "name": "龙井",
    "category": "tea",
    "currency": "CNY",
    "price_minor": 88_00,
}
_MAIL: Final[dict[str, Any]] = {"message_id": "m-1", "definition_id": "spring", "subject": "New teas"}

BEHAVIOUR: Final[tuple[Body, ...]] = (
    events.ProductsSearched(query="龙井"),
    events.ProductListViewed(list_id="teas", category="tea", filtered=True),
    events.ProductClicked(**_TEA, extra={"position": 3}),
    events.PromotionViewed(promotion_id="spring", name="Spring", creative="banner", position="home"),
    events.PromotionClicked(promotion_id="spring", name="Spring"),
    events.CartItemAdded(**_TEA, quantity=2, cart_id="C-1", wishlist_id="W-1"),
    events.CartItemRemoved(**_TEA, cart_id="C-1"),
    events.CheckoutStepReached(step="2", completed=True, checkout_id="K-1", shipping_method="DHL"),
    events.PaymentInfoEntered(checkout_id="K-1", order_id="A-1001", step="3", payment_method="card"),
    events.CouponChanged(state="denied", coupon_id="SPRING", cart_id="C-1", reason="too late"),
    events.WishlistItemAdded(**_TEA, wishlist_id="W-1", wishlist_name="Birthday"),
    events.WishlistItemRemoved(**_TEA, wishlist_id="W-1"),
    events.ProductShared(**_TEA, via="email"),
    events.CartShared(cart_id="C-1", via="email"),
    events.ReviewSubmitted(sku="TEA-1", review_id="V-1", rating=4.5, text="Fresh, 谢谢!"),
)
MESSAGES: Final[tuple[Body, ...]] = (
    events.MessageDelivered(**_MAIL),
    events.MessageOpened(**_MAIL, automated=True),
    events.MessageClicked(**_MAIL, link_id="l-1", url="https://shop.example/tea"),
    events.MessageBounced(**_MAIL, permanent=True, reason="550 5.1.1 unknown"),
    events.MessageMarkedSpam(**_MAIL),
)
TOLD_BY_SERVERS: Final[tuple[Body, ...]] = (
    events.MessageFailed(**_MAIL, reason="no address"),
    events.TraitSet(traits={"favourite_tea": "龙井", "churn_risk": 0.2}),
    events.TagSet(tag="tea lover", reason="bought tea", expires_at=datetime(2027, 3, 1, tzinfo=UTC)),
    events.TagCleared(tag="tea lover"),
    events.ListMemberAdded(list_id="spring-tasting", expires_at=datetime(2027, 3, 1, tzinfo=UTC)),
    events.ListMemberRemoved(list_id="spring-tasting"),
)
