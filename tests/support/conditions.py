"""Made-up conditions and customers, for the laws of conditions: any kind, any nesting, values that meet each other."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from services.segment.domain.calendars.anniversaries import FactDate
from services.segment.domain.conditions.customer import Customer, Happening, Occurrence, dated
from shared.contracts.events import MARKETING
from tests.support.events import NOON

NAMES: Final = ("order_placed", "product_viewed")
TEXTS: Final = ("tea", "Tea", "té", "茶", "tea set", "")
NUMBERS: Final = (0, 1, 2, 10, 0.1, 2.5, -1, 1.0)
TRAITS: Final = ("city", "size", "vip", "likes")
PATHS: Final = ("category", "price", "items.category", "items.quantity", "none")
SPANS: Final = ("PT1M", "PT1H", "P1D", "P7D", "P30D")
_LUNAR: Final = ((None, 1, 13, False), (1990, 1, 14, False), (2020, 4, 30, True), (1990, 12, 30, False))
DAYS: Final = ("2026-01-30", "2026-01-31", "2026-02-01")

# Histories are dense around `NOON`, so that windows begin, end and meet there.
offsets = st.sampled_from(
    [timedelta(seconds=s) for s in (0, 1, 59, 60, 61, 3599, 3600, 3601, 86_400, 86_401, 604_800, 2_592_000, 2_592_001)]
)
moments = st.one_of(
    st.sampled_from([NOON - timedelta(seconds=s) for s in (60, 3600, 86_400, 604_800, 2_592_000)]),
    st.builds(lambda one: NOON - one, offsets),
    st.builds(lambda one, other: NOON - one - other, offsets, offsets),
)
scalars = st.one_of(st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.booleans())
texts = st.sampled_from([one for one in TEXTS if one])
numbers = st.sampled_from(NUMBERS)
several = st.lists(scalars, min_size=1, max_size=3)
comparisons = st.sampled_from(("eq", "ne", "lt", "le", "gt", "ge"))
_sliding = st.builds(lambda span: {"within": span}, st.sampled_from(SPANS))
windows = st.one_of(
    _sliding,
    _sliding,
    st.builds(lambda one, other: {"since": min(one, other), "until": max(one, other)}, *[st.sampled_from(DAYS)] * 2),
    st.builds(lambda day: {"since": day}, st.sampled_from(DAYS)),
    st.builds(lambda name: {"after": name}, st.sampled_from(NAMES)),
)
fixed_windows = windows.filter(lambda window: "after" not in window)


def _valued(op: str) -> st.SearchStrategy[Any]:
    if op in ("exists", "missing"):
        return st.none()
    if op in ("lt", "le", "gt", "ge"):
        return numbers
    if op in ("contains", "starts_with", "ends_with"):
        return texts
    if op == "between":
        return st.lists(numbers, min_size=2, max_size=2).map(sorted)
    return several if op in ("in", "not_in", "any_of", "all_of") else scalars


def _with_value(document: dict[str, Any], value: Any) -> dict[str, Any]:
    return document if value is None else {**document, "value": value}


@st.composite
def filters(draw: st.DrawFn, *, deep: bool = True) -> list[dict[str, Any]]:
    """Filters on properties."""
    found = []
    for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
        if deep and draw(st.booleans()):
            where = draw(filters(deep=False))
            if where:
                found.append({"property": "items", "op": "any", "where": where})
                continue
        ops = ("eq", "ne", "lt", "ge", "in", "not_in", "contains", "starts_with", "ends_with", "exists", "missing")
        op = draw(st.sampled_from(ops))
        path = draw(st.sampled_from(PATHS if deep else ("category", "quantity")))
        found.append(_with_value({"property": path, "op": op}, draw(_valued(op))))
    return found


steps = st.builds(lambda event, where: {"event": event, "where": where}, st.sampled_from(NAMES), filters())


@st.composite
def _traits(draw: st.DrawFn) -> dict[str, Any]:
    ops = (
        *("eq", "ne", "lt", "le", "gt", "ge", "between", "in", "not_in", "contains", "starts_with", "ends_with"),
        *("any_of", "all_of", "exists", "missing"),
    )
    op = draw(st.sampled_from(ops))
    document = {"kind": "trait", "name": draw(st.sampled_from(TRAITS)), "op": op}
    return _with_value(document, draw(_valued(op)))


@st.composite
def _did(draw: st.DrawFn) -> dict[str, Any]:
    event = draw(st.sampled_from(NAMES))
    window = draw(st.one_of(st.none(), windows))
    document = {"kind": "did", "event": event, "op": draw(comparisons), "times": draw(st.integers(0, 4))}
    if window is None:
        return document
    return {**document, "window": window, "where": draw(filters())}


@st.composite
def _measures(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "kind": "measure",
        "event": draw(st.sampled_from(NAMES)),
        "by": draw(st.sampled_from(("sum", "average", "min", "max", "distinct"))),
        "of": draw(st.sampled_from(PATHS)),
        "op": draw(comparisons),
        "value": draw(numbers),
        "where": draw(filters()),
        "window": draw(windows),
    }


@st.composite
def _patterns(draw: st.DrawFn) -> dict[str, Any]:
    first, other, window = draw(steps), draw(steps), draw(fixed_windows)
    within = draw(st.sampled_from(SPANS[:3] if "within" in window else SPANS))
    if window.get("within") in SPANS[:3]:
        window = {"within": "P7D"}
    if draw(st.booleans()):
        return {"kind": "sequence", "first": first, "then": other, "within": within, "window": window}
    return {"kind": "absence", "first": first, "without": other, "within": within, "window": window}


@st.composite
def _moments(draw: st.DrawFn) -> dict[str, Any]:
    op = draw(st.sampled_from(("within", "longer_ago", "before", "from")))
    value = draw(st.sampled_from(SPANS if op in ("within", "longer_ago") else DAYS))
    if draw(st.booleans()):
        which = draw(st.sampled_from(("first", "last")))
        return {"kind": "occurrence", "which": which, "event": draw(st.sampled_from(NAMES)), "op": op, "value": value}
    of = draw(st.sampled_from(("first_seen", "last_seen", "first_order_at", "last_order_at")))
    return {"kind": "moment", "of": of, "op": op, "value": value}


@st.composite
def _figures(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(("orders", "spend", "average_order")))
    document = {"kind": "figure", "name": name, "op": draw(comparisons), "value": draw(numbers)}
    return document if name == "orders" else {**document, "currency": draw(st.sampled_from(("USD", "CNY")))}


@st.composite
def _known(draw: st.DrawFn) -> dict[str, Any]:
    op = draw(st.sampled_from(("exists", "missing", "eq", "starts_with", "ends_with")))
    document = {"kind": "identity", "namespace": draw(st.sampled_from(("email", "phone"))), "op": op}
    return document if op in ("exists", "missing") else {**document, "value": draw(st.sampled_from(("a@b.c", "b.c")))}


_KINDS_OF_DATES: Final = ("birthday", "child")
_FACTS: Final = (
    *(FactDate(year, 3, day) for year in (None, 1990, 2020) for day in (1, 2, 8, 31)),
    *(FactDate(year, 2, day) for year in (None, 1990, 2024) for day in (28, 29)),
    *(FactDate(year, month, day, "lunar", leap) for year, month, day, leap in _LUNAR),
    FactDate(2026, 3, 1),
    FactDate(2026, 3, 9),
)


@st.composite
def _dates(draw: st.DrawFn) -> dict[str, Any]:
    of = draw(st.sampled_from(_KINDS_OF_DATES))
    kind = draw(st.sampled_from(("anniversary", "age", "date", "holiday")))
    if kind == "anniversary":
        first, last = sorted(draw(st.tuples(*[st.sampled_from((0, 1, 7, 30, 365))] * 2)))
        return {"kind": kind, "of": of, "first": first, "last": last}
    if kind == "age":
        return {"kind": kind, "of": of, "op": draw(comparisons), "years": draw(st.sampled_from((0, 6, 18, 36)))}
    if kind == "holiday":
        calendar = draw(st.sampled_from(("cn", "us", "de", "gb")))
        return {"kind": kind, "calendar": calendar, "day": draw(st.sampled_from(("holiday", "working_day")))}
    op = draw(st.sampled_from(("in_next", "in_last", "before", "from")))
    if op in ("before", "from"):
        return {"kind": kind, "of": of, "op": op, "day": draw(st.sampled_from(DAYS))}
    return {"kind": kind, "of": of, "op": op, "days": draw(st.sampled_from((0, 1, 8, 30)))}


_simple: Final = st.one_of(
    _figures(),
    _known(),
    st.builds(
        lambda channel, state: {"kind": "consent", "channel": channel, "state": state},
        st.sampled_from(("email", "sms")),
        st.sampled_from(("granted", "withdrawn", "never")),
    ),
    st.builds(
        lambda names: {"kind": "tier", "among": names}, st.lists(st.sampled_from(("gold", "silver")), min_size=1)
    ),
    st.builds(lambda names: {"kind": "stage", "among": names}, st.lists(st.sampled_from(("new", "loyal")), min_size=1)),
    st.builds(
        lambda of, op, value: {"kind": "score", "of": of, "op": op, "value": value},
        st.sampled_from(("recency", "frequency", "monetary")),
        comparisons,
        st.integers(1, 5),
    ),
    st.builds(
        lambda names: {"kind": "rfm_group", "among": names},
        st.lists(st.sampled_from(("champions", "loyal")), min_size=1),
    ),
    st.builds(lambda names: {"kind": "abc", "among": names}, st.lists(st.sampled_from(("A", "B")), min_size=1)),
    st.just({"kind": "key_customer"}),
    st.builds(
        lambda salt, of, end: {"kind": "bucket", "salt": salt, "of": of, "first": 0, "end": min(of, end)},
        st.sampled_from(("a", "é")),
        st.integers(2, 10),
        st.integers(1, 10),
    ),
    st.builds(lambda name: {"kind": "tag", "name": name}, st.sampled_from(("vip", "b2b"))),
    st.builds(lambda name: {"kind": "list", "id": name}, st.sampled_from(("press", "staff"))),
    st.builds(lambda name: {"kind": "segment", "id": name}, st.sampled_from(("one", "other"))),
)


# What has windows and edges is met more often than what is only looked up.
leaves: Final = st.one_of(_traits(), _did(), _did(), _measures(), _patterns(), _patterns(), _moments(), _simple)


def _nested(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several_parts = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda of: {"kind": "all", "of": of}, several_parts),
        st.builds(lambda of: {"kind": "any", "of": of}, several_parts),
        st.builds(lambda of: {"kind": "not", "of": of}, parts),
    )


undated_documents: Final = st.recursive(leaves, _nested, max_leaves=5)
"""Valid conditions that do not ask what day it is, as JSON documents."""
dated_documents: Final = st.recursive(_dates(), _nested, max_leaves=3)
"""Valid conditions about dates."""
documents: Final = st.recursive(st.one_of(leaves, leaves, leaves, _dates()), _nested, max_leaves=5)
"""Valid conditions, as JSON documents."""

_lines = st.fixed_dictionaries({}, optional={"category": scalars, "quantity": scalars})
_properties = st.fixed_dictionaries(
    {},
    optional={
        "category": st.one_of(scalars, st.lists(scalars, max_size=2), st.none()),
        "price": st.one_of(numbers, texts),
        "items": st.one_of(st.lists(_lines, max_size=3), _lines),
    },
)
_expiries = st.one_of(st.none(), st.sampled_from((timedelta(0), timedelta(seconds=1), -timedelta(seconds=1)))).map(
    lambda span: None if span is None else NOON + span
)


_classes = st.fixed_dictionaries(
    {},
    optional={
        "rfm_group": st.sampled_from(("champions", "loyal", "at_risk")),
        "abc": st.sampled_from(("A", "C")),
        "key_customer": st.just("yes"),
    },
)


@st.composite
def customers(draw: st.DrawFn) -> Customer:
    """A customer of whom anything may be known, and much of it is not."""
    history: dict[str, list[Happening]] = {}
    for name in NAMES:
        made = draw(st.lists(st.tuples(moments, _properties), max_size=4))
        if made:
            ids = (UUID(int=n + 1) for n in range(len(made)))
            of = [Happening(at, properties, one) for (at, properties), one in zip(made, ids, strict=True)]
            history[name] = sorted(of, key=lambda one: (one.at, one.event_id))
    counted = {name: Occurrence(len(of), of[0].at, of[-1].at) for name, of in history.items() if name != NAMES[0]}
    maybe = st.one_of(st.none(), moments)
    consent = st.dictionaries(st.sampled_from((f"email:{MARKETING}", f"sms:{MARKETING}")), st.booleans())
    scores = st.dictionaries(st.sampled_from(("recency", "frequency", "monetary")), st.integers(1, 5))
    return Customer(
        profile_id=draw(st.uuids()),
        traits=draw(
            st.dictionaries(
                st.sampled_from(TRAITS), st.one_of(scalars, st.lists(scalars, max_size=3), st.none(), st.just({"a": 1}))
            )
        ),
        zone=draw(st.sampled_from(("UTC", "Asia/Shanghai", "Pacific/Kiritimati", "Pacific/Pago_Pago", "No/Where"))),
        dates=draw(
            st.dictionaries(
                st.sampled_from(_KINDS_OF_DATES),
                st.lists(st.sampled_from(_FACTS).map(lambda fact: dated("", fact)), min_size=1, max_size=2),
            )
        ),
        identities=draw(
            st.dictionaries(
                st.sampled_from(("email", "phone")), st.lists(st.sampled_from(("a@b.c", "x@b.c")), max_size=2)
            )
        ),
        consents=draw(consent),
        orders=draw(st.integers(0, 3)),
        spend_minor=draw(st.dictionaries(st.sampled_from(("USD", "CNY")), st.integers(-1, 20))),
        first_seen=draw(maybe),
        last_seen=draw(maybe),
        first_order_at=draw(maybe),
        last_order_at=draw(maybe),
        tiers={"default": draw(st.sampled_from(("gold", "silver", "bronze")))},
        stage=draw(st.sampled_from(("new", "loyal", "prospect"))),
        scores=draw(scores),
        classes=draw(_classes),
        tags=draw(st.dictionaries(st.sampled_from(("vip", "b2b")), _expiries)),
        lists=draw(st.dictionaries(st.sampled_from(("press", "staff")), _expiries)),
        segments=draw(st.frozensets(st.sampled_from(("one", "other")))),
        history=history,
        occurrences=counted,
    )


def plain(value: Any) -> str:
    """Returns a document as JSON."""
    return msgspec.json.encode(value).decode()


EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
