"""Events whose properties are read one by one: a table of these makes both rules, the general and the fast one.

They are behaviour, and lenient: with a property of another type, or without one that its type needs, the event is a
`CustomEvent`. So each is kept whole, whatever a sender makes of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from services.ingest.domain.catalogue import fast_parts as fast
from services.ingest.domain.catalogue import parts
from services.ingest.domain.catalogue.entry import CatalogueEntry, FastRule, Fields
from services.ingest.domain.catalogue.properties import Held, Properties, beside
from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values import money
from services.ingest.domain.values.message import Scalar, text
from shared.contracts.events import Body, WithExtra

MAX_NUMBER: Final = 1_000  # of a rating: on whatever scale, it is not more

Texts = Mapping[str, str | tuple[str, ...]]

PRODUCT: Final[Texts] = {"sku": parts.SKU, "name": "name", "category": "category"}
"""The texts of one product."""

_PRICE: Final = ("price",)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """What is read of an event's properties, by the fields of the typed event.

    Of the properties in one tuple the first that is present counts. `priced` says that there are a currency and a
    price, `counted` that there is a quantity.
    """

    body: type[WithExtra]
    texts: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    flags: tuple[str, ...]
    numbers: tuple[str, ...]
    priced: bool
    counted: bool
    constants: Mapping[str, Any]

    @property
    def read_as(self) -> type[msgspec.Struct]:
        """The type that the properties are read as."""
        types: dict[str, Any] = {name: Scalar for names in self.texts.values() for name in names}
        types |= dict.fromkeys(self.flags, bool | None) | dict.fromkeys(self.numbers, Decimal | None)
        types |= {"currency": Scalar, "price": Decimal | None} if self.priced else {}
        types |= {"quantity": Decimal | None} if self.counted else {}
        fields = [(name, annotation, None) for name, annotation in types.items()]
        return msgspec.defstruct(f"{self.body.__name__}Properties", fields, frozen=True, kw_only=True)

    @property
    def held(self) -> Held:
        """The properties that the typed event holds."""
        more = (("currency",), _PRICE) if self.priced else ()
        counted = (("quantity",),) if self.counted else ()
        plain = tuple((name,) for name in (*self.flags, *self.numbers))
        return (*self.texts.values(), *plain, *more, *counted)

    def rule(self, read: Any, _: str) -> WithExtra | None:
        """The general rule."""
        made = dict(self.constants)
        for field, names in self.texts.items():
            if found := next((found for name in names if (found := text(getattr(read, name)))), ""):
                made[field] = found
            elif field in self.required:
                return None
        made |= {name: value for name in self.flags if (value := getattr(read, name)) is not None}
        made |= {name: _number(value, name) for name in self.numbers if (value := getattr(read, name)) is not None}
        if self.priced and (code := money.currency(read.currency) if text(read.currency) else ""):
            made["currency"] = code
            made["price_minor"] = None if read.price is None else money.minor(read.price, code, at="properties.price")
        if self.counted and read.quantity is not None:
            made["quantity"] = parts.quantity_of(read.quantity)
        return self.body(**made)

    def not_held(self, body: Any) -> tuple[str, ...]:
        """Names the price if there is no currency: it is a mere number then, and is kept in `extra`."""
        return _PRICE if self.priced and not body.currency else ()


def _fast_rule(table: _Table) -> FastRule:
    """Returns the same as the general rule, in a few steps."""
    body, constants, required = table.body, table.constants, frozenset(table.required)
    rows = tuple(table.texts.items())
    flags, numbers, priced, counted = table.flags, table.numbers, table.priced, table.counted
    held, held_unpriced = table.held, tuple(names for names in table.held if names != _PRICE)
    names_held = frozenset(name for names in held for name in names)
    names_unpriced = names_held - {"price"}

    def fast_rule(name: str, fields: Fields) -> Body | None:
        made, several = dict(constants), False
        for field, names in rows:
            found: str | None = None
            for one in names:
                if (value := fields.get(one)) is not None:
                    read = value.strip() if type(value) is str else fast.id_of(value)
                    several = several or found is not None
                    found = found or read
            if found:
                made[field] = found
            elif field in required:
                return fast.custom(name, fields)
        if (flags or numbers) and not _fast_plain(fields, made, flags, numbers):
            return None
        if (priced and not _fast_price(fields, made)) or (counted and not _fast_quantity(fields, made)):
            return None
        unpriced = priced and "currency" not in made
        if several:  # of which the first that is present is held
            made["extra"] = beside(fields, held_unpriced if unpriced else held)
        elif not (names_unpriced if unpriced else names_held).issuperset(fields):
            made["extra"] = fast.beside(fields, names_unpriced if unpriced else names_held)
        return body(**made)

    return fast_rule


def _fast_plain(fields: Fields, made: Fields, flags: tuple[str, ...], numbers: tuple[str, ...]) -> bool:
    """Adds flags and numbers. Returns False if they need a closer look."""
    for one in flags:
        if (value := fields.get(one)) is not None:
            made[one] = value
            if type(value) is not bool:
                return False
    for one in numbers:
        if (value := fields.get(one)) is not None:
            if type(value) not in (int, float) or not 0 < value <= MAX_NUMBER:
                return False
            made[one] = float(value)
    return True


def _number(value: Decimal, name: str) -> float:
    if not value.is_finite() or not 0 <= value <= MAX_NUMBER:
        raise BadEvent(Reason.RATING, f"properties.{name}: not a number from 0 to {MAX_NUMBER}")
    return float(value) + 0.0  # no negative zero


def _fast_price(fields: Fields, made: Fields) -> bool:
    """Adds the currency and the price. Returns False if they need a closer look."""
    currency, price = fields.get("currency"), fields.get("price")
    if currency is None:
        return price is None or type(price) in (int, float)
    code = fast.code_of(currency)
    if code is None:
        return False
    made["currency"] = code
    if price is not None:
        made["price_minor"] = money.plain(price, code)
        return made["price_minor"] is not None
    return True


def _fast_quantity(fields: Fields, made: Fields) -> bool:
    quantity = fields.get("quantity")
    if quantity is None:
        return True
    made["quantity"] = quantity
    return type(quantity) is int and 0 <= quantity <= parts.MAX_QUANTITY


def simple(
    body: type[WithExtra],
    *names: str,
    texts: Texts,
    required: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
    numbers: tuple[str, ...] = (),
    priced: bool = False,
    counted: bool = False,
    **constants: Any,
) -> CatalogueEntry:
    """Returns the entry of an event by a table of its properties.

    `texts` has the properties that say each field of the typed event, `flags` and `numbers` those that go by the
    field's name. `constants` are fields that the event's name alone says.
    """
    table = _Table(
        body=body,
        texts={field: (one,) if isinstance(one, str) else one for field, one in texts.items()},
        required=required,
        flags=flags,
        numbers=numbers,
        priced=priced,
        counted=counted,
        constants=constants,
    )
    return CatalogueEntry(
        body=body,
        names=names,
        properties=Properties(table.read_as, *table.held),
        rule=table.rule,
        fast_rule=_fast_rule(table),
        not_held=table.not_held,
        lenient=True,
    )
