"""What the catalogue holds of one event: everything that ingest knows of it, in the event's own file.

The next event is one file here, one class in `shared/contracts/events/`, and one line in `registry.py`. Its routes,
documents, readings and checks follow from these.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from services.ingest.domain.catalogue.properties import Properties
from services.ingest.domain.definitions.consent import Words
from services.ingest.domain.values.message import Scalar
from shared.contracts.envelope import MAX_SOURCE_VERSION
from shared.contracts.events import Body, WithExtra

Fields = dict[str, Any]  # properties as JSON has them

Rule = Callable[[Any, str], WithExtra | None]
"""Makes the typed event of properties, as they were read, and of the message's id. None: it is a `CustomEvent`.

Raises `BadEvent` if it should be a typed event and is invalid.
"""

FastRule = Callable[[str, Fields], Body | None]
"""Makes the same of the event's name and its properties in a few steps; None if they need a closer look.

Law: what it makes is what the general rule makes. Anything else in place of a text raises `TypeError`.
"""


NotHeld = Callable[[Any], tuple[str, ...]]
"""Names the properties that this particular typed event does not hold, although others of its type do."""


class Customer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who the fact is about: at least one of these ids. The `country` (ISO 3166-1 alpha-2) names nobody: by it a
    `phone` in national form is read.
    """

    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    email: str | None = None
    phone: str | None = None
    country: str | None = None


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What facts have in common. `occurred_at` (RFC 3339) is now if absent. `historical` facts set off no message.

    Of two statements about one thing the later counts; of one moment, that with the higher `source_version`, the
    sender's own count of its changes.
    """

    customer: Customer
    occurred_at: str | None = None
    historical: bool = False
    source_version: Annotated[int, Meta(ge=0, le=MAX_SOURCE_VERSION)] = 0


class EventMeaning(msgspec.Struct, frozen=True):
    """The name and the properties of an event, as a tracking plan speaks of them, and the typed event."""

    name: str
    body: Body
    properties: Fields


class FactCall(msgspec.Struct, frozen=True):
    """What a typed route knows beside the body: the customer's traits in their normal form, and the message's id.

    `consent_words` are the source's, if it is believed about consent; otherwise None. `track` returns what a `track`
    call of this name and these properties means, in the source's own words or in ours.
    """

    traits: Fields
    message_id: str
    consent_words: Words | None
    track: Callable[[str, Fields], EventMeaning]


class TypedRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A typed route, `POST /v1/<path>`.

    `key` says when two requests without an Idempotency-Key are the same fact: never, because to state it again changes
    nothing (`state`); if they are equal, with their `occurred_at` (`moment`); or the key must be given (`header`).
    """

    path: str
    body: type[Fact]
    key: Literal["state", "moment", "header"]
    example: Mapping[str, Any]
    understand: Callable[[Any, FactCall], EventMeaning]
    """Returns what a body means. Raises `BadEvent`, with the place as in the properties of a `track` call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One event. Without `names` no `track` call means it."""

    body: type[Body]
    names: tuple[str, ...] = ()
    """Names of `track` calls, in small letters."""
    properties: Properties[Any] | None = None
    """How properties are read, and which of them the typed event holds."""
    rule: Rule | None = None
    fast_rule: FastRule | None = None
    route: TypedRoute | None = None
    has_items: bool = False
    """Whether `products` are its lines, each of which may say more than the typed event holds."""
    not_held: NotHeld = lambda _: ()
    lenient: bool = False
    """Whether an event that its rule refuses is a `CustomEvent`: of behaviour, which nothing is decided by."""
    whole: "CatalogueEntry | None" = None
    """The entry of events of the same names that have `products`, such as a cart with all that lies in it."""


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One product, as a line of an order or by itself, as properties have it."""

    sku: Scalar = None
    product_id: Scalar = None
    name: Scalar = None
    category: Scalar = None
    currency: Scalar = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    cost: Decimal | None = None
    total: Decimal | None = None  # of the line


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of an order or a cart: the price of one piece, or what the line comes to."""

    sku: str
    name: str = ""
    category: str = ""
    quantity: Decimal = Decimal(1)
    unit_price: Decimal | None = None
    unit_cost: Decimal | None = None
    total: Decimal | None = None

    @property
    def fields(self) -> Fields:
        """The line as properties have it."""
        return {
            "sku": self.sku,
            "name": self.name,
            "category": self.category,
            "quantity": int(self.quantity) if self.quantity == self.quantity.to_integral_value() else self.quantity,
            "price": self.unit_price,
            "cost": self.unit_cost,
            "total": self.total,
        }

    @property
    def product(self) -> Product:
        """The line as properties are read."""
        return Product(
            sku=self.sku,
            name=self.name,
            category=self.category,
            quantity=self.quantity,
            price=self.unit_price,
            cost=self.unit_cost,
            total=self.total,
        )


# Of every example, so that they fit each other.
EXAMPLE_CUSTOMER: Final = {"user_id": "42", "email": "ann@example.com"}
EXAMPLE_VISITOR: Final = {"anonymous_id": "0f2b8a6e"}
EXAMPLE_LINES: Final = [{"sku": "TEA-1", "name": "茉莉花茶", "category": "tea", "quantity": 2, "unit_price": "29.95"}]
EXAMPLE_OCCURRED: Final = "2026-01-31T12:00:00Z"


def tracked(
    name: str,
    rule: Rule,
    read_as: type[msgspec.Struct],
    *,
    has_items: bool = False,
    not_held: NotHeld = lambda _: (),
) -> Callable[[Fact, FactCall], EventMeaning]:
    """Returns what understands a typed body as a `track` call of this name, whose properties are the body's fields.

    With `has_items` the body's `items` are the `products` of the call; `not_held` is the entry's.
    """
    own = [name for name in read_as.__struct_fields__ if not (has_items and name == "products")]

    def understand(fact: Any, call: FactCall) -> EventMeaning:
        fields = {name: getattr(fact, name, None) for name in own}
        properties = {name: value for name, value in fields.items() if value not in (None, "")}
        if has_items:
            fields["products"] = tuple(line.product for line in fact.items)
            properties["products"] = [line.fields for line in fact.items]
        body = rule(read_as(**fields), call.message_id)
        if body is None:
            raise AssertionError(f"{type(fact).__name__} is complete, and makes no {name}")
        if beside := {name: properties[name] for name in not_held(body) if name in properties}:
            body = msgspec.structs.replace(body, extra=beside)
        return EventMeaning(name, body, properties)

    return understand
