"""Looking through a database for customers whom a public key made one before it was kept who says so."""

from collections.abc import Mapping
from typing import Final

from services.profile.repository import suspects as repository
from services.profile.repository.suspects import Suspect
from shared.database.database import Work

MEANINGS: Final[Mapping[str, str]] = {
    "merge": "an event of a public key merged two profiles",
    "user_id": "a public key gave a user id to somebody of whom a trusted source knows more",
    "contact": "an address came to a user through an anonymous id that a public key had linked",
    "users": "several user ids, joined by no explicit merge",
    "shops": "one user id, with other addresses at each of several sources: shops that number their customers alike",
}


async def suspects(work: Work, *, limit: int) -> list[Suspect]:
    """Returns what today's rules would not have joined: at most `limit` of each kind, the oldest first."""
    return await repository.suspects(work, limit=limit)
