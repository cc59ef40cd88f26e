"""People whom the demo invents whole: everybody in the file came early in 1997, so by its end nobody is new.

Some have signed up and ordered nothing yet; the others place their first order live. Without them the stages
`prospect` and `new` would have no customers. They are counted apart from the file's.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from deploy.demo.cdnow import Line, hashed

PROSPECTS: Final = tuple(f"newcomer-{n:02d}" for n in range(1, 25))
BUYERS: Final = tuple(f"newcomer-{n:02d}" for n in range(25, 37))
FIRST_NUMBER: Final = 1_000_001  # above all lines of the file
CENTS: Final = range(9_99, 60_00)  # too little for a higher tier: the messages are those of real orders
MAX_ITEMS: Final = 3
SIGNED_UP_DAYS: Final = 20  # within so many days before the demo


def first_orders(day: date) -> tuple[Line, ...]:
    """An order of each who buys."""
    return tuple(
        Line(
            number,
            customer,
            day,
            items=1 + hashed("items", customer) % MAX_ITEMS,
            total_cents=CENTS[hashed("cents", customer) % len(CENTS)],
        )
        for number, customer in enumerate(BUYERS, FIRST_NUMBER)
    )


def signed_up(customer: str, day: date) -> datetime:
    """When a newcomer first appeared, before `day`."""
    draw = hashed("signed up", customer)
    at = datetime.combine(day - timedelta(days=1 + draw % SIGNED_UP_DAYS), time(), UTC)
    return at + timedelta(seconds=draw // SIGNED_UP_DAYS % 86_400)
