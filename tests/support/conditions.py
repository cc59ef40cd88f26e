"""Made-up conditions and customers, for the laws of conditions: any kind, any nesting, values that meet each other.

An example is drawn as a size and a seed, from which plain code makes it: drawing each value by itself takes ten times
as long. So a failure shrinks by its size, and what is printed is the document and the customer themselves.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from services.segment.domain.conditions.customer import Customer, Date, Happening, Occurrence, dated
from shared.calendars.anniversaries import FactDate
from shared.contracts.events import MARKETING
from tests.support.events import NOON

Document = dict[str, Any]

NAMES: Final = ("order_placed", "product_viewed")
TEXTS: Final = ("tea", "Tea", "té", "茶", "tea set", "")
NUMBERS: Final = (0, 1, 2, 10, 0.1, 2.5, -1, 1.0)
TRAITS: Final = ("city", "size", "vip", "likes")
PATHS: Final = ("category", "price", "items.category", "items.quantity", "none")
SPANS: Final = ("PT1M", "PT1H", "P1D", "P7D", "P30D")
DAYS: Final = ("2026-01-30", "2026-01-31", "2026-02-01")
COMPARISONS: Final = ("eq", "ne", "lt", "le", "gt", "ge")

# Histories are dense around `NOON`, so that windows begin, end and meet there.
_OFFSETS: Final = (0, 1, 59, 60, 61, 3599, 3600, 3601, 86_400, 86_401, 604_800, 2_592_000, 2_592_001)
_EDGES: Final = (60, 3600, 86_400, 604_800, 2_592_000)
_LUNAR: Final = ((None, 1, 13, False), (1990, 1, 14, False), (2020, 4, 30, True), (1990, 12, 30, False))
_SEEDS: Final = st.integers(0, 2**48)


def _moment(r: Random) -> datetime:
    """Returns a moment at which something begins or ends: now, a day, a span ago; or close to that, or between."""
    chance = r.random()
    if chance < 0.15:
        return NOON
    if chance < 0.4:
        return datetime.fromisoformat(r.choice(DAYS)).replace(tzinfo=UTC) - timedelta(seconds=r.choice((0, 0, 1)))
    seconds = r.choice(_EDGES) if r.random() < 0.3 else r.choice(_OFFSETS)
    return NOON - timedelta(seconds=seconds + (r.choice(_OFFSETS) if r.random() < 0.4 else 0))


def _scalar(r: Random) -> Any:
    return r.choice((r.choice(TEXTS), r.choice(NUMBERS), r.random() < 0.5))


def _some(r: Random, make: Callable[[Random], Any], least: int, most: int) -> list[Any]:
    return [make(r) for _ in range(r.randint(least, most))]


def _subset(r: Random, names: Sequence[Any]) -> list[Any]:
    return [one for one in names if r.random() < 0.5]


def _window(r: Random, *, fixed: bool = False) -> Document:
    kind = r.choice(("within", "within", "both", "since") if fixed else ("within", "within", "both", "since", "after"))
    if kind == "within":
        return {"within": r.choice(SPANS)}
    if kind == "after":
        return {"after": r.choice(NAMES)}
    one, other = sorted((r.choice(DAYS), r.choice(DAYS)))
    return {"since": one, "until": other} if kind == "both" else {"since": one}


def _valued(r: Random, document: Document) -> Document:
    op = document["op"]
    if op in ("exists", "missing"):
        return document
    value: Any = _scalar(r)
    if op in ("lt", "le", "gt", "ge"):
        value = r.choice(NUMBERS)
    elif op in ("contains", "starts_with", "ends_with"):
        value = r.choice(TEXTS[:-1])
    elif op == "between":
        value = sorted((r.choice(NUMBERS), r.choice(NUMBERS)))
    elif op in ("in", "not_in", "any_of", "all_of"):
        value = _some(r, _scalar, 1, 3)
    return {**document, "value": value}


def _filters(r: Random, *, deep: bool = True) -> list[Document]:
    found = []
    for _ in range(r.choice((0, 0, 1, 2))):
        if deep and r.random() < 0.5 and (where := _filters(r, deep=False)):
            found.append({"property": "items", "op": "any", "where": where})
            continue
        ops = ("eq", "ne", "lt", "ge", "in", "not_in", "contains", "starts_with", "ends_with", "exists", "missing")
        found.append(
            _valued(r, {"property": r.choice(PATHS if deep else ("category", "quantity")), "op": r.choice(ops)})
        )
    return found


def _step(r: Random) -> Document:
    return {"event": r.choice(NAMES), "where": _filters(r)}


def _trait(r: Random) -> Document:
    ops = (
        *("eq", "ne", "lt", "le", "gt", "ge", "between", "in", "not_in", "contains", "starts_with", "ends_with"),
        *("any_of", "all_of", "exists", "missing"),
    )
    return _valued(r, {"kind": "trait", "name": r.choice(TRAITS), "op": r.choice(ops)})


def _did(r: Random) -> Document:
    document = {"kind": "did", "event": r.choice(NAMES), "op": r.choice(COMPARISONS), "times": r.randint(0, 4)}
    return document if r.random() < 0.3 else {**document, "window": _window(r), "where": _filters(r)}


def _measure(r: Random) -> Document:
    return {
        "kind": "measure",
        "event": r.choice(NAMES),
        "by": r.choice(("sum", "average", "min", "max", "distinct")),
        "of": r.choice(PATHS),
        "op": r.choice(COMPARISONS),
        "value": r.choice(NUMBERS),
        "where": _filters(r),
        "window": _window(r),
    }


def _pattern(r: Random) -> Document:
    first, other, window = _step(r), _step(r), _window(r, fixed=True)
    within = r.choice(SPANS[:3] if "within" in window else SPANS)
    if window.get("within") in SPANS[:3]:
        window = {"within": "P7D"}
    if r.random() < 0.5:
        return {"kind": "sequence", "first": first, "then": other, "within": within, "window": window}
    return {"kind": "absence", "first": first, "without": other, "within": within, "window": window}


def _moments(r: Random) -> Document:
    op = r.choice(("within", "longer_ago", "before", "from"))
    value = r.choice(SPANS if op in ("within", "longer_ago") else DAYS)
    if r.random() < 0.5:
        which = r.choice(("first", "last"))
        return {"kind": "occurrence", "which": which, "event": r.choice(NAMES), "op": op, "value": value}
    of = r.choice(("first_seen", "last_seen", "first_order_at", "last_order_at"))
    return {"kind": "moment", "of": of, "op": op, "value": value}


def _figure(r: Random) -> Document:
    name = r.choice(("orders", "spend", "average_order"))
    document = {"kind": "figure", "name": name, "op": r.choice(COMPARISONS), "value": r.choice(NUMBERS)}
    return document if name == "orders" else {**document, "currency": r.choice(("USD", "CNY"))}


def _known(r: Random) -> Document:
    op = r.choice(("exists", "missing", "eq", "starts_with", "ends_with"))
    document = {"kind": "identity", "namespace": r.choice(("email", "phone")), "op": op}
    return document if op in ("exists", "missing") else {**document, "value": r.choice(("a@b.c", "b.c"))}


_KINDS_OF_DATES: Final = ("birthday", "child")
_FACTS: Final = (
    *(FactDate(year, 3, day) for year in (None, 1990, 2020) for day in (1, 2, 8, 31)),
    *(FactDate(year, 2, day) for year in (None, 1990, 2024) for day in (28, 29)),
    *(FactDate(year, month, day, "lunar", leap) for year, month, day, leap in _LUNAR),
    FactDate(2026, 3, 1),
    FactDate(2026, 3, 9),
)


def _date(r: Random) -> Document:
    of, kind = r.choice(_KINDS_OF_DATES), r.choice(("anniversary", "age", "date", "holiday"))
    if kind == "anniversary":
        first, last = sorted((r.choice((0, 1, 7, 30, 365)), r.choice((0, 1, 7, 30, 365))))
        return {"kind": kind, "of": of, "first": first, "last": last}
    if kind == "age":
        return {"kind": kind, "of": of, "op": r.choice(COMPARISONS), "years": r.choice((0, 6, 18, 36))}
    if kind == "holiday":
        return {
            "kind": kind,
            "calendar": r.choice(("cn", "us", "de", "gb")),
            "day": r.choice(("holiday", "working_day")),
        }
    op = r.choice(("in_next", "in_last", "before", "from"))
    if op in ("before", "from"):
        return {"kind": kind, "of": of, "op": op, "day": r.choice(DAYS)}
    return {"kind": kind, "of": of, "op": op, "days": r.choice((0, 1, 8, 30))}


def _bucket(r: Random) -> Document:
    of = r.randint(2, 10)
    return {"kind": "bucket", "salt": r.choice(("a", "é")), "of": of, "first": 0, "end": min(of, r.randint(1, 10))}


# Around the poles and the date line, too. No two of them are just as far apart as one asks for.
_PLACES: Final = ((52.52, 13.405), (52.4, 13.0), (-33.87, 151.21), (0, 179.9), (0.1, -179.9), (89.9, 0), (89.8, 180))


def _near(r: Random) -> Document:
    latitude, longitude = r.choice(_PLACES)
    return {"kind": "near", "latitude": latitude, "longitude": longitude, "km": r.choice((1, 33.5, 500, 20_000))}


def _place(r: Random) -> Document:
    """Returns the traits of a place, some of which are none, or not on earth."""
    latitude, longitude = r.choice((*_PLACES, (91, 0), (0, -180.5), ("52.52", 13.405), (True, 0)))
    return {"latitude": latitude, "longitude": longitude} if r.random() < 0.9 else {"latitude": latitude}


_SIMPLE: Final[Sequence[Callable[[Random], Document]]] = (
    _figure,
    _known,
    lambda r: {
        "kind": "consent",
        "channel": r.choice(("email", "sms")),
        "state": r.choice(("granted", "withdrawn", "never")),
    },
    lambda r: {"kind": "tier", "among": _some(r, lambda r: r.choice(("gold", "silver")), 1, 2)},
    lambda r: {"kind": "stage", "among": _some(r, lambda r: r.choice(("new", "loyal")), 1, 2)},
    lambda r: {
        "kind": "score",
        "of": r.choice(("recency", "frequency", "monetary")),
        "op": r.choice(COMPARISONS),
        "value": r.randint(1, 5),
    },
    lambda r: {"kind": "rfm_group", "among": _some(r, lambda r: r.choice(("champions", "loyal")), 1, 2)},
    lambda r: {"kind": "abc", "among": _some(r, lambda r: r.choice(("A", "B")), 1, 2)},
    lambda _: {"kind": "key_customer"},
    _bucket,
    _near,
    lambda r: {"kind": "tag", "name": r.choice(("vip", "b2b"))},
    lambda r: {"kind": "list", "id": r.choice(("press", "staff"))},
    lambda r: {"kind": "segment", "id": r.choice(("one", "other"))},
)
# What has windows and edges is met more often than what is only looked up.
_LEAVES: Final = (_trait, _did, _did, _measure, _pattern, _pattern, _moments, lambda r: r.choice(_SIMPLE)(r))


def _leaf(r: Random) -> Document:
    return r.choice(_LEAVES)(r)


def _any_leaf(r: Random) -> Document:
    return _date(r) if r.random() < 0.25 else _leaf(r)


def _joined(leaf: Callable[[Random], Document], r: Random, size: int) -> Document:
    """Returns a condition with `size` leaves; now and then it is negated, or has a part that says it again."""
    if r.random() < 0.15:
        return {"kind": "not", "of": _joined(leaf, r, size)}
    if size == 1 and r.random() < 0.8:
        return leaf(r)
    parts = []
    while size:
        taken = r.randint(1, size)
        parts.append(leaf(r) if taken == 1 else _joined(leaf, r, taken - 1))
        size -= taken
    return {"kind": r.choice(("all", "any")), "of": parts}


def _documents(leaf: Callable[[Random], Document], most: int) -> st.SearchStrategy[Document]:
    return st.builds(lambda size, seed: _joined(leaf, Random(seed), size), st.integers(1, most), _SEEDS)


def _bare(r: Random) -> Document:
    """Returns a condition on events whose properties don't matter, about as many as there are: edges decide."""
    if r.random() < 0.3:
        pattern = _pattern(r)
        for step in ("first", "then", "without"):
            if step in pattern:
                pattern[step] = {"event": pattern[step]["event"]}
        return pattern
    first, last = sorted((r.choice(DAYS), r.choice(DAYS)))
    return {
        "kind": "did",
        "event": r.choice(NAMES),
        "op": r.choice(COMPARISONS),
        "times": r.randint(0, 2),
        "window": {"within": r.choice(SPANS)} if r.random() < 0.7 else {"since": first, "until": last},
        # What every event is: with a filter another way is taken than without.
        "where": [{"property": "never", "op": "missing"}] if r.random() < 0.5 else [],
    }


bare: Final = st.builds(lambda seed: _bare(Random(seed)), _SEEDS)
"""Valid conditions without parts on events in windows: where they begin and end is what decides."""
leaves: Final = st.builds(lambda seed: _leaf(Random(seed)), _SEEDS)
"""Valid conditions without parts, that do not ask what day it is."""
undated_documents: Final = _documents(_leaf, 5)
"""Valid conditions that do not ask what day it is, as JSON documents."""
dated_documents: Final = _documents(_date, 3)
"""Valid conditions about dates."""
documents: Final = _documents(_any_leaf, 5)
"""Valid conditions, as JSON documents."""


def _some_of(r: Random, made: dict[str, Callable[[Random], Any]]) -> Document:
    return {name: make(r) for name, make in made.items() if r.random() < 0.5}


def _line(r: Random) -> Document:
    return _some_of(r, {"category": _scalar, "quantity": _scalar})


def _category(r: Random) -> Any:
    return r.choice((_scalar, _scalar, partial(_some, make=_scalar, least=0, most=2), lambda _: None))(r)


def _items(r: Random) -> Any:
    return _line(r) if r.random() < 0.3 else _some(r, _line, 0, 3)


def _properties(r: Random) -> Document:
    price = (lambda r: r.choice(NUMBERS), lambda r: r.choice(TEXTS))
    return _some_of(r, {"category": _category, "price": r.choice(price), "items": _items})


def _expiry(r: Random) -> datetime | None:
    return r.choice((None, None, *(NOON + timedelta(seconds=one) for one in (-1, 0, 1))))


def _trait_value(r: Random) -> Any:
    return r.choice(
        (_scalar, _scalar, partial(_some, make=_scalar, least=0, most=3), lambda _: None, lambda _: {"a": 1})
    )(r)


def _facts(r: Random) -> list[Date]:
    return [dated("", fact) for fact in _some(r, lambda r: r.choice(_FACTS), 1, 2)]


def _history(r: Random, size: int) -> dict[str, list[Happening]]:
    history = {}
    for name in NAMES:
        made = [(_moment(r), _properties(r)) for _ in range(r.randint(0, size))]
        if made:
            of = [Happening(at, properties, UUID(int=n)) for n, (at, properties) in enumerate(made, 1)]
            history[name] = sorted(of, key=lambda one: (one.at, one.event_id))
    return history


def _customer(r: Random, size: int) -> Customer:
    history = _history(r, size)
    maybe = [_moment(r) if r.random() < 0.6 else None for _ in range(4)]
    return Customer(
        profile_id=UUID(int=r.getrandbits(128)),
        traits={name: _trait_value(r) for name in _subset(r, TRAITS)} | (_place(r) if r.random() < 0.5 else {}),
        zone=r.choice(("UTC", "Asia/Shanghai", "Pacific/Kiritimati", "Pacific/Pago_Pago", "No/Where")),
        dates={name: _facts(r) for name in _subset(r, _KINDS_OF_DATES)},
        identities={
            name: _some(r, lambda r: r.choice(("a@b.c", "x@b.c")), 0, 2) for name in _subset(r, ("email", "phone"))
        },
        consents={name: r.random() < 0.5 for name in _subset(r, (f"email:{MARKETING}", f"sms:{MARKETING}"))},
        orders=r.randint(0, 3),
        spend_minor={name: r.randint(-1, 20) for name in _subset(r, ("USD", "CNY"))},
        first_seen=maybe[0],
        last_seen=maybe[1],
        first_order_at=maybe[2],
        last_order_at=maybe[3],
        tiers={"default": r.choice(("gold", "silver", "bronze"))},
        stage=r.choice(("new", "loyal", "prospect")),
        scores={name: r.randint(1, 5) for name in _subset(r, ("recency", "frequency", "monetary"))},
        classes={
            name: r.choice(of)
            for name, of in (
                ("rfm_group", ("champions", "loyal", "at_risk")),
                ("abc", ("A", "C")),
                ("key_customer", "y"),
            )
            if r.random() < 0.5
        },
        tags={name: _expiry(r) for name in _subset(r, ("vip", "b2b"))},
        lists={name: _expiry(r) for name in _subset(r, ("press", "staff"))},
        segments=frozenset(_subset(r, ("one", "other"))),
        history=history,
        occurrences={
            name: Occurrence(len(of), of[0].at, of[-1].at) for name, of in history.items() if name != NAMES[0]
        },
    )


def customers() -> st.SearchStrategy[Customer]:
    """A customer of whom anything may be known, and much of it is not."""
    return st.builds(lambda size, seed: _customer(Random(seed), size), st.sampled_from((0, 1, 2, 3, 5)), _SEEDS)


def plain(value: Any) -> str:
    """Returns a document as JSON."""
    return msgspec.json.encode(value).decode()
