"""What a rebuild does beside taking orders in again: standings as of the right moment, and readers that know them."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from services.segment.domain import standing as domain
from services.segment.domain.standing import Stage
from services.segment.repository import membership_rebuild as touched
from services.segment.repository import policies
from services.segment.repository import rebuild as repository
from services.segment.repository import standings as stored
from services.segment.service import membership_rebuild
from services.segment.service.standings import DUE_BATCH, Cause, changes
from shared.contracts import topics
from shared.contracts.changes import SegmentEntered, SegmentExited, StageChanged, TierChanged
from shared.contracts.envelope import Event, derived_id
from shared.database.database import Work

NOBODY: Final = UUID(int=0)


async def prepare(work: Work) -> None:
    """Makes room for what was published to readers, and for whom the log was about."""
    await repository.make_published(work)
    await touched.make_touched(work)


async def note_published(work: Work, events: Sequence[Event]) -> None:
    """Notes what was published to readers: with a table that was lost, the versions in it were lost, too."""
    published: dict[tuple[UUID, str], tuple[int, str]] = {}
    for event in events:
        change = event.body
        if isinstance(change, SegmentEntered | SegmentExited):
            kind, value = membership_rebuild.published(change, event.occurred_at)
            place = (change.profile_id, kind)
            published[place] = max(published.get(place, (-1, "")), value)
        elif isinstance(change, TierChanged | StageChanged):
            place = (change.profile_id, "tier" if isinstance(change, TierChanged) else "stage")
            published[place] = max(published.get(place, (-1, "")), (change.version, change.current))
    await repository.note_published(work, published)


async def settle(work: Work) -> None:
    """Settles standings, and then the memberships that may ask about them."""
    await settle_standings(work)
    await membership_rebuild.settle(work)


async def settle_standings(work: Work) -> None:
    """Looks at every customer at the moment at which the service did last.

    Not at the present moment: what has become due since is for the timers, which publish it as it is, new. A rebuild
    that came first would publish it as history, and no journey would start from it.
    """
    policy = await policies.in_force(work)
    after = NOBODY
    while found := await repository.moments(work, after, limit=DUE_BATCH):
        bought = await stored.purchases(work, found, currency=policy.currency)
        await stored.save(
            work,
            {one: (0, domain.standing(policy, bought.get(one, []), at), at) for one, at in found.items()},
        )
        after = max(found)
    await repository.adopt_known_versions(work)


async def finish(work: Work) -> None:
    """Settles, and publishes where readers know it otherwise: as history, which sets no journey off."""
    await touched.touch_moved(work)
    await settle_standings(work)
    policy = await policies.in_force(work)
    versions: dict[UUID, int] = {}
    published: list[tuple[bytes, Event]] = []
    for known, standing in await repository.disagreements(work, tier=policy.tiers[0].name, stage=Stage.PROSPECT):
        cause = Cause(
            event_id=derived_id(known.profile_id, "rebuild", work.now.isoformat(), 1),
            by_time=True,
            occurred_at=work.now,
            received_at=work.now,
            historical=True,
        )
        published += changes(policy, known, standing, cause)
        versions[known.profile_id] = known.version
    await repository.raise_versions(work, versions)
    await work.outbox.add(topics.SEGMENTS, published)
    await membership_rebuild.finish(work)
