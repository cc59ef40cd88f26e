"""A list of products was seen: `Product List Viewed`, `Product List Filtered`; a product in it, `Product Clicked`."""

from typing import Final

from services.ingest.domain.catalogue.simple import PRODUCT, simple
from shared.contracts.events import ProductClicked, ProductListViewed

_LIST: Final = {"list_id": "list_id", "category": "category"}

ENTRIES: Final = (
    simple(ProductListViewed, "product list viewed", texts=_LIST),
    simple(ProductListViewed, "product list filtered", texts=_LIST, filtered=True),
    simple(ProductClicked, "product clicked", texts=PRODUCT, required=("sku",), priced=True),
)
