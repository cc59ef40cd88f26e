"""What becomes true because time passes: standings first, then the memberships that ask about them."""

from datetime import datetime

from services.segment.service import memberships, standings
from shared.database.database import Work


async def flip_due(work: Work, now: datetime) -> int:
    """Looks at customers whose standing is due, and at their memberships; how many there were."""
    flipped = await standings.flip(work, now)
    touched = dict.fromkeys(flipped, ("tier", "stage", "score"))
    await memberships.look_again(work, touched, {}, turned_by="time")
    return len(flipped)
