"""Which topics of its vendor a source needs, and by which deliveries it is known that one came."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.formats.webhooks import registry, shopify, stripe, woocommerce
from services.ingest.domain.formats.webhooks.delivery import Delivery
from tests.support.webhooks import TOPIC_HEADERS
from tests.unit.ingest.test_ingest_normalise import JSON

UNDERSTOOD: Final = {
    "shopify": {*shopify._TOPICS},
    "woocommerce": {*woocommerce._TOPICS},
    "stripe": {*stripe._TYPES},
}


def delivery(vendor: str, topic: str) -> Delivery:
    """Returns a delivery of this topic, of whatever content."""
    if vendor in TOPIC_HEADERS:
        return Delivery(raw=b"no JSON", headers={TOPIC_HEADERS[vendor]: topic})
    return Delivery(raw=json.dumps({"type": topic, "data": []}).encode(), headers={})


@pytest.mark.parametrize("vendor", UNDERSTOOD)
def test_what_a_vendor_needs_is_understood_and_every_delivery_of_it_came(vendor: str) -> None:
    needed = registry.needed_topics(vendor)
    assert needed
    assert {*needed} <= UNDERSTOOD[vendor]
    for topic in needed:
        assert registry.needed_topic(vendor, delivery(vendor, topic)) == topic


@pytest.mark.parametrize("vendor", registry.FORMATS)
@given(topic=st.text(), raw=st.binary() | JSON.map(lambda found: json.dumps(found).encode()))
def test_a_topic_that_somebody_made_up_is_none(vendor: str, topic: str, raw: bytes) -> None:
    found: list[Any] = [Delivery(raw=raw, headers={}), delivery(vendor, topic)]
    for one in found:
        assert registry.needed_topic(vendor, one) in ("", *registry.needed_topics(vendor))


def test_formats_without_topics_of_their_own_need_none() -> None:
    for form in registry.FORMATS:
        assert bool(registry.needed_topics(form)) is (form in UNDERSTOOD)


@pytest.mark.parametrize(
    ("vendor", "title"), [("shopify", "Shopify"), ("woocommerce", "WooCommerce"), ("stripe", "Stripe")]
)
def test_the_documents_mark_the_topics_that_are_needed_and_name_all_that_are_understood(
    vendor: str, title: str
) -> None:
    text = Path("docs/ingest.md").read_text()
    section = re.split(r"\n##+ ", text.split(f"\n### {title}\n")[1])[0]
    assert {*re.findall(r"● `([^`]+)`", section)} == {*registry.needed_topics(vendor)}
    assert {*re.findall(r"`([^`]+)`", section)} >= UNDERSTOOD[vendor]
