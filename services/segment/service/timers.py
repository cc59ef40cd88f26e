"""What becomes true because time passes: standings first, then the memberships that ask about them."""

from datetime import datetime

from services.segment.service import memberships, standings
from services.segment.service.standings import Cause
from shared.contracts.envelope import derived_id
from shared.database.database import Work


async def flip_due(work: Work, now: datetime) -> int:
    """Looks at customers whose standing is due, and at their memberships; how many there were."""
    flipped = await standings.flip(work, now)
    causes = {
        one: Cause(
            event_id=derived_id(one, "due", now.isoformat(), 1), by_time=True, occurred_at=now, received_at=work.now
        )
        for one in flipped
    }
    await memberships.look_again(work, dict.fromkeys(flipped, ("tier", "stage", "score")), causes)
    return len(flipped)
