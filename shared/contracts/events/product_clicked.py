"""A product was chosen from a list."""

from typing import ClassVar

from shared.contracts.events.one_product import OneProduct


class ProductClicked(OneProduct, frozen=True, kw_only=True):
    """A product was chosen from a list."""

    TYPE: ClassVar = "rapport.product_clicked.v1"
    PUBLIC: ClassVar = True
