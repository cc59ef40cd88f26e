"""What all typed events have in common: past tense, frozen, versioned. Money is integer minor units (ISO 4217)."""

from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec

MARKETING: Final = "marketing"  # the purpose of a message that says none, and of consent by channel alone


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an event says, without the envelope that says whose, when and by whom."""

    TYPE: ClassVar[str] = ""
    """The type on the bus, with its version. A renamed or reshaped type is a new version."""
    FIRST: ClassVar[str] = ""
    """Its first version, if this is not that one: see `versions`."""
    PUBLIC: ClassVar[bool] = False
    """Whether a browser's public key is believed when it sends this: behaviour, never what was bought or agreed to."""
    SERVERS_ONLY: ClassVar[bool] = False
    """Whether no public key is believed when it sends this, not even one that may say orders."""


class WithExtra(Body, frozen=True):
    """A fact that an outside system reports. `extra` has all further properties, as the sender named them."""

    extra: dict[str, Any] = {}


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line of an order or a cart. Prices are per unit, in minor units.

    `total_minor` is what the line comes to where that is not quantity times price: of weighed and discounted goods.
    `exact_quantity` is how much it is of goods by weight or measure; `quantity` is 1 then, one piece. `unpriced`:
    nobody says what it costs, and its price is given as 0. `extra` has all further properties of the line, as the
    sender named them.
    """

    sku: str
    name: str = ""
    category: str = ""
    quantity: int
    unit_price_minor: int
    unit_cost_minor: int | None = None
    total_minor: int | None = None
    exact_quantity: Decimal | None = None
    unpriced: bool = False
    extra: dict[str, Any] = {}
