"""Runs of customers who were merged: they are the survivor's, and where two run for one reason the first goes on."""

from collections.abc import Mapping
from uuid import UUID

from services.campaign.domain.journey.run import End
from services.campaign.repository import entries, runs
from services.campaign.service import published, running
from services.campaign.service.running import MERGED
from shared.database.database import Work


async def follow(work: Work, into: Mapping[UUID, UUID], *, partition_secret: bytes) -> None:
    """Follows merges: what was entered for, and who is inside, count for who survives.

    Of runs with one entry key the one that entered first goes on, and of a journey that is no `parallel` one of all.
    """
    if not into:
        return
    await entries.follow_merges(work, into)
    survivors = set(into.values())
    await runs.lock_customers(work, survivors | into.keys())
    await runs.move_to(work, into)
    definitions = await published.look(work)
    walk = await running.open_walk(work, definitions, survivors, partition_secret=partition_secret)
    for survivor in survivors:
        for extra in walk.doubles(survivor):
            walk.end(extra, End(MERGED))
    await walk.save()
