"""Cases of shops: states that are left, snapshots that replace, one fact of two systems, and what is money."""

from tests.support.field_cases.case import Case, figures, iso
from tests.support.field_cases.vendors import (
    charge,
    refunds,
    shopify,
    shopify_order,
    shopify_refund,
    stripe,
    stripe_refund,
    woo,
    woo_order,
)

HOUR_AGO = iso(hours=1)
REFUND = shopify_refund(91_001, 7_001, "35.00", at=iso(hours=5))
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
)
WOOCOMMERCE = (
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
STRIPE = (
    Case(
        sentence="one refund that a shop and its payment provider tell counts once",
        steps=(
            woo("order.created", woo_order(601, "lea@till.example", "90.00")),
            stripe("charge.succeeded", charge("lea", "lea@till.example", 90_00, metadata={"order_id": "601"})),
            woo(
                "order.updated",
                woo_order(601, "lea@till.example", "90.00", at=HOUR_AGO, refunds=refunds((63, "25.00"))),
            ),
            stripe("refund.created", stripe_refund("lea", "lea", 25_00)),
        ),
        profiles={"email:lea@till.example": figures(orders=1, USD=65_00, refunded={"USD": 25_00})},
    ),
    Case(
        sentence="money that is held and never captured is no payment",
        steps=(
            stripe(
                "charge.succeeded",
                charge("mo", "mo@till.example", 80_00, captured=False, amount_captured=0),
                events=0,
            ),
            stripe(
                "charge.expired",
                charge("mo", "mo@till.example", 80_00, captured=False, amount_captured=0, amount_refunded=80_00),
                events=0,
            ),
        ),
        profiles={"email:mo@till.example": None},
    ),
    Case(
        sentence="a dispute that is lost takes the money back",
        steps=(
            stripe("charge.succeeded", charge("ned", "ned@till.example", 66_00)),
            stripe(
                "charge.dispute.funds_withdrawn",
                stripe_refund("ned", "ned", 66_00) | {"id": "dp_ned", "object": "dispute", "status": "lost"},
            ),
        ),
        profiles={"email:ned@till.example": figures(orders=1, USD=0, refunded={"USD": 66_00})},
    ),
    Case(
        sentence="a refund that comes before its charge waits for it",
        steps=(
            stripe("refund.created", stripe_refund("nia", "nia", 12_00), events=0, quarantined=1),
            stripe("charge.succeeded", charge("nia", "nia@till.example", 52_00)),
        ),
        profiles={"email:nia@till.example": figures(orders=1, USD=40_00, refunded={"USD": 12_00})},
    ),
    Case(
        sentence="a payment in test mode is ignored",
        steps=(stripe("charge.succeeded", charge("oz", "oz@till.example", 500_00), live=False, events=0),),
        profiles={"email:oz@till.example": None},
    ),
    Case(
        sentence="a deposit and a balance of one order add up",
        steps=tuple(
            stripe(
                "charge.succeeded",
                charge(f"pia-{part}", "pia@till.example", amount, days=days, metadata={"order_id": "B-19"}),
            )
            for part, amount, days in (("deposit", 20_00, 3), ("balance", 95_00, 1))
        ),
        profiles={"email:pia@till.example": figures(orders=1, USD=115_00)},
    ),
    Case(
        sentence="yen have no decimals, whatever the shop writes",
        steps=(
            stripe("charge.succeeded", charge("rin", "rin@till.example", 3_400, currency="jpy", customer=None)),
            woo("order.created", woo_order(602, "rin@till.example", "3400.00", currency="JPY")),
        ),
        profiles={"email:rin@till.example": figures(orders=2, JPY=6_800)},
    ),
)
CASES = (*SHOPIFY, *WOOCOMMERCE, *STRIPE)
