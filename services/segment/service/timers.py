"""What becomes true because time passes: standings first, then the memberships that ask about them."""

from datetime import datetime

from services.segment.service import memberships, standings
from services.segment.service.standing_changes import Cause
from shared.database.database import Work


async def flip_due(work: Work, now: datetime) -> int:
    """Looks at customers whose standing is due, and at their memberships; how many there were."""
    flipped = await standings.flip(work, now)
    causes = {one: Cause.of_instant(one, "time", now, work.now) for one in flipped}
    await memberships.look_again(work, dict.fromkeys(flipped, memberships.STANDING), causes)
    return len(flipped)
