"""All events that mean something here. The next one is a line in `ENTRIES`.

Source of names and properties: Segment's specifications of e-commerce events, version 2, and of email events. What is
about an order is strict: it is taken whole or refused with the reason. What is behaviour is lenient: without the
properties that its type needs it is kept as a `CustomEvent`. Properties for which a typed event has no field are kept
in it as they are.
"""

from collections.abc import Mapping
from typing import Final

from services.ingest.domain.catalogue import (
    cart_items,
    cart_updated,
    checkout_started,
    checkout_steps,
    consent_changed,
    coupons,
    custom,
    customer_identified,
    feedback_submitted,
    list_members,
    mails,
    order_cancelled,
    order_delayed,
    order_delivered,
    order_placed,
    order_refunded,
    order_shipped,
    page_viewed,
    product_lists,
    product_viewed,
    products_searched,
    promotions,
    review_submitted,
    sharing,
    tags,
    trait_set,
    unsubscribed,
    wishlists,
)
from services.ingest.domain.catalogue.entry import CatalogueEntry, FastRule, TypedRoute

# In the order in which their routes are listed.
ENTRIES: Final[tuple[CatalogueEntry, ...]] = (
    order_placed.ENTRY,
    order_placed.UPDATE,
    order_refunded.ENTRY,
    order_cancelled.ENTRY,
    order_shipped.ENTRY,
    order_delayed.ENTRY,
    order_delivered.ENTRY,
    checkout_started.ENTRY,
    cart_updated.ENTRY,
    customer_identified.ENTRY,
    consent_changed.ENTRY,
    page_viewed.ENTRY,
    product_viewed.ENTRY,
    feedback_submitted.ENTRY,
    products_searched.ENTRY,
    *product_lists.ENTRIES,
    *promotions.ENTRIES,
    *cart_items.ENTRIES,
    *checkout_steps.ENTRIES,
    *coupons.ENTRIES,
    *wishlists.ENTRIES,
    *sharing.ENTRIES,
    review_submitted.ENTRY,
    *mails.ENTRIES,
    unsubscribed.ENTRY,
    trait_set.ENTRY,
    *tags.ENTRIES,
    *list_members.ENTRIES,
    custom.ENTRY,
)

BY_NAME: Final[Mapping[str, CatalogueEntry]] = {name: entry for entry in ENTRIES for name in entry.names}
"""By the names of `track` calls, in small letters."""

FAST_RULES: Final[Mapping[str, FastRule | None]] = {name: entry.fast_rule for name, entry in BY_NAME.items()}
"""The same; None of an event that is always left to its general rule."""

TYPED_ROUTES: Final[Mapping[str, TypedRoute]] = {
    entry.route.path: entry.route for entry in ENTRIES if entry.route is not None
}
"""The typed routes by their path under `/v1`."""
