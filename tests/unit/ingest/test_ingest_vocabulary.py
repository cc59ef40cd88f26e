"""The vocabulary: each name of the specifications is a typed event, and a name that is near one is warned of."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.catalogue import vocabulary
from services.ingest.domain.catalogue.registry import BY_NAME
from services.ingest.domain.catalogue.understanding import understood
from services.ingest.domain.catalogue.vocabulary import near
from shared.contracts import events
from shared.contracts.events import Body, CustomEvent

PAGE: Final = Path(__file__).parents[3] / "docs" / "vocabulary.md"

TEA: Final[dict[str, Any]] = {
    "product_id": "p-1",
    "sku": "TEA-1",
    "name": "龙井",
    "category": "tea",
    "brand": "B",
    "price": 12.5,
    "currency": "EUR",
}
ITEM: Final[dict[str, Any]] = {
    "sku": "TEA-1",
    "name": "龙井",
    "category": "tea",
    "currency": "EUR",
    "price_minor": 1250,
}
BESIDE: Final[dict[str, Any]] = {"product_id": "p-1", "brand": "B"}
LIST: Final[dict[str, Any]] = {"list_id": "teas", "category": "tea", "products": [{"product_id": "p-1"}]}
SPRING: Final[dict[str, Any]] = {"promotion_id": "spring", "creative": "banner", "name": "Spring", "position": "top"}
STEP: Final = {"checkout_id": "k-1", "step": 2, "shipping_method": "DHL", "payment_method": "card"}
COUPON: Final = {"order_id": "o-1", "cart_id": "c-1", "coupon_id": "SPRING", "coupon_name": "Spring", "discount": 5}
USED: Final[dict[str, Any]] = {"coupon_id": "SPRING", "name": "Spring", "order_id": "o-1", "cart_id": "c-1"}
MAIL: Final = {"email_id": "m-1", "email_subject": "Teas", "campaign_id": "c-9", "campaign_name": "Spring"}
MADE: Final[dict[str, Any]] = {
    "message_id": "m-1",
    "subject": "Teas",
    "definition_id": "c-9",
    "extra": {"campaign_name": "Spring"},
}

SPECIFIED: Final[list[tuple[str, dict[str, Any], Body]]] = [
    ("Products Searched", {"query": "龙井"}, events.ProductsSearched(query="龙井")),
    (
        "Product List Viewed",
        LIST,
        events.ProductListViewed(list_id="teas", category="tea", extra={"products": LIST["products"]}),
    ),
    (
        "Product List Filtered",
        {**LIST, "sorts": [{"type": "price"}]},
        events.ProductListViewed(
            list_id="teas",
            category="tea",
            filtered=True,
            extra={"products": LIST["products"], "sorts": [{"type": "price"}]},
        ),
    ),
    ("Promotion Viewed", SPRING, events.PromotionViewed(**SPRING)),
    ("Promotion Clicked", SPRING, events.PromotionClicked(**SPRING)),
    ("Product Clicked", TEA, events.ProductClicked(**ITEM, extra=BESIDE)),
    ("Product Viewed", TEA, events.ProductViewed(**ITEM, extra=BESIDE)),
    (
        "Product Added",
        {**TEA, "cart_id": "c-1", "quantity": 2},
        events.CartItemAdded(**ITEM, cart_id="c-1", quantity=2, extra=BESIDE),
    ),
    ("Product Removed", {**TEA, "cart_id": "c-1"}, events.CartItemRemoved(**ITEM, cart_id="c-1", extra=BESIDE)),
    (
        "Product Added",
        {"cart_id": "c-1", "currency": "EUR", "products": [{"sku": "TEA-1", "price": 5}]},
        events.CartUpdated(
            cart_id="c-1",
            currency="EUR",
            total_minor=500,
            items=(events.Item(sku="TEA-1", quantity=1, unit_price_minor=500),),
        ),
    ),
    (
        "Checkout Step Viewed",
        STEP,
        events.CheckoutStepReached(step="2", checkout_id="k-1", shipping_method="DHL", payment_method="card"),
    ),
    (
        "Checkout Step Completed",
        STEP,
        events.CheckoutStepReached(
            step="2", checkout_id="k-1", shipping_method="DHL", payment_method="card", completed=True
        ),
    ),
    (
        "Payment Info Entered",
        {**STEP, "order_id": 7},
        events.PaymentInfoEntered(
            checkout_id="k-1", order_id="7", step="2", shipping_method="DHL", payment_method="card"
        ),
    ),
    ("Coupon Entered", COUPON, events.CouponChanged(state="entered", **USED, extra={"discount": 5})),
    ("Coupon Applied", COUPON, events.CouponChanged(state="applied", **USED, extra={"discount": 5})),
    (
        "Coupon Denied",
        {**COUPON, "reason": "late"},
        events.CouponChanged(state="denied", reason="late", **USED, extra={"discount": 5}),
    ),
    ("Coupon Removed", COUPON, events.CouponChanged(state="removed", **USED, extra={"discount": 5})),
    (
        "Product Added to Wishlist",
        {**TEA, "wishlist_id": "w", "wishlist_name": "Birthday"},
        events.WishlistItemAdded(**ITEM, wishlist_id="w", wishlist_name="Birthday", extra=BESIDE),
    ),
    (
        "Product Removed from Wishlist",
        {**TEA, "wishlist_id": "w"},
        events.WishlistItemRemoved(**ITEM, wishlist_id="w", extra=BESIDE),
    ),
    (
        "Wishlist Product Added to Cart",
        {**TEA, "wishlist_id": "w", "cart_id": "c-1"},
        events.CartItemAdded(**ITEM, wishlist_id="w", cart_id="c-1", extra=BESIDE),
    ),
    (
        "Product Shared",
        {**TEA, "share_via": "email", "recipient": "friend@example.com"},
        events.ProductShared(**ITEM, via="email", extra={**BESIDE, "recipient": "friend@example.com"}),
    ),
    (
        "Cart Shared",
        {"share_via": "email", "cart_id": "c-1", "products": [{"product_id": "p-1"}]},
        events.CartShared(cart_id="c-1", via="email", extra={"products": [{"product_id": "p-1"}]}),
    ),
    (
        "Product Reviewed",
        {"product_id": "p-1", "review_id": "r", "review_body": "Fresh", "rating": "4.5"},
        events.ReviewSubmitted(sku="p-1", review_id="r", text="Fresh", rating=4.5),
    ),
    ("Email Delivered", MAIL, events.MessageDelivered(**MADE)),
    ("Email Opened", {**MAIL, "automated": True}, events.MessageOpened(**MADE, automated=True)),
    (
        "Email Link Clicked",
        {**MAIL, "link_id": "l", "link_url": "https://shop.example/"},
        events.MessageClicked(**MADE, link_id="l", url="https://shop.example/"),
    ),
    ("Email Bounced", {**MAIL, "reason": "full"}, events.MessageBounced(**MADE, reason="full")),
    ("Email Failed", {**MAIL, "reason": "no address"}, events.MessageFailed(**MADE, reason="no address")),
    ("Email Marked as Spam", MAIL, events.MessageMarkedSpam(**MADE)),
    (
        "Unsubscribed",
        {"email_id": "m-1", "list_id": "l"},
        events.ConsentChanged(
            channel="email",
            granted=False,
            evidence={"event": "Unsubscribed"},
            extra={"email_id": "m-1", "list_id": "l"},
        ),
    ),
]


@pytest.mark.parametrize(("name", "properties", "body"), SPECIFIED, ids=[name for name, _, _ in SPECIFIED])
def test_an_event_of_the_specification_is_a_typed_event(name: str, properties: dict[str, Any], body: Body) -> None:
    assert understood(name, json.dumps(properties).encode(), "m") == body


@pytest.mark.parametrize("name", sorted(name for name, entry in BY_NAME.items() if entry.lenient))
@pytest.mark.parametrize("odd", [{"sku": []}, {"price": "dear", "currency": "EUR"}, {"step": {}}, {"email_id": {}}, {}])
def test_behaviour_is_never_refused_for_its_properties(name: str, odd: dict[str, Any]) -> None:
    body = understood(name, json.dumps(odd).encode(), "m")
    assert body is None or not isinstance(body, CustomEvent)


def test_the_page_of_the_documentation_is_what_is_understood() -> None:
    """Else run `python -m services.ingest.domain.catalogue.vocabulary > docs/vocabulary.md`."""
    assert PAGE.read_text() == vocabulary.page()


# Names that are near


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("order_completed", "Order Completed"),
        ("OrderCompleted", "Order Completed"),
        ("Order  Completed", "Order Completed"),
        ("Order Complete", "Order Completed"),
        ("Completed Order", "Order Completed"),
        ("Order Refund", "Order Refunded"),
        ("Prodcut Viewed", "Product Viewed"),
        ("Product Vieved", "Product Viewed"),
        ("Product Add", "Product Added"),
        ("Email Open", "Email Opened"),
        ("Unsubscribe", "Unsubscribed"),
        ("Order Completed", None),
        ("ORDER COMPLETED", None),
        ("Signed Up", None),
        ("Wishlist Shared", None),
        ("Purchase", None),
        ("", None),
        ("茶", None),
    ],
)
def test_a_name_that_is_almost_a_known_one_is_near_it(name: str, known: str | None) -> None:
    assert near(name) == known
    assert bool(vocabulary.warnings(CustomEvent(name=name))) is (known is not None)


@given(st.sampled_from(sorted(BY_NAME)), st.integers(0), st.characters(categories=["Ll"]))
def test_one_letter_more_less_or_other_is_near(name: str, at: int, letter: str) -> None:
    at %= len(name)
    for changed in (name[:at] + name[at + 1 :], name[:at] + letter + name[at:], name[:at] + letter + name[at + 1 :]):
        assert near(changed) is not None or changed in BY_NAME


@given(st.text(max_size=300))
def test_whatever_a_name_is_it_is_near_or_not(name: str) -> None:
    assert near(name) is None or name.lower() not in BY_NAME
