"""Cases of payments: what is money and when, and one fact that a shop and its payment provider tell."""

from tests.support.field_cases.case import Case, figures, iso
from tests.support.field_cases.vendors import charge, refunds, stripe, stripe_refund, woo, woo_order

HOUR_AGO = iso(hours=1)
DISPUTE = {"id": "dp_obi", "object": "dispute"}
CASES = (
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
        sentence="a dispute that is won gives the money back",
        steps=(
            stripe("charge.succeeded", charge("obi", "obi@till.example", 38_00)),
            *(
                stripe(kind, stripe_refund("obi", "obi", 38_00) | {"status": status} | DISPUTE)
                for kind, status in (
                    ("charge.dispute.funds_withdrawn", "needs_response"),
                    ("charge.dispute.funds_reinstated", "won"),
                )
            ),
        ),
        profiles={"email:obi@till.example": figures(orders=1, USD=38_00)},
    ),
    Case(
        sentence="a payment that comes before its order is no order of its own",
        steps=(
            stripe("charge.succeeded", charge("pam", "pam@till.example", 81_00)),
            woo("order.created", woo_order(603, "pam@till.example", "81.00", transaction_id="pi_pam")),
        ),
        profiles={"email:pam@till.example": figures(orders=1, USD=81_00)},
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
