"""What each state of each vendor says of an order: whether it counts. The tables of `docs/ingest.md` are these."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from services.ingest.domain.formats.webhooks import shopify, woocommerce
from tests.support.webhooks import delivery, events_of, folded, source, taken
from tests.unit.ingest.test_ingest_shopify import ORDER as SHOPIFY_ORDER
from tests.unit.ingest.test_ingest_stripe import CHARGE, wrapped
from tests.unit.ingest.test_ingest_woocommerce import ORDER as WOO_ORDER

COUNTS: Final = "counts"
NOT: Final = "does not count"
AS_IT_WAS: Final = "stays as it was"
NOTHING: Final = "no fact"

# By vendor: the field that has the state, and what becomes of an order in it.
STATES: Final[dict[str, dict[str, str]]] = {
    "shopify": {
        "pending": COUNTS,
        "authorized": COUNTS,
        "partially_paid": COUNTS,
        "paid": COUNTS,
        "partially_refunded": COUNTS,
        "refunded": COUNTS,
        "expired": NOT,
        "voided": NOT,
    },
    "woocommerce": {
        "processing": COUNTS,
        "completed": COUNTS,
        "on-hold": COUNTS,
        "refunded": COUNTS,
        "pending": NOT,
        "failed": NOT,
        "checkout-draft": NOT,
        "auto-draft": NOT,
        "draft": NOT,
        "cancelled": NOT,
        "trash": NOT,
        "another, of a plugin": AS_IT_WAS,
    },
    "stripe": {
        "succeeded, captured": COUNTS,
        "succeeded, captured for less": COUNTS,
        "succeeded, held": NOTHING,
        "pending": NOTHING,
        "failed": NOTHING,
    },
}
ORDERS: Final = {"shopify": "450001", "woocommerce": "7300", "stripe": "A-77"}
FULL: Final = {"shopify": 5800, "woocommerce": 8595, "stripe": 4250}
CASES: Final = [(vendor, state, becomes) for vendor, table in STATES.items() for state, becomes in table.items()]


def deliver(vendor: str, state: str | None, at: int, **more: Any) -> list[Any]:
    """Returns the events of a delivery on an order that is in this state, at this hour of a day."""
    hour = f"2026-01-31T{at:02}:00:00"
    if vendor == "shopify":
        body = {**SHOPIFY_ORDER, "financial_status": state, "updated_at": f"{hour}Z", **more}
        return events_of(taken(delivery(body, {"x-shopify-topic": "orders/updated"}), source(vendor)))
    if vendor == "woocommerce":
        body = {**WOO_ORDER, "status": state, "date_modified_gmt": hour, **more}
        return events_of(taken(delivery(body, {"x-wc-webhook-topic": "order.updated"}), source(vendor)))
    status, _, capture = (state or "succeeded, captured").partition(", ")
    captured = {"captured": 4250, "captured for less": 3000}.get(capture, 0)
    charge = {**CHARGE, "status": status, "captured": captured > 0, "amount_captured": captured, **more}
    seconds = int(datetime(2026, 1, 31, at, tzinfo=UTC).timestamp())
    event = wrapped("charge.succeeded", charge, f"evt_{at}", created=seconds)
    return events_of(taken(delivery(event, {}), source(vendor)))


@pytest.mark.parametrize(("vendor", "state", "becomes"), CASES)
def test_each_state_of_a_vendor_counts_or_not(vendor: str, state: str, becomes: str) -> None:
    found = deliver(vendor, state, at=8)
    if becomes == NOTHING:
        assert found == []
        return
    order = folded(found, ORDERS[vendor])
    assert order.counts is (becomes in (COUNTS, AS_IT_WAS))
    less = 3000 if state == "succeeded, captured for less" else FULL[vendor]
    assert order.net_minor == (less if order.counts else 0)


@pytest.mark.parametrize(("vendor", "state", "becomes"), [case for case in CASES if case[0] != "stripe"])
@pytest.mark.parametrize("last_first", [False, True])
def test_a_state_can_be_left_and_the_newest_word_counts(
    vendor: str, state: str, becomes: str, last_first: bool
) -> None:
    good, bad = {"shopify": ("paid", "voided"), "woocommerce": ("processing", "cancelled")}[vendor]
    for before, then, counts in (
        (state, good, True),
        (state, bad, False),
        (good, state, becomes in (COUNTS, AS_IT_WAS)),
        (bad, state, becomes == COUNTS),
    ):
        found = [*deliver(vendor, before, at=8), *deliver(vendor, then, at=9)]
        order = folded(reversed(found) if last_first else found, ORDERS[vendor])
        assert order.counts is counts, (before, then)


def test_shopify_cancels_by_a_time_and_takes_it_back_by_none() -> None:
    gone = deliver("shopify", "paid", at=8, cancelled_at="2026-01-31T08:00:00Z", cancel_reason="fraud")
    assert not folded(gone, "450001").counts
    assert folded([*gone, *deliver("shopify", "paid", at=9)], "450001").counts


@pytest.mark.parametrize("status", [*woocommerce.STATES, "wc-shipped", "ready-to-pick-up"])
def test_the_facts_in_a_delivery_are_read_whatever_its_state_is(status: str) -> None:
    before = deliver("woocommerce", "processing", at=8)
    later = deliver("woocommerce", status, at=9, refunds=[{"id": 1, "total": "-40.00"}], total="80.00")
    order = folded([*before, *later], "7300")
    assert order.statement is not None
    assert (order.statement.total_minor, order.refunded_minor) == (8000, 4000)


def test_the_tables_have_every_state_that_the_code_knows() -> None:
    assert {state for state, becomes in STATES["shopify"].items() if becomes == NOT} == shopify.UNPAID
    assert {**dict.fromkeys(woocommerce.STATES, "")}.keys() == STATES["woocommerce"].keys() - {"another, of a plugin"}


def test_the_documents_have_the_same_tables() -> None:
    text = Path("docs/ingest.md").read_text()
    for vendor, table in STATES.items():
        found = re.search(rf"<!-- states of {vendor} -->\n\n(.*?)\n\n", text, re.DOTALL)
        assert found is not None, vendor
        rows = [[cell.strip(" `") for cell in row.strip("|").split(" | ")] for row in found[1].splitlines()[2:]]
        assert {state: becomes for state, becomes, *_ in rows} == table
