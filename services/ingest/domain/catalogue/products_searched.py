"""A customer searched for products: `Products Searched`."""

from typing import Final

from services.ingest.domain.catalogue.simple import simple
from shared.contracts.events import ProductsSearched

ENTRY: Final = simple(ProductsSearched, "products searched", texts={"query": "query"}, required=("query",))
