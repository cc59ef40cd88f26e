"""Golden files: what was once written on the bus stays readable, and is still written byte for byte.

Each file in `golden/` is one record: its headers as strings, its value as the JSON it is, and the fields that it
was decoded to when it was recorded. Files are written once, by

    python -m tests.contract.test_golden write

which adds what is missing and never overwrites: a type that must change gets a new version and a new file. The
file of an old version stays, and is still decoded.
"""

import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest

from shared.contracts import events, orders, versions, wire
from shared.contracts.changes import (
    ConfirmationRequested,
    Consent,
    ContactPoint,
    DatedFact,
    OrderReassigned,
    ProfileChanged,
    ProfileErased,
    ProfileMerged,
    ProfileSplit,
    SegmentEntered,
    SegmentExited,
    StageChanged,
    TierChanged,
    TimeZone,
)
from shared.contracts.context import Agent, Campaign, Context, Geo, Page
from shared.contracts.envelope import Event, SourceKind, Stamp
from shared.contracts.events import Body, Item
from shared.contracts.identity import Identity, Namespace, user_ids_of
from shared.contracts.reference import DatedRate, RatesPublished
from tests.support.vocabulary import BEHAVIOUR, MESSAGES, TOLD_BY_SERVERS

GOLDEN: Final = Path(__file__).parent / "golden"

ANN: Final = UUID("0190b6c0-0000-7000-8000-00000000a001")
ANN_ONCE: Final = UUID("0190b6c0-0000-7000-8000-00000000a002")
SHOP: Final = UUID("0190b6c0-0000-7000-8000-0000000050b0")
AT: Final = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
STATED: Final = datetime(2026, 3, 1, 11, 59, 58, tzinfo=UTC)
RECEIVED: Final = datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)

LATER: Final = frozenset(
    {"stated_at", "context", "merges", "source_version", "undated", "space"}
)  # parts of the envelope that the first files do not know

_STAMP: Final = Stamp(1, AT, UUID("0190b6c0-0000-7000-8000-00000000e001"), 3, RECEIVED)
_TEA: Final = Item(
    sku="TEA-1", name="龙井 green tea", category="tea", quantity=2, unit_price_minor=12_50, unit_cost_minor=4_00
)
_CUP: Final = Item(sku="CUP-1", quantity=1, unit_price_minor=5_00)

CIRCUMSTANCES: Final = Context(
    ip="192.0.2.7",
    locale="zh-CN",
    timezone="Asia/Shanghai",
    user_agent="Mozilla/5.0",
    library="analytics.js/4.1",
    agent=Agent(browser="Firefox", browser_version="150.0", os="Linux", device="Other"),
    page=Page(url="https://shop.example/茶?utm_source=mail", path="/茶", title="茶", search="utm_source=mail"),
    campaign=Campaign(source="mail", name="spring"),
    geo=Geo(country="CN", city="杭州"),
)

_CHANGED: Final = ProfileChanged(
    profile_id=ANN,
    version=7,
    first_seen=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
    last_seen=AT,
    identities={"user_id": ("42",), "email": ("ann@example.com", "ann@example.org")},
    traits={"name": "Ann"},
    consent={"email": True},
    orders=2,
    spend_minor={"USD": 55_00},
    first_order_at=datetime(2025, 6, 1, tzinfo=UTC),
    last_order_at=AT,
)

_RISE: Final = TierChanged(
    profile_id=ANN,
    version=3,
    previous="bronze",
    current="silver",
    direction="up",
    reason="10000 minor units of USD in 365 days",
)

SAMPLES: Final[tuple[Body, ...]] = (
    events.OrderPlaced(order_id="A-1001", currency="USD", total_minor=30_00, items=(_TEA, _CUP)),
    events.OrderCancelled(order_id="A-1001", reason="changed her mind"),
    events.OrderRefunded(order_id="A-1001", refund_id="R-1", currency="USD", amount_minor=5_00),
    events.OrderShipped(order_id="A-1001", carrier="DHL", tracking_number="JD014600003000000000"),
    events.OrderDelayed(order_id="A-1001", reason="customs", expected_at="2026-03-09"),
    events.OrderDelivered(order_id="A-1001"),
    events.PageViewed(url="https://shop.example/tea?page=2", path="/tea", title="Tea", referrer="https://example.com/"),
    events.ProductViewed(sku="TEA-1", name="龙井", category="tea", currency="CNY", price_minor=88_00),
    events.CartUpdated(cart_id="C-1", currency="USD", total_minor=25_00, items=(_TEA,)),
    events.CheckoutStarted(checkout_id="K-1", currency="USD", total_minor=30_00, items=(_TEA, _CUP)),
    events.FeedbackSubmitted(survey="nps", rating=9, text="Quick delivery, 谢谢!", order_id="A-1001"),
    events.CustomerIdentified(
        traits={"name": "Ann", "address": {"city": "Köln", "country": "DE"}, "points": 12, "score": 0.5, "vip": True},
        consent={"email": True, "sms": False},
    ),
    events.MessageSent(
        message_id=UUID("0190b6c0-0000-7000-8000-00000000e001"),
        journey_id="welcome",
        journey_version=3,
        trigger_id="0190b6c0-0000-7000-8000-00000000e002",
        channel="email",
        subject="Welcome, Ann",
    ),
    events.CustomEvent(name="Wishlist Shared", properties={"with": ["bob@example.com"], "items": 3, "note": None}),
    _CHANGED,
    ProfileMerged(loser=ANN_ONCE, survivor=ANN),
    _RISE,
    StageChanged(profile_id=ANN, version=4, previous=None, current="new", reason="the first order"),
    # Later types come last: a sample's number says which parts of the envelope its record has.
    events.ConsentChanged(
        channel="email",
        granted=True,
        purpose="newsletter",
        evidence={"form": "footer", "wording": "Yes, write to me 是"},
        confirm_at="ann@example.com",
    ),
    ConfirmationRequested(
        profile_id=ANN,
        address="ann@example.com",
        channel="email",
        purpose="newsletter",
        requested_by=ANN_ONCE,
        language="zh",
    ),
    *BEHAVIOUR,
    *MESSAGES,
    OrderReassigned(
        from_profile=ANN_ONCE,
        from_order="A-1",
        to_profile=ANN,
        to_order="A-1",
        mark=orders.Order(left={str(SHOP): _STAMP}),
        order=orders.Order(
            kept=_STAMP,
            snapshots={
                str(SHOP): orders.Snapshot(
                    orders.Placed(_STAMP, "EUR", 30_00, None, {"tea": 2}),
                    {"R-1": orders.Refund(_STAMP, "EUR", 5_00)},
                )
            },
            payments={"P-1": orders.Payment(paid=orders.Placed(_STAMP, "EUR", 30_00, None))},
        ),
    ),
    *TOLD_BY_SERVERS,
    SegmentEntered(
        profile_id=ANN,
        version=5,
        segment_id="tea-lovers",
        segment_version=2,
        name="茶 lovers",
        reason="2 orders of tea in 30 days",
        cause="event",
        order_id="A-1",
    ),
    SegmentExited(
        profile_id=ANN,
        version=6,
        segment_id="tea-lovers",
        segment_version=2,
        name="茶 lovers",
        reason="1 order of tea in 30 days",
        cause="time",
        by_time=True,
    ),
    ProfileSplit(profile_id=ANN, separated=ANN_ONCE, at=AT),
    ProfileErased(profile_id=ANN),
    RatesPublished(
        key="rates/EUR/USD/2026",
        version=1204,
        base="EUR",
        quote="USD",
        year=2026,
        rates=(DatedRate(day="2026-02-26", rate="1.0834"), DatedRate(day="2026-02-27", rate="1.08")),
    ),
)


def sample(number: int, body: Body) -> Event:
    """A record of this type as its producer writes it: a fact from a server, or a change from a service."""
    change = body.__class__.__module__ in (ProfileChanged.__module__, RatesPublished.__module__)
    return Event(
        event_id=UUID(int=SHOP.int + 0x10000 + number),
        source_id=str(SHOP),
        source_kind=SourceKind.SERVICE if change else SourceKind.SERVER,
        occurred_at=AT,
        received_at=RECEIVED,
        body=body,
        identities=() if change else (Identity(Namespace.USER_ID, "42"), Identity(Namespace.EMAIL, "ann@example.com")),
        historical=number % 3 == 1,
        unverified=number % 5 == 4 and not change,
        profile_id=ANN if change or number % 2 else None,
        origin=4 if change or number % 2 else None,
        sequence=1234567 if change or number % 2 else None,
        cause_id=ANN_ONCE if change else None,
        depth=1 if change else 0,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


RECORDS: Final[Mapping[str, Event]] = {
    **{wire.TYPE_NAMES[type(body)]: sample(number, body) for number, body in enumerate(SAMPLES)},
    # What bodies got later: `extra` of a fact and of a line, `screen`.
    "rapport.order_placed.v2+extra": msgspec.structs.replace(
        sample(0, SAMPLES[0]),
        body=events.OrderPlaced(
            order_id="A-1002",
            currency="CNY",
            total_minor=88_00,
            items=(Item(sku="TEA-2", quantity=1, unit_price_minor=88_00, extra={"brand": "狮峰", "position": 2}),),
            extra={"coupon": "SPRING", "shipping": 0, "gift": True},
        ),
    ),
    # What orders and refunds got later: a snapshot, a payment by its provider, goods by weight.
    "rapport.order_placed.v2+whole": msgspec.structs.replace(
        sample(0, SAMPLES[0]),
        body=events.OrderPlaced(
            order_id="A-1003",
            currency="EUR",
            total_minor=12_00,
            items=(
                Item(
                    sku="cheese", quantity=1, exact_quantity=Decimal("0.35"), unit_price_minor=20_00, total_minor=7_00
                ),
                Item(sku="gift", quantity=1, unit_price_minor=0, unpriced=True),
            ),
            placed_at=STATED,
            state="placed",
            whole=True,
            refunds=(events.OrderRefund(refund_id="R-1", amount_minor=2_00),),
            payment_refs=("pi_1",),
        ),
    ),
    "rapport.order_placed.v2+payment": msgspec.structs.replace(
        sample(0, SAMPLES[0]),
        body=events.OrderPlaced(
            order_id="A-1003",
            currency="EUR",
            total_minor=12_00,
            state="placed",
            payment_id="pi_1",
            payment_refs=("pi_1", "ch_1"),
        ),
    ),
    "rapport.order_refunded.v2+payment": msgspec.structs.replace(
        sample(0, SAMPLES[0]),
        body=events.OrderRefunded(
            order_id="A-1003",
            refund_id="re_1",
            currency="EUR",
            amount_minor=2_00,
            payment_id="pi_1",
            payment_refs=("pi_1", "ch_1"),
            in_all=True,
        ),
    ),
    "rapport.page_viewed.v2+extra": msgspec.structs.replace(
        sample(6, SAMPLES[6]), body=events.PageViewed(title="Basket", screen=True, extra={"category": "App"})
    ),
    # What the envelope got later, by the name of the type and of that part.
    "rapport.custom.v1+merges": msgspec.structs.replace(
        sample(13, events.CustomEvent(name="Alias")),
        identities=(Identity(Namespace.USER_ID, "42"), Identity(Namespace.ANONYMOUS_ID, "41")),
        merges=True,
    ),
    "rapport.profile_changed.v1+contacts": msgspec.structs.replace(
        sample(14, SAMPLES[14]),
        body=msgspec.structs.replace(
            _CHANGED,
            contact_points=(
                ContactPoint(namespace="email", value="ann@example.com", verified=True, stated_at=AT),
                ContactPoint(namespace="email", value="ann@example.org"),
            ),
            public_traits=("name",),
        ),
    ),
    "rapport.profile_changed.v1+consents": msgspec.structs.replace(
        sample(14, SAMPLES[14]),
        body=msgspec.structs.replace(
            _CHANGED,
            consents=(
                Consent(channel="email", purpose="marketing", granted=True, changed_at=AT),
                Consent(channel="email", purpose="newsletter", granted=False, changed_at=STATED),
            ),
        ),
    ),
    "rapport.customer_identified.v1+confirm_at": msgspec.structs.replace(
        sample(11, SAMPLES[11]),
        body=events.CustomerIdentified(consent={"email": True, "email:newsletter": False}, confirm_at="a@example.com"),
    ),
    "rapport.message_sent.v1+purpose": msgspec.structs.replace(
        sample(12, SAMPLES[12]),
        body=events.MessageSent(
            message_id=UUID("0190b6c0-0000-7000-8000-00000000e001"),
            journey_id="parcel",
            journey_version=1,
            trigger_id="0190b6c0-0000-7000-8000-00000000e002",
            channel="email",
            purpose="transactional",
        ),
    ),
    "rapport.message_sent.v1+definition": msgspec.structs.replace(
        sample(12, SAMPLES[12]),
        body=events.MessageSent(
            message_id=UUID("0190b6c0-0000-7000-8000-00000000e001"),
            journey_id="welcome",
            journey_version=3,
            trigger_id="0190b6c0-0000-7000-8000-00000000e002",
            channel="sms",
            definition_id="welcome",
            definition_version=3,
            step="first",
            cost_minor=4,
            currency="EUR",
        ),
    ),
    "rapport.profile_changed.v1+dates": msgspec.structs.replace(
        sample(14, SAMPLES[14]),
        body=msgspec.structs.replace(
            _CHANGED,
            time_zone=TimeZone(name="Asia/Shanghai", by="context"),
            language="zh-CN",
            dated_facts=(
                DatedFact(kind="birthday", date="1990-05-17"),
                DatedFact(kind="child_birthday", label="Mia", date="--06-05", calendar="lunar", leap_month=True),
            ),
        ),
    ),
    "rapport.tier_changed.v1+programme": msgspec.structs.replace(
        sample(16, SAMPLES[16]), body=msgspec.structs.replace(_RISE, programme="club", cause="redefined")
    ),
    "rapport.stage_changed.v1+cause": msgspec.structs.replace(
        sample(17, SAMPLES[17]),
        body=StageChanged(
            profile_id=ANN,
            version=5,
            previous="new",
            current="silent",
            reason="no order in 90 days",
            by_time=True,
            cause="time",
        ),
        cause_id=None,
    ),
    "rapport.profile_merged.v1+verified": msgspec.structs.replace(
        sample(15, SAMPLES[15]), body=ProfileMerged(loser=ANN_ONCE, survivor=ANN, verified=True)
    ),
    "rapport.tier_changed.v1+order_id": msgspec.structs.replace(
        sample(16, SAMPLES[16]), body=msgspec.structs.replace(_RISE, order_id="A-1")
    ),
    "rapport.tier_changed.v1+by_time": msgspec.structs.replace(
        sample(16, SAMPLES[16]), body=msgspec.structs.replace(_RISE, by_time=True), cause_id=None
    ),
    "rapport.customer_identified.v1+undated": msgspec.structs.replace(
        sample(11, next(one for one in SAMPLES if isinstance(one, events.CustomerIdentified))), undated=True
    ),
    "rapport.custom.v1+space": msgspec.structs.replace(
        sample(1, next(one for one in SAMPLES if isinstance(one, events.CustomEvent))),
        source_version=17,
        space="shop-a",
        identities=(Identity(user_ids_of("shop-a"), "42"),),
    ),
    "rapport.page_viewed.v2+context": msgspec.structs.replace(
        sample(6, SAMPLES[6]), stated_at=STATED, context=CIRCUMSTANCES
    ),
}

# The same, as a process with WIRE_VERSION=1 writes them.
FIRST_RECORDS: Final[Mapping[str, Event]] = {
    name.replace(wire.TYPE_NAMES[type(event.body)], first).replace("+extra", "+more"): event
    for name, event in RECORDS.items()
    if (first := versions.FIRST_NAMES.get(type(event.body)))
}
# What the fields of an event were called when the first files were recorded.
FORMERLY: Final = {"more": "extra", "claim": "unverified"}


def path_of(name: str) -> Path:
    """Where a record's golden file is."""
    return GOLDEN / f"{name}.json"


def fields_of(event: Event) -> dict[str, Any]:
    """An event's fields; of those that the envelope got later, only those that are set."""
    found: dict[str, Any] = json.loads(msgspec.json.encode(event))
    return {name: value for name, value in found.items() if value or name not in LATER}


def of_today(fields: Any) -> Any:
    """Recorded fields by the names that they have now."""
    if isinstance(fields, list):
        return [of_today(one) for one in fields]
    if not isinstance(fields, dict):
        return fields
    return {FORMERLY.get(name, name): of_today(value) for name, value in fields.items()}


@contextmanager
def writing(version: int) -> Iterator[None]:
    """Has types written as this version has them."""
    wire.write_version(version)
    try:
        yield
    finally:
        wire.write_version(versions.CURRENT)


def recorded(event: Event) -> str:
    """A golden file's text."""
    headers, value = wire.encode(event)
    found = {
        "headers": {name: raw.decode() for name, raw in headers},
        "value": json.loads(value),
        "fields": fields_of(event),
    }
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def write() -> int:
    """Writes the golden files that are missing; how many there were."""
    GOLDEN.mkdir(exist_ok=True)
    written = 0
    for version, records in ((2, RECORDS), (1, FIRST_RECORDS)):
        for name, event in records.items():
            path = path_of(name)
            if path.exists():
                print(f"kept    {path.name}")
                continue
            with writing(version):
                path.write_text(recorded(event), encoding="utf-8")
            print(f"written {path.name}")
            written += 1
    return written


def type_in(path: Path) -> str:
    """The type whose record a file holds."""
    return path.stem.partition("+")[0]


def read(path: Path) -> tuple[list[tuple[str, bytes]], bytes, Any]:
    """A golden record's headers, value and fields."""
    found = json.loads(path.read_text(encoding="utf-8"))
    value = json.dumps(found["value"], ensure_ascii=False, separators=(",", ":")).encode()
    return [(name, text.encode()) for name, text in found["headers"].items()], value, found["fields"]


golden = pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)


def test_every_type_on_the_bus_has_a_golden_file() -> None:
    missing = [name for name in (*RECORDS, *FIRST_RECORDS) if not path_of(name).exists()]

    assert missing == [], "python -m tests.contract.test_golden write"
    assert {type(body) for body in SAMPLES} == set(wire.TYPE_NAMES)


@golden
def test_a_recorded_event_is_still_decoded_to_exactly_its_fields(path: Path) -> None:
    headers, value, fields = read(path)
    event = wire.decode(headers, value)

    assert fields_of(event) == of_today(fields)
    assert wire.TYPE_NAMES[type(event.body)].rpartition(".")[0] == type_in(path).rpartition(".")[0]


@golden
def test_a_recorded_event_is_still_encoded_byte_for_byte(path: Path) -> None:
    headers, value, _ = read(path)
    event = wire.decode(headers, value)

    with writing(1 if versions.FIRST_NAMES.get(type(event.body)) == type_in(path) else 2):
        assert wire.encode(event) == (headers, value)


@pytest.mark.parametrize(
    ("version", "name"), [*itertools.product([2], RECORDS), *itertools.product([1], FIRST_RECORDS)]
)
def test_the_golden_file_is_what_its_sample_makes(version: int, name: str) -> None:
    found = json.loads(path_of(name).read_text(encoding="utf-8"))
    with writing(version):
        made = json.loads(recorded((RECORDS if version == 2 else FIRST_RECORDS)[name]))
    assert (found["headers"], found["value"], of_today(found["fields"])) == (
        made["headers"],
        made["value"],
        made["fields"],
    )


def test_writing_again_overwrites_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in GOLDEN.iterdir()}

    assert write() == 0
    assert {path: path.read_bytes() for path in GOLDEN.iterdir()} == before
    assert "written" not in capsys.readouterr().out


if __name__ == "__main__":
    if sys.argv[1:] != ["write"]:
        raise SystemExit("usage: python -m tests.contract.test_golden write")
    write()
