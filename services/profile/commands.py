"""`python -m services.profile rebuild`: identities, aliases, profiles, orders and counts from timeline and log."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

from services.profile.service import rebuild as rebuilding
from services.profile.settings import ProfileSettings
from shared.clock import Clock
from shared.db import Database, Work
from shared.failpoints import failpoint
from shared.rebuild import command
from shared.rebuild.patience import patiently
from shared.rebuild.topics import Report

_T = TypeVar("_T")


async def rebuild(settings: ProfileSettings, arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Refills the projections; returns the exit status."""
    return await command.from_database("profile", settings, arguments, clock, _rebuild)


async def _rebuild(database: Database, report: Report) -> Counter[str]:
    """Aliases and identities first: they say which profiles there are."""

    async def step(mend: Callable[[Work], Awaitable[_T]]) -> _T:
        async def once() -> _T:
            async with database.work() as work:
                return await mend(work)

        return await patiently(once)

    changed = Counter(profile_aliases=await step(rebuilding.mend_aliases))
    changed["identities"] = await step(rebuilding.fill_identities)
    while corrected := await step(rebuilding.correct_identities):
        changed["identities"] += corrected
    failpoint("rebuild.after_identities")
    changed.update(profiles=0, orders=0, counts=0)
    total, done = await step(rebuilding.count), 0
    after: UUID | None = rebuilding.NOBODY
    while after is not None:
        after, seen, found = await step(partial(rebuilding.mend_profiles, after=after))
        failpoint("rebuild.after_profiles")
        changed.update(found)
        done += seen
        report(done, max(done, total))
    return changed
