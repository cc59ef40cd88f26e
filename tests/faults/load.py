"""What customers do in a run, chosen by a seed, and the clients that send it.

Clients send as SDKs do: in batches, again under the same ids when a call failed or its fate is unknown, sometimes a
second time though all was well, and sometimes never again, so that the fate of some events stays unknown.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, Final

import httpx2

from shared.service.clock import SystemClock
from tests.faults.ledger import Ledger, Outcome

CALL_SECONDS: Final = 8.0
RETRY_SECONDS: Final = 0.4
SENDERS: Final = 4
GROUP: Final = 40  # customers of an endless load
GIVE_UP_RATIO: Final = 0.25  # of the batches whose fate is unknown
AGAIN_RATIO: Final = 0.03  # of the batches that were acknowledged
BAD_RATIO: Final = 0.004  # of events that ingest must quarantine
SILENT_DAYS: Final = 90  # the policy's `at_risk_days`
PAGES: Final = ("/", "/new", "/sale", "/cart", "/books", "/music")

Event = dict[str, Any]
Batch = list[Event]


@dataclass(frozen=True)
class Shape:
    """How much happens: customers, and how many of them fall silent during the run."""

    customers: int
    silent: int = 0
    prefix: str = "c"


def plan(seed: int, shape: Shape, *, silent_at: datetime) -> list[Batch]:
    """What is to be sent, in this order: first who the customers are, then what they do, all mixed.

    Silent customers' only order becomes `SILENT_DAYS` old within some seconds of `silent_at`.
    """
    random = Random(seed)
    customers = [f"{shape.prefix}{n}" for n in range(shape.customers)]
    silent = {f"{shape.prefix}silent{n}": silent_at + timedelta(seconds=n) for n in range(shape.silent)}
    known = [_identify(name) for name in (*customers, *silent)]
    past = [_order(name, f"{name}-o0", 50_00, at - timedelta(days=SILENT_DAYS)) for name, at in silent.items()]
    deeds = [list(_deeds(name, random)) for name in customers]
    return [*_batches(known + past, random), *_batches(_mixed(deeds, random), random)]


def endless(seed: int, done: asyncio.Event) -> Iterator[Batch]:
    """Group after group of customers, each known before it acts, until it is enough."""
    never = SystemClock().now() + timedelta(days=1)
    for group in count():
        for batch in plan(seed + group, Shape(GROUP, prefix=f"g{group}-"), silent_at=never):
            if done.is_set():
                return
            yield batch


def _deeds(name: str, random: Random) -> Iterator[Event]:
    anonymous = f"{name}-device"
    for n in range(random.randint(1, 4)):
        yield _event("page", f"{name}-p{n}", anonymousId=anonymous, properties={"path": random.choice(PAGES)})
    yield _event("identify", f"{name}-i1", userId=name, anonymousId=anonymous, traits={"plan": random.choice("abc")})
    for n in range(random.randint(1, 3)):
        order_id = f"{name}-o{n}"
        yield _order(name, order_id, random.randint(60_00, 400_00))
        if random.random() < 0.1:
            properties = {"order_id": order_id, "refund_id": f"{order_id}-r", "currency": "USD", "total": "10.00"}
            yield _track(name, f"{order_id}-r", "Order Refunded", properties)
        if random.random() < 0.05:
            yield _track(name, f"{order_id}-x", "Order Cancelled", {"order_id": order_id})
        if random.random() < 0.3:
            yield _track(name, f"{order_id}-s", "Order Shipped", {"order_id": order_id})
    if random.random() < 0.3:
        yield _track(name, f"{name}-f", "Feedback Submitted", {"survey": "nps", "rating": random.randint(0, 10)})
    for n in range(random.randint(0, 3)):
        yield _track(name, f"{name}-v{n}", "Product Viewed", {"product_id": f"sku-{random.randint(1, 50)}"})
    if random.random() < 0.5:
        yield _track(name, f"{name}-w", "Wishlist Shared", {"items": random.randint(1, 9)})


def _identify(name: str) -> Event:
    consent = {"consent": {"categoryPreferences": {"email": True}}}
    traits = {"email": f"{name}@load.example", "first_name": name.title()}
    return _event("identify", f"{name}-i0", userId=name, traits=traits, context=consent)


def withdrawal(name: str) -> Event:
    """A customer says no to mail."""
    consent = {"consent": {"categoryPreferences": {"email": False}}}
    return _event("identify", f"{name}-no", userId=name, traits={}, context=consent)


def order(name: str, order_id: str, cents: int) -> Event:
    """An order placed now."""
    return _order(name, order_id, cents)


def custom(name: str, event: str) -> Event:
    """An event that has no type of its own."""
    return _track(name, f"{name}-{event}", event, {})


def known(name: str) -> Event:
    """A customer with an address, who agreed to mail."""
    return _identify(name)


def _order(name: str, order_id: str, cents: int, at: datetime | None = None) -> Event:
    item = {"product_id": "cd", "category": "music", "quantity": 1, "price": _money(cents)}
    properties = {"order_id": order_id, "currency": "USD", "total": _money(cents), "products": [item]}
    event = _track(name, order_id, "Order Completed", properties)
    return event | {"timestamp": at.isoformat()} if at else event


def _track(name: str, message_id: str, event: str, properties: dict[str, Any]) -> Event:
    return _event("track", message_id, userId=name, event=event, properties=properties)


def _event(type_: str, message_id: str, **fields: Any) -> Event:
    return {"type": type_, "messageId": message_id, **fields}


def bad(name: str, number: int) -> Event:
    """An event that ingest has to quarantine: an order without an id."""
    properties = {"currency": "USD", "total": "1.00"}
    return _track(name, f"{name}-bad{number}", "Order Completed", properties)


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _mixed(deeds: list[list[Event]], random: Random) -> list[Event]:
    """All deeds, shuffled, each customer's own in their order."""
    left = [iter(one) for one in deeds]
    turns = [n for n, one in enumerate(deeds) for _ in one]
    random.shuffle(turns)
    mixed: list[Event] = []
    for n in turns:
        mixed.append(next(left[n]))
        if random.random() < BAD_RATIO:
            mixed.append(bad(f"bad-{n}", len(mixed)))
    return mixed


def _batches(events: Sequence[Event], random: Random) -> Iterator[Batch]:
    start = 0
    while start < len(events):
        size = random.choice((1, 5, 20, 40))
        yield list(events[start : start + size])
        start += size


class Clients:
    """Sends batches to ingest and writes each call down."""

    def __init__(self, url: str, write_key: str, ledger: Ledger, seed: int) -> None:
        self._url = url
        self._auth = (write_key, "")
        self._ledger = ledger
        self._random = Random(seed)
        self._http = httpx2.AsyncClient(timeout=CALL_SECONDS, trust_env=False)
        self.answers: Counter[int] = Counter()  # calls by status, 0: none came
        self.in_flight = 0
        self.acknowledged = 0

    async def close(self) -> None:
        """Ends the connections."""
        await self._http.aclose()

    async def send_all(
        self, batches: Iterable[Batch], *, pause: Callable[[], float] = lambda: 0.0, senders: int = SENDERS
    ) -> None:
        """Sends every batch, some at a time; a client rests for `pause()` seconds between its own."""
        waiting = iter(batches)

        async def sender() -> None:
            for batch in waiting:
                await self.deliver(batch, may_give_up=True)
                await asyncio.sleep(pause())

        async with asyncio.TaskGroup() as tasks:
            for _ in range(senders):
                tasks.create_task(sender())

    async def deliver(self, batch: Batch, *, may_give_up: bool = False) -> None:
        """Sends a batch until it is acknowledged, or until the client loses patience."""
        while True:
            outcome = await self._call(batch)
            if outcome is Outcome.OK:
                if may_give_up and self._random.random() < AGAIN_RATIO:
                    await self._call(batch)
                return
            if may_give_up and outcome is Outcome.UNKNOWN and self._random.random() < GIVE_UP_RATIO:
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _call(self, batch: Batch) -> Outcome:
        self._ledger.note("call", events=batch)  # before: a call that is never heard of again was made, too
        self.in_flight += 1
        status, error = 0, ""
        try:
            answer = await self._http.post(f"{self._url}/v1/batch", json={"batch": batch}, auth=self._auth)
            status = answer.status_code
            outcome = _outcome(status)
            error = "" if outcome is Outcome.OK else answer.text[:200]
        except httpx2.ConnectError as failure:
            outcome, error = Outcome.FAILED, repr(failure)
        except httpx2.TransportError as failure:
            outcome, error = Outcome.UNKNOWN, repr(failure)
        finally:
            self.in_flight -= 1
        ids = [one["messageId"] for one in batch]
        self._ledger.note("answer", ids=ids, outcome=outcome, status=status, error=error)
        self.answers[status] += 1
        if outcome is Outcome.OK:
            self.acknowledged += len(batch)
        return outcome


def _outcome(status: int) -> Outcome:
    if status == httpx2.codes.OK:
        return Outcome.OK
    # A 503 may come after the broker took the events: the acknowledgement was late.
    return Outcome.UNKNOWN if status >= httpx2.codes.INTERNAL_SERVER_ERROR else Outcome.FAILED
