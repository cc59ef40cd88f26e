"""A customer told somebody of a product."""

from typing import ClassVar

from shared.contracts.events.one_product import OneProduct


class ProductShared(OneProduct, frozen=True, kw_only=True):
    """A customer told somebody of a product."""

    TYPE: ClassVar = "rapport.product_shared.v1"
    PUBLIC: ClassVar = True

    via: str = ""
