"""A promotion in a page was seen or chosen: `Promotion Viewed`, `Promotion Clicked`."""

from typing import Final

from services.ingest.domain.catalogue.simple import simple
from shared.contracts.events import PromotionClicked, PromotionViewed

_TEXTS: Final = {"promotion_id": "promotion_id", "name": "name", "creative": "creative", "position": "position"}

ENTRIES: Final = (
    simple(PromotionViewed, "promotion viewed", texts=_TEXTS, required=("promotion_id",)),
    simple(PromotionClicked, "promotion clicked", texts=_TEXTS, required=("promotion_id",)),
)
