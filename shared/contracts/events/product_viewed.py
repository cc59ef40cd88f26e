"""A product page was seen."""

from typing import ClassVar

from shared.contracts.events.body import Told


class ProductViewed(Told, frozen=True, kw_only=True):
    """A product page was seen."""

    TYPE: ClassVar = "rapport.product_viewed.v1"
    PUBLIC: ClassVar = True

    sku: str
    name: str = ""
    category: str = ""
    currency: str = ""
    price_minor: int | None = None
