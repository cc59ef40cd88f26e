"""A list of products was seen; `filtered` if the customer narrowed or sorted it."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class ProductListViewed(WithExtra, frozen=True, kw_only=True):
    """A list of products was seen; `filtered` if the customer narrowed or sorted it."""

    TYPE: ClassVar = "rapport.product_list_viewed.v1"
    PUBLIC: ClassVar = True

    list_id: str | None = None
    category: str = ""
    filtered: bool = False
