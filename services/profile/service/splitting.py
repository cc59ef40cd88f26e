"""Parting a customer who was taken for one and is two: a merge undone, or some identities taken out.

One transaction, under the locks that a batch of events takes, in their order: whatever folds beside it comes before it
or after. Both customers are folded anew from the record, as a rebuild would fold them.
"""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from services.profile.domain import ordering, parting
from services.profile.domain.parting import Name
from services.profile.repository import fold, identity, orders, rebuild, splits
from services.profile.repository.splits import LoggedName, LoggedSplit
from services.profile.service import rebuild as rebuilding
from services.profile.service.fold import SOURCE, profile_changed
from shared import audit
from shared.audit import Actor
from shared.contracts import topics
from shared.contracts.changes import ProfileSplit
from shared.contracts.envelope import Event, SourceKind, derived_id
from shared.contracts.events import Body
from shared.database import aliases
from shared.database.aliases import Merge
from shared.database.database import Work
from shared.errors import Conflict, Invalid, Unavailable

NOBODY_LEFT: Final = "an event goes with the strongest identity that it names"


class NotApart(Conflict):
    """These can't be parted: one of the two would have nothing."""


class SplitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Who is to be parted from a customer: a profile that was merged into it (`undo`), or these identities."""

    profile_id: UUID
    undo: UUID | None = None
    identities: tuple[Name, ...] = ()
    reason: str = ""


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What goes: these names to this profile, and with it the profiles that were merged into it before."""

    separated: UUID
    moved: Sequence[LoggedName]
    stays: Collection[Name]
    under: Collection[UUID] = ()
    merges: Sequence[Merge] = ()


async def made(work: Work, split_id: UUID) -> tuple[LoggedSplit, Sequence[Name]]:
    """Returns a split that was made, and the identities that it moved."""
    return await splits.split(work, split_id)


async def split(work: Work, asked: SplitRequest, by: Actor, *, company_zone: str) -> UUID:
    """Parts a customer, given by the id that stands for it, and publishes both. Returns the split's id.

    Later events of the identities that go are the separated customer's, and nothing joins the two again. Raises
    `Invalid` for who is not among the customer's, `NotApart` where one of the two would be without an identity or an
    event, `Unavailable` if the customer changed meanwhile.
    """
    root = asked.profile_id
    before = set(await aliases.names(work, root))
    await splits.lock_names(work, [one.name for one in await splits.names(work, before)])
    stored = (await identity.lock_profiles(work, [root])).get(root)
    await aliases.lock_merges(work)
    if stored is None or before != set(await aliases.names(work, root)):
        raise Unavailable("the customer was merged at this moment: try again", headers={"Retry-After": "1"})
    split_id = uuid7()
    plan = await _plan(work, asked, before, derived_id(split_id, "profile", "split", 1))
    events = (await rebuild.events(work, [root])).get(root, [])
    gone = parting.going(events, {one.name for one in plan.moved}, plan.stays)
    if not gone or len(gone) == len(events):
        who = "them" if not gone else "the others"
        raise NotApart(f"no event would be of {who}: {NOBODY_LEFT}")
    logged = LoggedSplit(id=split_id, kept=root, separated=plan.separated, at=work.now)
    await _move(work, logged, plan, events, gone, before=before, reason=asked.reason)
    await _fold_anew(work, logged, version=max(stored.version, len(events)) + 1, company_zone=company_zone)
    await audit.record(
        work,
        by,
        "profile.split",
        "profile",
        root,
        {"split": str(split_id), "separated": str(plan.separated), "identities": len(plan.moved), "events": len(gone)},
    )
    return split_id


async def _plan(work: Work, asked: SplitRequest, before: Collection[UUID], fresh: UUID) -> _Plan:
    named = await splits.names(work, before)
    if asked.undo is not None:
        logged = await splits.merges_into(work, before)
        merges = [Merge(one.other_id, one.profile_id, one.verified is True) for one in logged]
        survivors = {one.loser: one.survivor for one in merges}
        if asked.undo not in survivors:
            raise Invalid(f"undo: {asked.undo} was not merged into this customer; `merged_ids` has who was")
        under = parting.under(survivors, asked.undo)
        moved = [one for one in named if one.profile_id in under]
        inner = [one for one in merges if one.loser in under and one.loser != asked.undo]
        stays = _names(named) - _names(moved)
        plan = _Plan(separated=asked.undo, moved=moved, stays=stays, under=under, merges=inner)
    else:
        wanted = set(asked.identities)
        for place, (namespace, value) in enumerate(asked.identities):
            if (namespace, value) not in _names(named):
                raise Invalid(f"/identities/{place}: {namespace}:{value} is not an identity of this customer")
        moved = [one for one in named if one.name in wanted]
        plan = _Plan(separated=fresh, moved=moved, stays=_names(named) - wanted)
    if not plan.moved or not plan.stays:
        raise NotApart("each of the two needs an identity")
    return plan


def _names(logged: Collection[LoggedName]) -> set[Name]:
    return {one.name for one in logged}


async def _move(
    work: Work,
    made: LoggedSplit,
    plan: _Plan,
    events: Sequence[Event],
    gone: Collection[UUID],
    *,
    before: Collection[UUID],
    reason: str,
) -> None:
    """Writes down who goes, and gives to who is separated what goes along."""
    kept, separated = made.kept, made.separated
    await splits.write_log(work, made, plan.moved, reason=reason)
    if plan.under:
        await aliases.forget(work, plan.under)
        await aliases.note_merges(work, plan.merges)
    await splits.move_names(work, _names(plan.moved), separated)
    await splits.move_events(work, gone, kept=kept, separated=separated)
    moved = parting.orders_going(events, gone)
    if not moved:
        return
    words = ordering.words((separated, event) for event in events if event.event_id in gone)
    await splits.move_owners(work, {one for one in words if one[1] in moved}, before=before, separated=separated)
    marks = (await orders.marks_by_profile(work, [kept, separated])).values()
    theirs = {(separated, key): mark for found in marks for key, mark in found.items() if key in moved}
    await splits.forget_marks(work, moved, before=before)
    if theirs:
        await orders.add_marks(work, theirs)
    await splits.move_refs(work, moved, before=before, separated=separated)
    await splits.move_reassignments(work, moved, before=before, separated=separated)


async def _fold_anew(work: Work, made: LoggedSplit, *, version: int, company_zone: str) -> None:
    """Stores and publishes both as the record has them now. The version is above all that either had."""
    both = sorted((made.kept, made.separated))
    _, folded = await rebuilding.fold_anew(work, both)
    await rebuilding.save_anew(work, both, folded, dict.fromkeys(both, version))
    await splits.raise_versions(work, dict.fromkeys(both, version))
    figures = await fold.update_figures(work, both)
    body = ProfileSplit(profile_id=made.kept, separated=made.separated, at=made.at)
    # Each in the order of its own changes: a reader learns of the split before anything else of either.
    for one in both:
        changed = profile_changed(one, folded[one].state, figures[one], company_zone)
        await work.outbox.add_all([(topics.PROFILES, one.bytes, _told(made, one, each)) for each in (body, changed)])


def _told(made: LoggedSplit, profile_id: UUID, body: Body) -> Event:
    """What is told of a split sets nothing off: nothing that happened to the customers did it."""
    return Event(
        event_id=derived_id(made.id, type(body).__name__, str(profile_id), 1),
        source_id=SOURCE,
        source_kind=SourceKind.SERVICE,
        occurred_at=made.at,
        received_at=made.at,
        historical=True,
        profile_id=profile_id,
        body=body,
    )
