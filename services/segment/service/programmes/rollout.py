"""A changed programme takes effect, or rates become known: customers are looked at, a chunk a transaction."""

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from services.segment.repository import standings as repository
from services.segment.repository.programmes import versions
from services.segment.service import memberships
from services.segment.service.standing_changes import Cause
from services.segment.service.standings import advance, evaluate_again
from shared.database import aliases
from shared.database.database import Work
from shared.service.logging import get_logger

CHUNK: Final = 500  # customers a transaction
NOBODY: Final = UUID(int=0)

log: Final = get_logger(__name__)


async def roll_out(work: Work, until: datetime) -> int:
    """Looks at the next customers by a version that is in force since before `until`. Returns how many there were.

    What changes carries the instant at which the version took effect, and is marked as redefined. A process that ends
    in the middle has done whole chunks; the next goes on after them. Customers whom a batch or the timers looked at
    meanwhile were looked at by that version, too, and do not count among those that the roll-out changed.
    """
    await aliases.lock_merges(work, shared=True)
    rollout = await versions.claim(work, until)
    if rollout is None:
        return 0
    after = rollout.reached or NOBODY
    if rollout.programme == versions.RATES:
        currencies = {one.programme.currency for one in (await versions.in_force(work, since=until)).every()}
        rows = await repository.after_in_other_currencies(work, after, currencies=currencies, limit=CHUNK)
        await evaluate_again(work, rows)
    else:
        rows = await repository.after(work, after, limit=CHUNK)
        rollout.changed += await advance(work, rows, until)
    causes = {one: Cause.of_instant(one, "redefined", rollout.effective_at, until) for one in rows}
    await memberships.look_again(work, dict.fromkeys(rows, memberships.STANDING), causes)
    rollout.customers += len(rows)
    rollout.reached = max(rows, default=rollout.reached)
    if len(rows) < CHUNK:
        rollout.done_at = work.now
        work.afterwards.append(
            partial(
                log.info,
                "programme.rolled_out",
                programme=rollout.programme,
                version=rollout.version,
                customers=rollout.customers,
                changed=rollout.changed,
            )
        )
    await versions.advance(work, rollout)
    return max(1, len(rows))
