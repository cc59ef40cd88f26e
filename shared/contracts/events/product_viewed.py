"""A product page was seen."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class ProductViewed(WithExtra, frozen=True, kw_only=True):
    """A product page was seen."""

    TYPE: ClassVar = "rapport.product_viewed.v2"
    FIRST: ClassVar = "rapport.product_viewed.v1"
    PUBLIC: ClassVar = True

    sku: str
    name: str = ""
    category: str = ""
    currency: str = ""
    price_minor: int | None = None
