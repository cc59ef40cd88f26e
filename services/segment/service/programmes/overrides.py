"""Tiers that somebody gives a customer by hand, until a moment or until they are taken back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from services.segment.domain.documents import InvalidDefinition, not_among
from services.segment.domain.programmes.definition import DEFAULT, Programme
from services.segment.domain.programmes.tier_standing import tier
from services.segment.repository import standings as repository
from services.segment.repository.programmes import customers as stored_tiers
from services.segment.repository.programmes import versions
from services.segment.repository.programmes.customers import StoredOverride, StoredTier
from services.segment.repository.standings import Stored, StoredStanding
from services.segment.service import memberships
from services.segment.service.programmes.definitions import UnknownProgramme
from services.segment.service.standing_changes import Cause, Looks, stored_tier
from services.segment.service.standings import UnknownCustomer
from shared import audit
from shared.audit import Actor
from shared.contracts.envelope import derived_id
from shared.database import aliases
from shared.database.database import Work
from shared.errors import Invalid, NotFound

KIND = "tier"  # in the audit log


class NoOverride(NotFound):
    """No tier was given to this customer by hand in this programme."""


class CustomerTier(msgspec.Struct, frozen=True):
    """What a customer has in a programme, as it was looked at last."""

    definition: Programme
    tier: StoredTier
    given: StoredOverride | None


async def give(
    work: Work,
    profile_id: UUID,
    programme: str,
    *,
    name: str,
    mode: Literal["at_least", "exactly"],
    reason: str,
    expires_at: datetime | None,
    by: Actor,
) -> None:
    """Gives a customer a tier, in the place of one that was given before, and looks at the customer at once.

    What changes is published as redefined. Raises `UnknownCustomer`, `UnknownProgramme` and `Invalid`.
    """
    looks, row = await _locked(work, profile_id, programme)
    names = [one.name for one in looks.programmes.at(work.now)[programme].programme.tiers]
    if name not in names:
        raise InvalidDefinition([not_among("/tier", f"there is no such tier in {programme}", name, names)])
    if expires_at is not None and expires_at <= work.now:
        raise Invalid("body/expires_at: has passed")
    await stored_tiers.remove_overrides(work, await aliases.names(work, profile_id), programme)
    given = StoredOverride(
        profile_id=row.profile_id,
        programme=programme,
        tier=name,
        mode=mode,
        reason=reason,
        author=by.subject,
        set_at=work.now,
        expires_at=expires_at,
    )
    await stored_tiers.save_override(work, given)
    await _look(work, looks, row)
    change = {"programme": programme, "tier": name, "mode": mode, "expires_at": expires_at and expires_at.isoformat()}
    await audit.record(work, by, "tier.given", KIND, row.profile_id, change)


async def take_back(work: Work, profile_id: UUID, programme: str, *, by: Actor) -> None:
    """Takes back what was given by hand, and looks at the customer at once. Raises `UnknownCustomer`, `NoOverride`."""
    looks, row = await _locked(work, profile_id, programme)
    if not await stored_tiers.remove_overrides(work, await aliases.names(work, profile_id), programme):
        raise NoOverride(f"nothing was given in {programme}")
    await _look(work, looks, row)
    await audit.record(work, by, "tier.taken_back", KIND, row.profile_id, {"programme": programme})


async def tiers(work: Work, profile_id: UUID) -> Mapping[str, CustomerTier]:
    """Returns what a customer has in each programme, as it was looked at last. Raises `UnknownCustomer`."""
    root = (await aliases.canonical(work, [profile_id]))[profile_id]
    standing = await repository.standing(work, root)
    if standing is None:
        raise UnknownCustomer(f"no customer {profile_id}")
    in_force = (await versions.in_force(work, since=work.now)).at(work.now)
    given = (await stored_tiers.overrides(work, [root])).get(root, {})
    known = (await stored_tiers.tiers(work, [root])).get(root, {})
    known[DEFAULT] = _of_default(standing)
    return {
        name: CustomerTier(
            one.programme,
            known.get(name) or stored_tier(root, one, tier(one.programme, [], work.now)),
            given.get(name),
        )
        for name, one in in_force.items()
    }


def _of_default(one: StoredStanding) -> StoredTier:
    return StoredTier(
        profile_id=one.profile_id,
        programme=DEFAULT,
        programme_version=one.tier_version or 0,
        tier=one.tier,
        figure=one.tier_figure or 0,
        reason=one.tier_reason,
        since=one.tier_since,
        by_hand=one.tier_by_hand,
        downgrade_at=one.downgrade_at,
        downgrade_to=one.downgrade_to,
        warned=one.downgrade_warned,
        due_at=one.due_at,
    )


async def _locked(work: Work, profile_id: UUID, programme: str) -> tuple[Looks, Stored]:
    await aliases.lock_merges(work, shared=True)
    root = (await aliases.canonical(work, [profile_id]))[profile_id]
    looks = await Looks.begin(work, since=work.now)
    if programme not in looks.programmes.at(work.now):
        raise UnknownProgramme(f"no programme {programme} is in force")
    row = (await repository.lock(work, [root])).get(root)
    if row is None:
        raise UnknownCustomer(f"no customer {profile_id}")
    await looks.load(work, [root])
    looks.catch_up(row, work.now)
    return looks, row


async def _look(work: Work, looks: Looks, row: Stored) -> None:
    await looks.load(work, [row.profile_id])
    cause = Cause(
        event_id=derived_id(row.profile_id, "by_hand", work.now.isoformat(), 1),
        kind="redefined",
        occurred_at=work.now,
        received_at=work.now,
    )
    looks.look_for_event(row, work.now, cause)
    await looks.save(work)
    touched = {row.profile_id: memberships.STANDING}
    await memberships.look_again(work, touched, {row.profile_id: cause})
