"""Deliveries as shops and payment providers send them, after their published shapes."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.field_cases.case import OK, Delivery, iso, seconds

DAY_BEFORE_YESTERDAY = iso(days=2)


def shopify_order(number: int, email: str, total: str, *, at: str = DAY_BEFORE_YESTERDAY, **fields: Any) -> Any:
    """Returns an order of one line, placed the day before yesterday and changed `at`."""
    customer = {"id": number + 5_000, "email": email, "phone": None, "updated_at": DAY_BEFORE_YESTERDAY}
    line = {"id": 31, "sku": "lamp", "title": "Lamp", "quantity": 1, "price": total, "discount_allocations": []}
    return {
        "id": number,
        "name": f"#{number}",
        "currency": "USD",
        "presentment_currency": "USD",
        "total_price": total,
        "current_total_price": total,
        "financial_status": "paid",
        "test": False,
        "created_at": DAY_BEFORE_YESTERDAY,
        "processed_at": DAY_BEFORE_YESTERDAY,
        "updated_at": at,
        "cancelled_at": None,
        "cancel_reason": None,
        "email": email,
        "phone": None,
        "customer": customer,
        "line_items": [{**line, "current_quantity": 1, "variant_id": 8, "product_id": 9}],
        "refunds": [],
        "fulfillments": [],
        **fields,
    }


def shopify_refund(number: int, order: int, amount: str, *, at: str) -> dict[str, Any]:
    """Returns a refund that was paid."""
    paid = {"kind": "refund", "status": "success", "amount": amount, "currency": "USD"}
    return {"id": number, "order_id": order, "created_at": at, "transactions": [paid]}


def woo_order(number: int, email: str, total: str, *, at: str = DAY_BEFORE_YESTERDAY, **fields: Any) -> Any:
    """Returns an order of one line, placed the day before yesterday and changed `at`. WooCommerce writes no zone."""
    line = {"id": 4, "name": "Kettle", "product_id": 21, "variation_id": 0, "quantity": 1, "sku": "kettle"}
    return {
        "id": number,
        "status": "processing",
        "currency": "USD",
        "total": total,
        "customer_id": 0,
        "billing": {"first_name": "Ines", "last_name": "Moreau", "email": email, "phone": "", "country": "US"},
        "date_created_gmt": DAY_BEFORE_YESTERDAY.removesuffix("Z"),
        "date_modified_gmt": at.removesuffix("Z"),
        "meta_data": [],
        "payment_method": "cod",
        "line_items": [{**line, "price": float(total), "total": total, "subtotal": total, "meta_data": []}],
        "refunds": [],
        **fields,
    }


def charge(name: str, email: str, amount: int, *, days: float = 2, **fields: Any) -> dict[str, Any]:
    """Returns a charge of dollars that was captured whole, so many days ago."""
    return {
        "id": f"ch_{name}",
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "captured": True,
        "currency": "usd",
        "created": seconds(days=days),
        "customer": f"cus_{email.partition('@')[0]}",
        "payment_intent": f"pi_{name}",
        "paid": True,
        "refunded": False,
        "status": "succeeded",
        "description": None,
        "receipt_email": None,
        "billing_details": {"email": email, "name": "Odd", "phone": None, "address": {"country": "US"}},
        "metadata": {},
        **fields,
    }


def stripe_refund(name: str, payment: str, amount: int) -> dict[str, Any]:
    """Returns a refund of dollars that succeeded."""
    return {
        "id": f"re_{name}",
        "object": "refund",
        "amount": amount,
        "currency": "usd",
        "created": seconds(hours=1),
        "status": "succeeded",
        "charge": f"ch_{payment}",
        "payment_intent": f"pi_{payment}",
        "metadata": {},
    }


def shopify(topic: str, body: Mapping[str, Any], **more: Any) -> Delivery:
    """A delivery of Shopify."""
    return Delivery(form="shopify", source=more.pop("source", "shopify"), topic=topic, body=body, answer=_answer(more))


def woo(topic: str, body: Mapping[str, Any], **more: Any) -> Delivery:
    """A delivery of WooCommerce."""
    source = more.pop("source", "woocommerce")
    return Delivery(form="woocommerce", source=source, topic=topic, body=body, answer=_answer(more))


def stripe(kind: str, thing: Mapping[str, Any], *, live: bool = True, **more: Any) -> Delivery:
    """A delivery of Stripe."""
    body = {
        "id": f"evt_{kind}_{thing['id']}",
        "object": "event",
        "api_version": "2024-06-20",
        "type": kind,
        "created": seconds(hours=1),
        "livemode": live,
        "data": {"object": {**thing, "livemode": live}},
    }
    return Delivery(form="stripe", source=more.pop("source", "stripe"), body=body, answer=_answer(more))


def _answer(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Part of the answer; nothing is quarantined, unless it is said."""
    return {**OK, "quarantined": 0, **fields}


def refunds(*each: tuple[int, str]) -> Sequence[dict[str, str | int]]:
    """Returns refunds as a WooCommerce order lists them."""
    return [{"id": number, "reason": "", "total": f"-{amount}"} for number, amount in each]
