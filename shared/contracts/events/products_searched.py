"""A customer searched for products."""

from typing import ClassVar

from shared.contracts.events.body import WithExtra


class ProductsSearched(WithExtra, frozen=True, kw_only=True):
    """A customer searched for products."""

    TYPE: ClassVar = "rapport.products_searched.v1"
    PUBLIC: ClassVar = True

    query: str
