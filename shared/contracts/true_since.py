"""Since when what an event states has been true: what the age of a change is measured on.

An event may state again what was true long before: a shop that repeats a whole order because a tag was added to it has
nothing to tell that could be news to the customer.
"""

from datetime import datetime

from shared.contracts.changes import OrderReassigned
from shared.contracts.envelope import Event
from shared.contracts.events import OrderPlaced


def true_since(event: Event, *, placed_before: datetime | None = None) -> datetime:
    """Returns since when what the event states has been true; never later than it happened.

    An order is placed when it is first placed, whenever that is stated: at the time that the event has for it, and at
    the latest at `placed_before`, when the same order had been placed as far as was known before this event. One that
    moves to another customer has been that customer's since then.
    """
    match event.body:
        case OrderPlaced(placed_at=stated):
            pass
        case OrderReassigned(order=order):
            stated = order.placed_at
        case _:
            return event.occurred_at
    return min(one for one in (event.occurred_at, stated, placed_before) if one is not None)
