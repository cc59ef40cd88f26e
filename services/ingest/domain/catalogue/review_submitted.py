"""A customer reviewed a product: `Product Reviewed`."""

from dataclasses import replace
from typing import Final

from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.simple import simple
from shared.contracts.events import ReviewSubmitted

# Without a fast rule: of whom a public key may say it has to be looked at.
ENTRY: Final = replace(
    simple(
        ReviewSubmitted,
        "product reviewed",
        texts={"sku": parts.SKU, "review_id": "review_id", "text": "review_body"},
        required=("sku",),
        numbers=("rating",),
    ),
    fast_rule=None,
)
