"""What the fault runs' checker expects of figures."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.faults.checker import check
from tests.faults.evidence import Evidence, Folded, Profile, Sent
from tests.faults.ledger import Outcome
from tests.support.events import NOON

SOURCE, ANN = UUID(int=1), UUID(int=2)
PLACED, CANCELLED = UUID(int=3), UUID(int=4)


def left_behind(cancelled_at: datetime, *, counts: bool) -> Evidence:
    """An order that was placed at noon and cancelled, both by ingest's clock, and what profile makes of it."""

    def sent(name: str, **more: Any) -> Sent:
        return Sent(name, {"userId": "ann", "event": name, "properties": {"order_id": "A-1", **more}}, Outcome.OK)

    def row(event_id: UUID, kind: str, at: datetime) -> Folded:
        return Folded(event_id, ANN, f"rapport.{kind}.v1", str(SOURCE), False, at)

    cents = 5_00 if counts else 0
    return Evidence(
        source_id=SOURCE,
        sent={PLACED: sent("Order Completed", total="5.00"), CANCELLED: sent("Order Cancelled")},
        timeline=[row(PLACED, "order_placed", NOON), row(CANCELLED, "order_cancelled", cancelled_at)],
        owners={"ann": ANN},
        profiles={ANN: Profile(events=2, page_views=0, orders=int(counts), spend_minor=cents)},
        profile_orders={(ANN, "A-1"): (counts, cents)},
    )


@pytest.mark.parametrize(("seconds", "counts"), [(-40, True), (0, False), (3, False)])
def test_an_order_counts_unless_its_cancellation_is_as_new_by_the_clock_that_took_them_in(
    seconds: int, counts: bool
) -> None:
    at = NOON + timedelta(seconds=seconds)
    assert [one for one in check(left_behind(at, counts=counts)) if one.rule == "figures"] == []
    assert [one for one in check(left_behind(at, counts=not counts)) if one.rule == "figures"]
