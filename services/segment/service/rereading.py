"""Customers who were split are read anew, from the history that profile serves.

The order matters. Until the service has read all that was published before profile answered, events that were one
customer's may still come under the other's name: so that is waited for. Then what is kept of the customer is
deleted, and after that the history is read: what the topics bring meanwhile is in it, or is there already. Taking a
fact in twice changes nothing.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from services.segment.repository import evaluation, rereads
from services.segment.repository.rereads import RereadRow
from services.segment.service import intake, memberships, standings, tag_rules
from services.segment.service.standing_changes import Cause
from shared.contracts import topics
from shared.contracts.envelope import Event
from shared.contracts.history import Position
from shared.database import erasures
from shared.database.database import Work

HOLD: Final = timedelta(minutes=2)  # after which another process takes an attempt for dead
RETRY: Final = timedelta(seconds=5)

Reread = RereadRow
_Ends = list[dict[int, int]]  # by partition, and there by origin, the last sequence


async def claim(work: Work) -> RereadRow | None:
    """Begins to read the next customer anew, if there is one."""
    return await rereads.claim(work, hold=HOLD)


async def note_ends(work: Work, row: RereadRow, ends: Sequence[Position]) -> None:
    """Notes up to where the service has to read before the customer is read anew."""
    text = msgspec.json.encode([dict(one.lanes) for one in ends]).decode()
    await rereads.hold(work, row, work.now, ends=text)


async def has_read(work: Work, row: RereadRow) -> bool:
    """Returns whether the service has read up to there; if not, the customer waits for a moment."""
    ends = msgspec.json.decode(row.ends, type=_Ends)
    wanted = {(partition, origin): last for partition, of in enumerate(ends) for origin, last in of.items()}
    marks = await evaluation.marks(work, topics.PROFILE_EVENTS, wanted.keys())
    if all(marks.get(place, -1) >= last for place, last in wanted.items()):
        return True
    await put_off(work, row)
    return False


async def put_off(work: Work, row: RereadRow) -> None:
    """Lets an attempt be for a while."""
    await rereads.hold(work, row, work.now + RETRY)


async def begin(work: Work, row: RereadRow) -> bool:
    """Deletes what is kept of the customer. Returns whether the attempt may go on: with reading the history."""
    await standings.lock(work, [row.profile_id])
    if not await rereads.hold(work, row, work.now + HOLD):
        return False
    await rereads.delete_derived(work, [row.profile_id])
    return True


async def take(work: Work, row: RereadRow, events: Sequence[Event]) -> bool:
    """Takes in a part of the history. Returns whether the attempt may go on."""
    events = [event for event in await erasures.without(work, events) if type(event.body) in intake.HANDLERS]
    if events:
        await intake.fold_facts(work, events)
    return await rereads.hold(work, row, work.now + HOLD)


async def finish(work: Work, row: RereadRow) -> bool:
    """Looks at the customer, of whom everything is known again. What changes is told as history.

    Returns whether the attempt was still the last.
    """
    locked = await standings.lock(work, [row.profile_id])
    if locked.canonical[row.profile_id] != row.profile_id or not await rereads.done(work, row):
        return False
    locked.stored[row.profile_id].rereading = False
    cause = Cause(event_id=row.split_id, occurred_at=row.split_at, received_at=work.now, historical=True)
    causes = {row.profile_id: cause}
    await standings.look(work, locked, causes)
    await memberships.look_again(work, {row.profile_id: {memberships.ALL}}, causes)
    await tag_rules.follow_all(work, causes)
    return True
