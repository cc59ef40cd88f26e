"""What a rebuild does beside taking orders in again: standings as of the right moment, and readers that know them."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from services.segment.domain.programmes.definition import DEFAULT
from services.segment.domain.standing import Stage
from services.segment.repository import membership_rebuild as touched
from services.segment.repository import rebuild as repository
from services.segment.repository import standings as stored
from services.segment.repository.programmes import customers as stored_tiers
from services.segment.repository.programmes import versions as programme_versions
from services.segment.repository.standings import Stored
from services.segment.service import membership_rebuild
from services.segment.service.standing_changes import Cause, Looks, changes, tier_changes
from services.segment.service.standings import DUE_BATCH
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
            place = (change.profile_id, _place(change))
            published[place] = max(published.get(place, (-1, "")), (change.version, change.current))
    await repository.note_published(work, published)


def _place(change: TierChanged | StageChanged) -> str:
    if isinstance(change, StageChanged):
        return "stage"
    return "tier" if change.programme == DEFAULT else f"tier:{change.programme}"


async def settle(work: Work) -> None:
    """Settles standings, and then the memberships that may ask about them."""
    await settle_standings(work)
    await membership_rebuild.settle(work)


async def settle_standings(work: Work) -> None:
    """Looks at every customer at the moment at which the service did last.

    Not at the present moment: what has become due since is for the timers, which publish it as it is, new. A rebuild
    that came first would publish it as history, and no journey would start from it.
    """
    after = NOBODY
    while found := await repository.moments(work, after, limit=DUE_BATCH):
        looks = await Looks.begin(work, since=min(found.values()))
        await looks.load(work, list(found))
        seen = {one: looks.at(one, at, looks.measures.rhythm_days) for one, at in found.items()}
        await stored.save(work, {one: (0, look.standing, found[one]) for one, look in seen.items()})
        tiers = [(one, name, row, name in look.kept) for one, look in seen.items() for name, row in look.tiers.items()]
        await stored_tiers.save_tiers(work, {(one, name): row for one, name, row, kept in tiers if kept})
        await stored_tiers.drop_tiers(work, [(one, name) for one, name, _, kept in tiers if not kept])
        after = max(found)
    await repository.adopt_known_versions(work)


async def finish(work: Work) -> None:
    """Settles, and publishes where readers know it otherwise: as history, which sets no journey off."""
    await touched.touch_moved(work)
    await settle_standings(work)
    in_force = (await programme_versions.in_force(work, since=work.now)).at(work.now)
    default = in_force[DEFAULT]
    versions: dict[UUID, int] = {}
    published: list[tuple[bytes, Event]] = []
    lowest = default.programme.lowest
    for known, standing in await repository.disagreements(work, tier=lowest, stage=Stage.PROSPECT):
        published += [(known.profile_id.bytes, one) for one in changes(default, known, standing, _cause(known, work))]
        versions[known.profile_id] = known.version
    for one in await repository.tier_disagreements(work):
        version = in_force.get(one.programme)
        if version is None:
            continue
        row = one.row(versions.get(one.profile_id, one.version))
        lowest = version.programme.lowest
        published += [
            (row.profile_id.bytes, event)
            for event in tier_changes(
                version, row, one.known or lowest, one.tier or lowest, one.reason or "", _cause(row, work)
            )
        ]
        versions[row.profile_id] = row.version
    await repository.raise_versions(work, versions)
    await work.outbox.add(topics.SEGMENTS, published)
    await membership_rebuild.finish(work)


def _cause(row: Stored, work: Work) -> Cause:
    return Cause(
        event_id=derived_id(row.profile_id, "rebuild", work.now.isoformat(), 1),
        kind="time",
        occurred_at=work.now,
        received_at=work.now,
        historical=True,
    )
