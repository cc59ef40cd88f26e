"""Cases of shops: states that are left, snapshots that replace, customers and orders of their own."""

from tests.support.field_cases.case import Case, figures, iso
from tests.support.field_cases.vendors import (
    refunds,
    shopify,
    shopify_order,
    shopify_refund,
    woo,
    woo_order,
)

HOUR_AGO = iso(hours=1)
REFUND = shopify_refund(91_001, 7_001, "35.00", at=iso(hours=5))
MOVED = shopify_refund(91_002, 7_007, "15.00", at=iso(hours=5))
SHOPIFY = (
    Case(
        sentence="an order that is cancelled after a refund of part of it leaves nothing, and no debt",
        steps=(
            shopify("orders/create", shopify_order(7_001, "ada@lumen.example", "140.00")),
            shopify("refunds/create", REFUND),
            shopify(
                "orders/cancelled",
                shopify_order(7_001, "ada@lumen.example", "140.00", at=HOUR_AGO)
                | {"cancelled_at": HOUR_AGO, "cancel_reason": "customer", "refunds": [REFUND]},
            ),
        ),
        profiles={"email:ada@lumen.example": figures(orders=0, refunded={"USD": 35_00})},
    ),
    Case(
        sentence="an edit that says what changed, and no order, is ignored",
        steps=(
            shopify("orders/create", shopify_order(7_002, "bo@lumen.example", "75.00"), events=1),
            shopify(
                "orders/edited",
                {
                    "order_edit": {
                        "id": 6_601,
                        "order_id": 7_002,
                        "created_at": HOUR_AGO,
                        "committed_at": HOUR_AGO,
                        "line_items": {"additions": [{"id": 32, "delta": 2}], "removals": []},
                    }
                },
                events=0,
                ignored="topic orders/edited",
            ),
        ),
        profiles={"email:bo@lumen.example": figures(orders=1, USD=75_00)},
    ),
    Case(
        sentence="an older snapshot that comes after a newer one changes nothing",
        steps=(
            shopify("orders/updated", shopify_order(7_003, "cy@lumen.example", "62.00", at=HOUR_AGO)),
            shopify("orders/create", shopify_order(7_003, "cy@lumen.example", "99.00")),
        ),
        profiles={"email:cy@lumen.example": figures(orders=1, USD=62_00)},
    ),
    Case(
        sentence="a sale to nobody known, at a till, is ignored",
        steps=(
            shopify(
                "orders/create",
                shopify_order(7_004, "", "9.00", customer=None),
                events=0,
                ignored="orders/create: an order of nobody known",
            ),
        ),
    ),
    Case(
        sentence="of two words of one second the one that is delivered later counts",
        steps=(
            shopify("orders/create", shopify_order(7_005, "di@lumen.example", "45.00")),
            shopify("orders/updated", shopify_order(7_005, "di@lumen.example", "54.00")),
        ),
        profiles={"email:di@lumen.example": figures(orders=1, USD=54_00)},
    ),
    Case(
        sentence="an order whose payment is voided counts no longer",
        steps=(
            shopify("orders/create", shopify_order(7_006, "ed@lumen.example", "210.00", financial_status="authorized")),
            shopify(
                "orders/updated",
                shopify_order(7_006, "ed@lumen.example", "210.00", at=HOUR_AGO, financial_status="voided"),
            ),
        ),
        profiles={"email:ed@lumen.example": figures(orders=0, refunded={"USD": 0})},
    ),
    Case(
        sentence="an order that the shop gives to another customer moves there, refunds and tier included",
        steps=(
            shopify("orders/create", shopify_order(7_007, "fox@lumen.example", "160.00")),
            shopify("refunds/create", MOVED),
        ),
        later=(
            shopify(
                "orders/updated",
                shopify_order(
                    7_007,
                    "gem@lumen.example",
                    "160.00",
                    at=HOUR_AGO,
                    current_total_price="145.00",
                    refunds=[MOVED],
                    customer={"id": 12_999, "email": "gem@lumen.example", "updated_at": HOUR_AGO},
                ),
            ),
        ),
        profiles={
            "email:fox@lumen.example": figures(orders=0),
            "email:gem@lumen.example": figures(orders=1, USD=145_00, refunded={"USD": 15_00}),
        },
        standings={
            "email:fox@lumen.example": {"tier": "bronze", "orders": 0, "window_spend_minor": 0},
            "email:gem@lumen.example": {"tier": "silver", "orders": 1, "window_spend_minor": 145_00},
        },
    ),
)
WOOCOMMERCE = (
    Case(
        sentence="an order that is deleted and restored counts",
        steps=(
            woo("order.created", woo_order(505, "liv@kiln.example", "39.00")),
            woo("order.deleted", {"id": 505}),
            woo("order.restored", woo_order(505, "liv@kiln.example", "39.00", at=iso())),
        ),
        profiles={"email:liv@kiln.example": figures(orders=1, USD=39_00)},
    ),
    Case(
        sentence="an order that was cancelled and is paid in the end counts",
        steps=(
            woo("order.updated", woo_order(501, "fay@kiln.example", "48.00", at=iso(hours=3), status="cancelled")),
            woo("order.updated", woo_order(501, "fay@kiln.example", "48.00", at=HOUR_AGO)),
        ),
        profiles={"email:fay@kiln.example": figures(orders=1, USD=48_00)},
    ),
    Case(
        sentence="the refund in an order of a plugin's status is read",
        steps=(
            woo("order.created", woo_order(502, "gus@kiln.example", "80.00")),
            woo(
                "order.updated",
                woo_order(
                    502, "gus@kiln.example", "80.00", at=HOUR_AGO, status="in-transit", refunds=refunds((61, "15.00"))
                ),
            ),
        ),
        profiles={"email:gus@kiln.example": figures(orders=1, USD=65_00, refunded={"USD": 15_00})},
    ),
    Case(
        sentence="a SKU that a plugin made a number is read",
        steps=(
            woo(
                "order.created",
                woo_order(
                    503,
                    "hal@kiln.example",
                    "24.00",
                    line_items=[{"name": "Cup", "product_id": 2, "quantity": 1, "total": "24.00", "sku": 90_817}],
                ),
            ),
        ),
        profiles={"email:hal@kiln.example": figures(orders=1, USD=24_00)},
    ),
    Case(
        sentence="a refund that the shop deletes counts no longer",
        steps=(
            woo("order.created", woo_order(504, "ida@kiln.example", "72.00")),
            woo(
                "order.updated",
                woo_order(504, "ida@kiln.example", "72.00", at=iso(hours=4), refunds=refunds((62, "72.00"))),
            ),
            woo("order.updated", woo_order(504, "ida@kiln.example", "72.00", at=HOUR_AGO)),
        ),
        profiles={"email:ida@kiln.example": figures(orders=1, USD=72_00)},
    ),
    Case(
        sentence="two shops that count from one have two customers and two orders",
        steps=(
            woo("order.created", woo_order(1, "jan@kiln.example", "33.00", customer_id=1), source="shop in Lyon"),
            woo("order.created", woo_order(1, "kay@kiln.example", "44.00", customer_id=1), source="shop in Bern"),
        ),
        profiles={
            "email:jan@kiln.example": figures(orders=1, USD=33_00),
            "email:kay@kiln.example": figures(orders=1, USD=44_00),
        },
    ),
    Case(
        sentence="two people with accounts of their own and one telephone are two customers",
        steps=tuple(
            woo(
                "order.created",
                woo_order(
                    number,
                    f"{name}@kiln.example",
                    total,
                    customer_id=number,
                    billing={"email": f"{name}@kiln.example", "phone": phone, "country": "US"},
                ),
            )
            for number, name, total, phone in (
                (41, "dad", "18.00", "(415) 555-0132"),
                (42, "daughter", "27.00", "415 555 0132"),
            )
        ),
        profiles={
            "email:dad@kiln.example": figures(orders=1, USD=18_00),
            "email:daughter@kiln.example": figures(orders=1, USD=27_00),
        },
    ),
)
CASES = (*SHOPIFY, *WOOCOMMERCE)
