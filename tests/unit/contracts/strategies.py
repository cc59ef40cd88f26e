"""Events as Hypothesis draws them: small pools, so that stamps tie and orders and identities meet."""

import types
import typing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from shared.contracts import wire
from shared.contracts.changes import MAX_VERSION, Version
from shared.contracts.context import Agent, Context, Geo
from shared.contracts.envelope import MAX_SOURCE_VERSION, Event, SourceKind, may_say
from shared.contracts.events import (
    Body,
    ConsentChanged,
    CustomerIdentified,
    CustomEvent,
    FeedbackSubmitted,
    Item,
    OrderCancelled,
    OrderDelivered,
    OrderPlaced,
    OrderRefund,
    OrderRefunded,
    OrderShipped,
    PageViewed,
    ProductViewed,
    TraitSet,
)
from shared.contracts.identity import Identity, Namespace, user_ids_of

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
INT64: Final = st.integers(-(2**63), 2**63 - 1)

kinds: Final = st.sampled_from(SourceKind)
few_moments: Final = st.integers(0, 20).map(lambda hours: START + timedelta(hours=hours))
any_moments: Final = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 # Hypothesis adds the zone

json_values: Final = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
identities: Final = st.builds(
    Identity, st.sampled_from([*Namespace, user_ids_of("shop-a")]), st.text(min_size=1, max_size=20)
)


def of_type(annotation: Any) -> st.SearchStrategy[Any]:
    """Anything that a contract's field of this type may carry."""
    simple: dict[Any, st.SearchStrategy[Any]] = {
        Any: json_values,
        str: st.text(max_size=20),
        int: INT64,
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        Decimal: st.decimals(0, 1_000_000, places=3),
        UUID: st.uuids(),
        datetime: any_moments,
        types.NoneType: st.none(),
        Version: st.integers(0, MAX_VERSION),
    }
    if annotation in simple:
        return simple[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _within(arguments[0], arguments[1])
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(of_type(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(of_type(arguments[0]), of_type(arguments[1]), max_size=3)
    if origin in (types.UnionType, typing.Union):
        return st.one_of([of_type(one) for one in arguments])
    return struct(annotation)


def _within(plain: Any, bounds: msgspec.Meta) -> st.SearchStrategy[Any]:
    """A number or a text within the bounds that a contract gives it."""
    if plain is int:
        assert isinstance(bounds.ge, int)
        assert isinstance(bounds.le, int)
        return st.integers(bounds.ge, bounds.le)
    assert plain is str
    assert bounds.pattern is not None
    texts = st.from_regex(bounds.pattern.removesuffix("$") + r"\Z")
    return texts.filter(lambda text: bounds.max_length is None or len(text) <= bounds.max_length)


def struct(body: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """A struct with anything in its fields."""
    return st.builds(body, **{field.name: of_type(field.type) for field in msgspec.structs.fields(body)})


def any_event(body: type[Body]) -> st.SearchStrategy[Event]:
    """An event of this type, with every part of the envelope set or not."""
    return st.builds(
        Event,
        event_id=st.uuids(),
        source_id=st.uuids().map(str),
        source_kind=kinds,
        occurred_at=any_moments,
        received_at=any_moments,
        body=struct(body),
        identities=st.lists(identities, max_size=3).map(tuple),
        historical=st.booleans(),
        unverified=st.booleans(),
        profile_id=st.none() | st.uuids(),
        origin=st.none() | st.integers(-1, 100),
        sequence=st.none() | st.integers(0, wire.MAX_SEQUENCE),
        cause_id=st.none() | st.uuids(),
        depth=st.integers(0, 8),
        traceparent=st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        stated_at=st.none() | any_moments,
        context=st.none() | struct(Context),
        merges=st.booleans(),
        source_version=st.integers(0, MAX_SOURCE_VERSION),
        undated=st.booleans(),
        space=st.sampled_from(["", "shop-a"]),
    )


any_events: Final = st.sampled_from(sorted(wire.TYPE_NAMES, key=lambda body: body.__name__)).flatmap(any_event)

_order_ids: Final = st.sampled_from(["A-1", "A-2"])
_currencies: Final = st.sampled_from(["USD", "CNY"])
_amounts: Final = st.integers(0, 50_00)
_items: Final = st.lists(
    st.builds(
        Item,
        sku=st.sampled_from(["tea", "cup"]),
        category=st.sampled_from(["", "drinks"]),
        quantity=st.integers(1, 3),
        unit_price_minor=_amounts,
        unit_cost_minor=st.none() | _amounts,
    ),
    max_size=2,
).map(tuple)

_refund_ids: Final = st.sampled_from(["R-1", "R-2"])
_states: Final = st.sampled_from(["", "placed", "cancelled", "pending", "unsaid"])
_payments: Final = st.sampled_from(["", "", "P-1", "P-2"])
order_facts: Final[st.SearchStrategy[Body]] = st.one_of(
    st.builds(
        OrderPlaced,
        order_id=_order_ids,
        currency=_currencies,
        total_minor=_amounts,
        items=_items,
        state=_states,
        payment_id=_payments,
    ),
    st.builds(
        OrderPlaced,
        order_id=_order_ids,
        currency=_currencies,
        total_minor=_amounts,
        state=_states,
        whole=st.just(True),
        refunds=st.lists(st.builds(OrderRefund, refund_id=_refund_ids, amount_minor=_amounts), max_size=2).map(tuple),
    ),
    st.builds(OrderCancelled, order_id=_order_ids, in_snapshot=st.booleans()),
    st.builds(
        OrderRefunded,
        order_id=_order_ids,
        refund_id=_refund_ids,
        currency=_currencies,
        amount_minor=_amounts,
        full=st.booleans(),
        in_snapshot=st.booleans(),
        payment_id=_payments,
        in_all=st.booleans(),
        dispute=st.booleans(),
    ),
    st.builds(OrderShipped, order_id=_order_ids),
    st.builds(OrderDelivered, order_id=_order_ids),
)
_dated_facts: Final = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["birthday", "child_birthday"]),
            "date": st.sampled_from(["1990-05-17", "--02-29", None, "1990-02-30"]),
        },
        optional={"label": st.sampled_from(["Mia", "Ben"]), "calendar": st.just("lunar")},
    ),
    max_size=3,
)
local_traits: Final = st.fixed_dictionaries(
    {},
    optional={
        "birthday": st.sampled_from(["1990-05-18", "05/18/1990"]),
        "dated_facts": _dated_facts,
        "timezone": st.sampled_from(["Asia/Tokyo", "europe/berlin", "Mars"]),
        "language": st.sampled_from(["ja", "de_DE", "?"]),
        "country": st.sampled_from(["JP", "US", "Japan"]),
    },
)
"""Traits that say days, a time zone, a language or a country, or fail to."""

contexts: Final = st.sampled_from(
    [
        None,
        None,
        Context(timezone="Asia/Shanghai", locale="zh-CN"),
        Context(timezone="Mars", locale="en", geo=Geo(country="DE")),
        Context(timezone="America/New_York", agent=Agent(bot=True), geo=Geo(country="JP")),
    ]
)
facts: Final[st.SearchStrategy[Body]] = st.one_of(
    st.builds(CustomerIdentified, traits=local_traits),
    st.builds(TraitSet, traits=local_traits),
    st.builds(
        CustomerIdentified,
        traits=st.dictionaries(st.sampled_from(["name", "city"]), st.none() | st.integers(0, 3), max_size=2),
        consent=st.dictionaries(st.sampled_from(["email", "sms"]), st.booleans(), max_size=2),
    ),
    st.builds(
        ConsentChanged,
        channel=st.sampled_from(["email", "sms"]),
        purpose=st.sampled_from(["marketing", "newsletter"]),
        granted=st.booleans(),
    ),
    st.builds(FeedbackSubmitted, survey=st.sampled_from(["nps", "csat"]), rating=st.integers(1, 5)),
    st.builds(PageViewed, path=st.sampled_from(["", "/", "/tea"])),
    st.builds(ProductViewed, sku=st.just("tea"), category=st.sampled_from(["", "drinks"])),
    st.builds(CustomEvent, name=st.just("Waved")),
    order_facts,
)


@st.composite
def believed_or_claimed(draw: st.DrawFn, bodies: st.SearchStrategy[Body] = facts) -> Event:
    """A fact as ingest lets it through: what its source may not say is a claim, unless that source is set to say it."""
    kind, body, at = draw(kinds), draw(bodies), draw(few_moments)
    may_withdraw = isinstance(body, ConsentChanged) and not body.granted and draw(st.booleans())
    named = st.builds(Identity, st.sampled_from(Namespace), st.sampled_from(["1", "2"]))
    return Event(
        event_id=draw(st.uuids()),
        source_id=str(UUID(int=draw(st.sampled_from([7, 7, 8])))),
        source_kind=kind,
        occurred_at=at,
        received_at=at + timedelta(hours=draw(st.integers(0, 3))),
        body=body,
        identities=tuple(draw(st.lists(named, max_size=3, unique=True))),
        merges=draw(st.booleans()),
        unverified=not (may_withdraw or may_say(kind, type(body))),
        source_version=draw(st.sampled_from([0, 0, 1, 2])),
        undated=draw(st.sampled_from([False, False, True])),
        context=draw(contexts),
    )


def sets_of(events: st.SearchStrategy[Event], *, max_size: int = 12) -> st.SearchStrategy[list[Event]]:
    """Events with ids of their own."""
    return st.lists(events, max_size=max_size, unique_by=lambda event: event.event_id)
