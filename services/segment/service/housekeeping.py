"""What is done once an hour: sizes of segments are noted, and what is too old leaves the histories."""

from datetime import timedelta
from typing import Final

from services.segment.domain.conditions.customer import ORDERS
from services.segment.repository import history, memberships, reports
from services.segment.repository import segments as stored
from services.segment.service.definitions import HISTORY_DAYS
from shared.database.database import Work

FORGOTTEN_AT_ONCE: Final = 5_000  # events a transaction


async def note_sizes(work: Work) -> None:
    """Notes how many customers are in each live segment."""
    sizes = {row.segment_id: row.members for row in await memberships.sizes(work)}
    live = [row.segment_id for row in await stored.in_force(work)]
    await reports.note_sizes(work, work.now, {one: sizes.get(one, 0) for one in live})


async def forget(work: Work) -> bool:
    """Deletes some events that are too old for any window; orders stay. Returns whether there may be more."""
    before = work.now - timedelta(days=HISTORY_DAYS)
    for name in await history.names(work):
        if name != ORDERS and await history.forget(work, name, before, limit=FORGOTTEN_AT_ONCE):
            return True
    return False


async def drop_archived(work: Work) -> bool:
    """Deletes some memberships of segments that have ended. Returns whether there may be more.

    There are none but what a process of a release before has written.
    """
    kept = {row.segment_id for row in await stored.in_force(work)}.union(await stored.all_ending(work))
    for name in await memberships.segments(work):
        if name not in kept and await memberships.remove_segment(work, name, limit=FORGOTTEN_AT_ONCE):
            return True
    return False
