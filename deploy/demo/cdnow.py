"""The orders of CDNOW, a shop of 1997 and 1998: real customers, dates and amounts.

Source: the data file of the package `lifetimes`; Fader and Hardie, "Forecasting Repeat Sales at CDNOW",
Interfaces 31 (3), 2001. The file has no names, mail addresses, consent, countries or times of day: those are
invented here from a hash of the line or the customer, so that every run invents the same.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

FILE: Final = "lifetimes/datasets/CDNOW_master.txt"
LIVE_DAYS: Final = 7  # the last days of the file are sent live
SILENCE_DAYS: Final = 90  # what segment calls at risk by default

# By the language that the customer is written to in: nobody is greeted by name in another.
GIVEN_NAMES: Final = {
    "en": (
        *("Ada", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Ines", "Jonas", "Kate", "Liam", "Maya"),
        *("Noah", "Olga", "Paul", "Rosa", "Sam", "Tara", "Victor"),
    ),
    "zh": ("晓梅", "志强", "丽华", "建国", "思远", "雨桐"),
}
COUNTRIES: Final = ("US", "US", "US", "US", "CA", "GB", "CN", "CN", "DE", "AU")
CONSENT_PERCENT: Final = 92


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file. `number` counts order lines from 1; `day` is the file's own date."""

    number: int
    customer: str
    day: date
    items: int
    total_cents: int

    @property
    def message_id(self) -> str:
        """Lines may be identical; their numbers are not."""
        return f"cdnow-{self.number}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Which lines are sent how. Dates move by `shift_days`, so that the data ends the day before `today`.

    `first_orders` are no lines of the file, and `prospects` no customers of it: they are invented, and sent live.
    """

    history: Sequence[Line]
    silent: Sequence[Line]
    live: Sequence[Line]
    shift_days: int
    first_orders: Sequence[Line] = ()
    prospects: Sequence[str] = ()

    @property
    def lines(self) -> list[Line]:
        """All lines of the file that are in the plan."""
        return [*self.history, *self.silent, *self.live]

    @property
    def customers(self) -> list[str]:
        """Everybody whom the demo sends events of, once."""
        return list(dict.fromkeys([*(line.customer for line in (*self.lines, *self.first_orders)), *self.prospects]))


def path() -> Path:
    """Where the package keeps the file; its modules need not be importable."""
    return Path(str(distribution("lifetimes").locate_file(FILE)))


def read(file: Path) -> list[Line]:
    """All order lines, in the file's order (by customer, then by date)."""
    lines = file.read_text().splitlines()[1:]
    return [_parse(number, line) for number, line in enumerate(lines, 1)]


def _parse(number: int, line: str) -> Line:
    customer, day, items, amount = line.split()
    whole, _, cents = amount.partition(".")
    return Line(
        number,
        customer,
        datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date(),
        int(items),
        int(whole) * 100 + int(cents),
    )


def plan(lines: Sequence[Line], today: date, slice_orders: int | None = None) -> Plan:
    """Splits the lines into history, orders to fall silent on, and live ones.

    The silent ones are last orders that lie exactly as many days back as segment calls a risk. A slice takes whole
    customers, those with silent and with live orders first, so that a small demo shows everything.
    """
    ends = max(line.day for line in lines)
    live_from = ends - timedelta(days=LIVE_DAYS - 1)
    silent_day = ends - timedelta(days=SILENCE_DAYS - 1)
    last: dict[str, Line] = {}
    for line in lines:
        last[line.customer] = line if line.customer not in last else max(last[line.customer], line, key=_when)
    silent = {line.number for line in last.values() if line.day == silent_day}
    if slice_orders is not None:
        lines = _slice(lines, last, silent_day, live_from, slice_orders)
    return Plan(
        history=[line for line in lines if line.day < live_from and line.number not in silent],
        silent=[line for line in lines if line.number in silent],
        live=[line for line in lines if line.day >= live_from],
        shift_days=(today - timedelta(days=1) - ends).days,
    )


def _slice(lines: Sequence[Line], last: dict[str, Line], silent_day: date, live_from: date, orders: int) -> list[Line]:
    def rank(customer: str) -> tuple[int, str]:
        day = last[customer].day
        return (0 if day == silent_day else 1 if day >= live_from else 2, customer)

    by_customer: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_customer[line.customer].append(line)
    chosen: list[Line] = []
    for customer in sorted(by_customer, key=rank):
        # Newest orders first, so that a customer who does not fit whole keeps those that matter to the demo.
        chosen += sorted(by_customer[customer], key=_when, reverse=True)[: orders - len(chosen)]
        if len(chosen) == orders:
            break
    return sorted(chosen, key=lambda line: line.number)


def _when(line: Line) -> tuple[date, int]:
    return (line.day, line.number)


def hashed(*parts: object) -> int:
    """A number from 0 to 2^64 - 1 that looks random and never changes."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def moment(line: Line, shift_days: int) -> datetime:
    """When an order was placed: the shifted day, and an invented time of day in UTC."""
    seconds = hashed("time", line.number) % 86_400
    return datetime.combine(line.day + timedelta(days=shift_days), time(), UTC) + timedelta(seconds=seconds)


def consents(customer: str) -> bool:
    """Whether this customer has agreed to mail, as the demo invents it."""
    return hashed("consent", customer) % 100 < CONSENT_PERCENT


def identity_id(customer: str) -> str:
    """The id of the message that introduces a customer."""
    return f"cdnow-customer-{customer}"


def identify(customer: str, at: datetime) -> dict[str, Any]:
    """What the shop knows of a customer: all of it invented."""
    country = COUNTRIES[hashed("country", customer) % len(COUNTRIES)]
    language = "zh" if country == "CN" else "en"
    names = GIVEN_NAMES[language]
    return {
        "type": "identify",
        "messageId": identity_id(customer),
        "userId": customer,
        "timestamp": at.isoformat(),
        "traits": {
            "email": f"customer-{customer}@example.com",
            "first_name": names[hashed("name", customer) % len(names)],
            "language": language,
            "country": country,
        },
        "context": {"consent": {"categoryPreferences": {"email": consents(customer)}}},
    }


def order(line: Line, at: datetime | None) -> dict[str, Any]:
    """An order as a storefront's server sends it; without `at`, placed now."""
    item = {"product_id": "cd", "name": "CD", "category": "music", "quantity": line.items}
    item["price"] = f"{line.total_cents / 100 / line.items:.2f}" if line.items else "0.00"
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": line.message_id,
        "userId": line.customer,
        **({"timestamp": at.isoformat()} if at else {}),
        "properties": {
            "order_id": line.message_id,
            "currency": "USD",
            "total": f"{line.total_cents // 100}.{line.total_cents % 100:02d}",
            "products": [item],
        },
    }


def page_views(line: Line) -> list[dict[str, Any]]:
    """Pages seen before a live order; made up for the demo."""
    paths = ("/", "/music", "/music/new", "/music/classics", "/cart")
    seen = 1 + hashed("pages", line.number) % 3
    return [
        {
            "type": "page",
            "messageId": f"{line.message_id}-page-{n}",
            "userId": line.customer,
            "properties": {"path": paths[hashed("page", line.number, n) % len(paths)]},
        }
        for n in range(seen)
    ]


def feedback(line: Line) -> dict[str, Any] | None:
    """An answer about every third live order; made up for the demo."""
    draw = hashed("feedback", line.number)
    if draw % 3:
        return None
    rating = (10, 9, 9, 8, 10, 7, 6, 9, 3, 10)[draw // 3 % 10]
    text = "" if rating >= 7 else "The parcel came late."
    return {
        "customer": {"user_id": line.customer},
        "survey": "nps",
        "rating": rating,
        "text": text,
        "order_id": line.message_id,
    }


def total_cents(lines: Iterable[Line]) -> int:
    """What these orders sum to."""
    return sum(line.total_cents for line in lines)
