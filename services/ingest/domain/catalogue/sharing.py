"""A customer told somebody of a product or a cart: `Product Shared`, `Cart Shared`."""

from typing import Final

from services.ingest.domain.catalogue.simple import PRODUCT, simple
from shared.contracts.events import CartShared, ProductShared

ENTRIES: Final = (
    simple(ProductShared, "product shared", texts={**PRODUCT, "via": "share_via"}, required=("sku",), priced=True),
    simple(CartShared, "cart shared", texts={"cart_id": "cart_id", "via": "share_via"}),
)
