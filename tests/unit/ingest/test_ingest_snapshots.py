"""A shop's deliveries on one order, in any order and however often: each is the whole word of its time."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.service.triage import TriageResult
from shared.contracts.envelope import Event
from shared.contracts.events import OrderPlaced
from shared.contracts.identity import Identity
from shared.contracts.orders import Order
from tests.support.webhooks import NOW, delivery, events_of, folded, source, taken
from tests.unit.ingest import test_ingest_shopify as shopify
from tests.unit.ingest import test_ingest_woocommerce as woocommerce

ORDERS: Final = {"shopify": "450001", "woocommerce": "7300"}
STATES: Final = {
    "shopify": ["paid", "authorized", "voided", "refunded"],
    "woocommerce": ["processing", "completed", "cancelled", "failed", "shipped"],
}
TOPICS: Final = {
    "shopify": ("x-shopify-topic", "orders/updated"),
    "woocommerce": ("x-wc-webhook-topic", "order.updated"),
}
WORD: Final[st.SearchStrategy[dict[str, Any]]] = st.fixed_dictionaries(
    {
        "state": st.integers(0, 3),
        "total": st.integers(0, 9_999),
        "refunds": st.dictionaries(st.sampled_from([1, 2, 3]), st.integers(0, 9_999), max_size=2),
    }
)


def body_of(vendor: str, word: dict[str, Any], at: int) -> dict[str, Any]:
    """Returns an order as its vendor writes it, changed at this minute."""
    states, moment = STATES[vendor], f"2026-01-31T09:{at:02}:00"
    state = states[word["state"] % len(states)]
    refunds = {name: str(Decimal(minor).scaleb(-2)) for name, minor in word["refunds"].items()}
    total = str(Decimal(word["total"]).scaleb(-2))
    if vendor == "shopify":
        made = [
            {"id": name, "order_id": 450001, "transactions": [{"kind": "refund", "status": "success", "amount": back}]}
            for name, back in refunds.items()
        ]
        changes = {"financial_status": state, "total_price": total, "refunds": made, "updated_at": f"{moment}Z"}
        return {**shopify.ORDER, **changes}
    gone = [{"id": name, "total": f"-{back}"} for name, back in refunds.items()]
    return {**woocommerce.ORDER, "status": state, "total": total, "refunds": gone, "date_modified_gmt": moment}


def deliver(vendor: str, body: Any, *, topic: str = "", second: int = 0, **more: Any) -> TriageResult:
    """Returns what becomes of a delivery that is received at this second."""
    header, usual = TOPICS[vendor]
    payload = delivery(body, {header: topic or usual})
    return taken(payload, source(vendor), at=NOW + timedelta(seconds=second), **more)


def summary(order: Order) -> tuple[Any, ...]:
    return (order.counts, order.net_minor, order.refunded_minor, order.currency, order.placed_at, order.statement)


@pytest.mark.parametrize("vendor", ORDERS)
@given(data=st.data())
def test_any_order_and_repetition_of_an_orders_deliveries_gives_one_state(vendor: str, data: st.DataObject) -> None:
    words = data.draw(st.lists(WORD, min_size=1, max_size=4))
    bodies = [body_of(vendor, word, at) for at, word in enumerate(words)]
    deliveries = [events_of(deliver(vendor, body)) for body in bodies]
    known = folded([one for found in deliveries for one in found], ORDERS[vendor])
    shuffled = data.draw(st.permutations(deliveries + deliveries[:2]))
    events = data.draw(st.permutations([one for found in shuffled for one in found]))
    assert folded(events, ORDERS[vendor]) == known


@pytest.mark.parametrize("vendor", ORDERS)
@given(data=st.data())
def test_whenever_deliveries_are_received_the_one_that_was_changed_last_counts(
    vendor: str, data: st.DataObject
) -> None:
    words: list[dict[str, Any]] = data.draw(st.lists(WORD, min_size=1, max_size=4))
    bodies = [body_of(vendor, word, at) for at, word in enumerate(words)]
    received = data.draw(st.permutations(range(len(bodies))))
    late = [one for n, body in zip(received, bodies, strict=True) for one in events_of(deliver(vendor, body, second=n))]
    in_turn = [one for n, body in enumerate(bodies) for one in events_of(deliver(vendor, body, second=n))]
    found, usual = folded(late, ORDERS[vendor]), folded(in_turn, ORDERS[vendor])
    assert summary(found)[:5] == summary(usual)[:5]
    refunds = words[-1]["refunds"].values()
    assert found.refunded_minor == sum(refunds)
    if found.counts:
        assert found.net_minor == words[-1]["total"] - sum(refunds)


@pytest.mark.parametrize("vendor", ORDERS)
def test_what_each_delivery_has_again_is_one_event_of_the_timeline(vendor: str) -> None:
    word = {"state": 0, "total": 5000, "refunds": {1: 100, 2: 200}}
    first, later = (events_of(deliver(vendor, body_of(vendor, word, at))) for at in (1, 2))
    assert [one.event_id for one in first[1:]] == [one.event_id for one in later[1:]]
    assert len({one.event_id for one in first}) == 3
    assert first[0].event_id != later[0].event_id


def test_an_order_that_is_cancelled_twice_has_both_on_its_timeline() -> None:
    hours = [f"2026-01-31T0{n}:00:00Z" for n in (5, 5, 6)]
    found = [deliver("shopify", {**shopify.ORDER, "cancelled_at": at, "note": n}) for n, at in enumerate(hours)]
    first, again, second = (events_of(one)[1].event_id for one in found)
    assert first == again != second


def test_parcels_that_say_the_same_are_two_events_and_each_stays_its_own() -> None:
    bare = {**shopify.FULFILLMENT, "tracking_company": None, "tracking_number": None}
    parcels = [bare, {**bare, "id": 3002}]
    one, both, refunded = (
        events_of(deliver("shopify", {**shopify.ORDER, "fulfillments": found, "refunds": refunds}))
        for found, refunds in ((parcels[:1], []), (parcels, []), (parcels, [shopify.REFUND]))
    )
    assert len({event.event_id for event in both}) == 3
    assert one[1].event_id == both[1].event_id
    assert [event.event_id for event in both[1:]] == [event.event_id for event in refunded[2:]]


# Whose an order is


def owners_of(found: list[Event]) -> list[tuple[Identity, ...]]:
    return [event.identities for event in found if isinstance(event.body, OrderPlaced)]


@pytest.mark.parametrize("vendor", ORDERS)
def test_an_order_that_moves_to_another_customer_is_the_whole_word_on_it_of_that_customer(vendor: str) -> None:
    word = {"state": 0, "total": 5000, "refunds": {1: 100}}
    others: dict[str, dict[str, Any]] = {
        "shopify": {"customer": {"id": 6102, "email": "other@example.com"}},
        "woocommerce": {"customer_id": 89, "billing": {"email": "other@example.com"}},
    }
    other = others[vendor]
    before = events_of(deliver(vendor, body_of(vendor, word, 1)))
    after = events_of(deliver(vendor, {**body_of(vendor, word, 2), **other}))
    [mine], [theirs] = owners_of(before), owners_of(after)
    assert not {*mine} & {*theirs}
    for found in (before, after):
        assert folded(found, ORDERS[vendor]).net_minor == 4900
    assert {before[1].event_id} != {after[1].event_id}  # the refund is on both timelines


@pytest.mark.parametrize(
    ("vendor", "nobody"),
    [
        ("shopify", {"customer": None, "email": "", "phone": None}),
        ("shopify", {"customer": {}, "email": None, "billing_address": {"country_code": "DE"}}),
        ("woocommerce", {"customer_id": 0, "billing": None}),
        ("woocommerce", {"customer_id": 0, "billing": {"country": "ES", "email": "", "phone": ""}}),
    ],
)
def test_an_order_of_nobody_is_ignored_with_the_reason(vendor: str, nobody: dict[str, Any]) -> None:
    done = deliver(vendor, {**body_of(vendor, {"state": 0, "total": 1, "refunds": {1: 1}}, 1), **nobody})
    assert (done.accepted, done.refused) == ([], [])
    assert done.ignored == [f"{TOPICS[vendor][1]}: an order of nobody known"]
    assert done.nobodys == [ORDERS[vendor]]


# Deleted, and restored


@pytest.mark.parametrize(("vendor", "topic"), [("shopify", "orders/delete"), ("woocommerce", "order.deleted")])
def test_a_deleted_order_counts_no_longer_and_one_that_is_back_does(vendor: str, topic: str) -> None:
    word = {"state": 0, "total": 5000, "refunds": {}}
    placed = events_of(deliver(vendor, body_of(vendor, word, 1)))
    owner = {ORDERS[vendor]: placed[0].identities}
    gone = events_of(deliver(vendor, {"id": int(ORDERS[vendor])}, topic=topic, second=1, owners=owner))
    assert gone[0].identities == placed[0].identities
    assert folded([*placed, *gone], ORDERS[vendor]).net_minor == 0
    if vendor == "woocommerce":  # it says when it was changed, and not that it was restored then
        body = {**body_of(vendor, word, 1), "number": "7300"}
        back = events_of(deliver(vendor, {**body, "version": "x"}, topic="order.restored", second=2))
        for found in ([*placed, *gone, *back], [*back, *gone, *placed]):
            assert folded(found, ORDERS[vendor]).net_minor == 5000


def test_a_deletion_of_an_order_whose_owner_is_not_known_waits_with_the_reason() -> None:
    [refused] = deliver("shopify", {"id": 450001}, topic="orders/delete").refused
    assert refused.error.text.startswith("identity: nobody is named")


# Shapes


@pytest.mark.parametrize("shape", [list, lambda lines: {str(3 * n): line for n, line in enumerate(lines)}])
def test_woocommerces_lists_may_be_objects_of_their_members(shape: Any) -> None:
    refunds = [{"id": 1, "total": "-1.00"}]
    body = {**woocommerce.changed(), "line_items": shape(woocommerce.LINES), "refunds": shape(refunds)}
    placed = events_of(deliver("woocommerce", body))[0].body
    assert isinstance(placed, OrderPlaced)
    assert [item.sku for item in placed.items] == ["SENCHA-100", "5021"]
    assert [one.refund_id for one in placed.refunds] == ["1"]


def test_woocommerce_may_number_its_skus_and_sell_by_weight() -> None:
    line = {**woocommerce.LINES[0], "sku": 4711, "quantity": 0.35, "total": "14.00"}
    placed = events_of(deliver("woocommerce", woocommerce.changed(line_items=[line])))[0].body
    assert isinstance(placed, OrderPlaced)
    [item] = placed.items
    assert (item.sku, item.exact_quantity, item.unit_price_minor) == ("4711", Decimal("0.35"), 4000)


def test_the_payment_that_woocommerce_names_is_one_of_its_order() -> None:
    placed = events_of(deliver("woocommerce", woocommerce.changed(transaction_id="ch_tea1")))[0].body
    assert isinstance(placed, OrderPlaced)
    assert placed.payment_refs == ("ch_tea1",)
