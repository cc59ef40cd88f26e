"""Segment's own Python SDKs, with nothing but their host changed, from their queue through to a profile."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count, repeat
from signal import Signals
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from deploy.local.process import LOOPBACK
from deploy.local.stack import Stack
from shared.contracts.envelope import event_id
from shared.service.clock import SystemClock
from tests.support.profiles import Profiles
from tests.support.running import eventually
from tests.support.sdks import SDKS, Sdk, Sender, sending

pytestmark = [
    pytest.mark.any_broker,
    # The older SDK asks for the time in a way that Python 3.12 and later warn of.
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]

EACH_SDK: Final = pytest.mark.parametrize("sdk", SDKS, ids=str)
FULL_BATCH: Final = 100  # the SDKs' own: so many messages leave at once, and fewer after half a second
ALL_AT_ONCE: Final = 200  # a page of a timeline that holds all of these
LATER: Final = "Newsletter Opened"
STAMPS_OF_THE_LAST_EVENT: Final = ("version", "events", "last_seen")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs would send through a proxy that the environment names."""
    monkeypatch.setenv("NO_PROXY", LOOPBACK)


@pytest.fixture
def who() -> str:
    """A customer of whom nothing is known yet."""
    return f"u-{uuid4().hex[:8]}"


def everything(client: Any, who: str, stamps: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Makes every call that the SDKs have; the messages that stand in its queue then.

    A visitor looks around without a name, and turns out to be this customer.
    """
    visitor = f"visitor-{who}"
    order = {
        "order_id": f"{who}-1",
        "currency": "EUR",
        "total": Decimal("52.47"),
        "products": [
            {"product_id": "sencha", "name": "Sencha", "price": Decimal("19.99"), "quantity": 2},
            {"sku": "whisk", "name": "Whisk", "category": "Tools", "price": 12.49},
        ],
    }
    tea = {"url": "https://shop.example/tea", "path": "/tea"}
    calls = [
        client.page(anonymous_id=visitor, name="Home", properties={"path": "/"}, **next(stamps)),
        client.alias(visitor, who, **next(stamps)),
        client.identify(who, {"email": f"{who}@example.com", "first_name": "Zoë", "points": 12}, **next(stamps)),
        client.track(who, "Order Completed", order, **next(stamps)),
        client.track(who, "Wishlist Shared", {"with": ["mail", "chat"], "items": 3}, **next(stamps)),
        client.page(who, "Shop", "Tea", tea, **next(stamps)),
        client.group(who, 4711, {"name": "Tea friends"}, **next(stamps)),
        client.screen(who, "App", "Basket", **next(stamps)),
    ]
    assert all(queued for queued, _ in calls)
    return [message for _, message in calls]


def fixed(who: str) -> Iterator[dict[str, Any]]:
    """Ids and times that are the same however often they are asked for."""
    began = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
    return ({"message_id": f"{who}/{n}", "timestamp": began + timedelta(seconds=n)} for n in count())


@EACH_SDK
async def test_one_profile_holds_all_that_an_sdk_said(sdk: Sdk, front: Stack, profiles: Profiles, who: str) -> None:
    began = SystemClock().now()
    async with sending(sdk, front.url("ingest"), front.write_key) as sender:
        messages = everything(sender.client, who, repeat({}))
        await sender.flush()
        assert sender.errors == []
    profile = await profiles.with_events(who, len(messages))
    assert profile["events"] == len(messages)
    assert profile["identities"] == {
        "user_id": [who],
        "email": [f"{who}@example.com"],
        "anonymous_id": [f"visitor-{who}"],
    }
    assert profile["traits"] == {"email": f"{who}@example.com", "first_name": "Zoë", "points": 12}
    assert (profile["orders"], profile["spend_minor"]) == (1, {"EUR": 52_47})
    assert profile["page_views"] == 3

    # By their ids: an SDK may send them in two batches, whose clocks are corrected each by itself.
    found = {UUID(event["event_id"]): event for event in await profiles.timeline(who)}
    (source,) = {UUID(event["source_id"]) for event in found.values()}
    ids = [event_id(source, message["messageId"]) for message in messages]
    assert set(found) == set(ids)
    timeline = [found[one] for one in ids]
    order = {
        "order_id": f"{who}-1",
        "currency": "EUR",
        "total_minor": 52_47,
        "state": "placed",
        "items": [
            {"sku": "sencha", "name": "Sencha", "quantity": 2, "unit_price_minor": 19_99},
            {"sku": "whisk", "name": "Whisk", "category": "Tools", "quantity": 1, "unit_price_minor": 12_49},
        ],
    }
    group = {"group_id": "4711", "traits": {"name": "Tea friends"}}
    assert [(event["type"], event["body"]) for event in timeline] == [
        ("rapport.page_viewed.v2", {"path": "/", "title": "Home"}),
        ("rapport.custom.v1", {"name": "Alias"}),
        ("rapport.customer_identified.v1", {"traits": profile["traits"]}),
        ("rapport.order_placed.v2", order),
        ("rapport.custom.v1", {"name": "Wishlist Shared", "properties": {"with": ["mail", "chat"], "items": 3}}),
        (
            "rapport.page_viewed.v2",
            {"url": "https://shop.example/tea", "path": "/tea", "title": "Tea", "extra": {"category": "Shop"}},
        ),
        ("rapport.custom.v1", {"name": "Group Identified", "properties": group}),
        ("rapport.page_viewed.v2", {"title": "Basket", "screen": True, "extra": {"category": "App"}}),
    ]
    for event, message in zip(timeline, messages, strict=True):
        assert event["context"]["library"] == f"analytics-python/{sdk.version}"
        stated, occurred, received = (_time(event[name]) for name in ("stated_at", "occurred_at", "received_at"))
        assert stated == _time(message["timestamp"])
        assert began - timedelta(milliseconds=1) <= stated <= occurred <= received


@EACH_SDK
async def test_the_same_messages_said_again_change_nothing(
    sdk: Sdk, front: Stack, profiles: Profiles, who: str
) -> None:
    async with sending(sdk, front.url("ingest"), front.write_key) as sender:
        messages = everything(sender.client, who, fixed(who))
        await sender.flush()
        before = await profiles.with_events(who, len(messages))
        timeline = await profiles.timeline(who)

        assert everything(sender.client, who, fixed(who)) == messages
        # These lie behind all of the others in the broker's partitions: one in the customer's, one in the visitor's.
        sender.client.track(who, LATER)
        sender.client.track(anonymous_id=f"visitor-{who}", event=LATER)
        await sender.flush()
        assert sender.errors == []
    after = await profiles.with_events(who, len(messages) + 2)
    assert after["events"] == len(messages) + 2
    assert _without(after, *STAMPS_OF_THE_LAST_EVENT) == _without(before, *STAMPS_OF_THE_LAST_EVENT)
    assert [event for event in await profiles.timeline(who) if event["body"].get("name") != LATER] == timeline


@EACH_SDK
async def test_an_sdk_tells_its_user_of_a_wrong_write_key(sdk: Sdk, front: Stack, profiles: Profiles, who: str) -> None:
    async with sending(sdk, front.url("ingest"), "rk_nobody") as sender:
        _, message = sender.client.identify(who, {"email": f"{who}@example.com"})
        await sender.flush()
    ((error, batch),) = sender.errors
    assert batch == [message]
    assert (getattr(error, "status", None), getattr(error, "code", None)) == (401, "unauthorized"), repr(error)
    assert "write key" in str(error)
    assert await profiles.of(who) == {}


async def test_no_sdk_loses_an_order_when_ingest_is_killed_in_the_middle_and_started_again(
    front: Stack, profiles: Profiles, who: str
) -> None:
    async with AsyncExitStack() as everyone:
        senders = {
            f"{who}-{n}": await everyone.enter_async_context(sending(sdk, front.url("ingest"), front.write_key))
            for n, sdk in enumerate(SDKS)
        }
        sold = count(1)
        _sell(senders, [next(sold) for _ in range(10)])
        for sender in senders.values():
            await sender.flush()

        # A batch of each is on its way to an ingest that takes no step any more, and so answers none.
        front.service("ingest").signal(Signals.SIGSTOP)
        _sell(senders, [next(sold) for _ in range(FULL_BATCH)])
        await eventually(lambda: _waiting(senders), lambda waiting: waiting == [0] * len(SDKS))
        assert [sender.unacknowledged for sender in senders.values()] == [FULL_BATCH] * len(SDKS)
        await front.kill_service("ingest", Signals.SIGKILL)
        _sell(senders, [next(sold) for _ in range(10)])
        await front.start_service("ingest")

        for sender in senders.values():
            await sender.flush()
            assert sender.errors == [], str(sender.sdk)
    orders = range(1, next(sold))
    for customer, sender in senders.items():
        profile = await profiles.with_events(customer, len(orders))
        assert profile["events"] == profile["orders"] == len(orders), str(sender.sdk)
        assert profile["spend_minor"] == {"USD": sum(orders)}, str(sender.sdk)
        found = [event["body"]["order_id"] for event in await profiles.timeline(customer)]
        assert sorted(found) == sorted(f"{customer}-{n}" for n in orders), str(sender.sdk)


def _sell(senders: dict[str, Sender], numbers: list[int]) -> None:
    """Orders by each customer: number n for n cents, so that their sum tells which are there."""
    for customer, sender in senders.items():
        for n in numbers:
            order = {"order_id": f"{customer}-{n}", "currency": "USD", "total": Decimal(n) / 100}
            sender.client.track(customer, "Order Completed", order)


async def _waiting(senders: dict[str, Sender]) -> list[int]:
    return [sender.waiting for sender in senders.values()]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _without(profile: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in profile.items() if name not in names}
