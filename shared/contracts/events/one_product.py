"""What facts about one product have in common."""

from shared.contracts.events.body import WithExtra


class OneProduct(WithExtra, frozen=True, kw_only=True):
    """A fact about one product. The price is of one piece, in minor units; it is absent without a currency."""

    sku: str
    name: str = ""
    category: str = ""
    currency: str = ""
    price_minor: int | None = None
