"""Erasing a customer: nothing of them stays here, and every service is told to do the same.

One transaction, under the locks that a batch of events takes, in their order: whatever folds beside it comes before it,
and goes, or after it, and begins a new customer.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from services.profile.domain.fold import CLAIMED_USER_ID
from services.profile.domain.parting import Name
from services.profile.repository import erasures, identity, splits
from services.profile.repository.erasures import Erased
from services.profile.service import read
from services.profile.service.fold import SOURCE
from services.profile.service.read import UnknownProfile
from shared import audit
from shared.audit import Actor
from shared.contracts import topics
from shared.contracts.changes import ProfileErased
from shared.contracts.envelope import Event, SourceKind, derived_id
from shared.contracts.identity import user_ids_of
from shared.database import aliases
from shared.database.database import Work
from shared.errors import Unavailable

_RETRY_SECONDS: Final = "1"


async def erase(work: Work, ref: str, by: Actor) -> tuple[Erased, Sequence[Name]]:
    """Erases a customer, given as in `read.resolve`, and publishes it. Returns what they were known by, this once. Who
    was erased before stays so.

    A repeat of one of their events is passed over for ever; what comes later and names one of their identities begins a
    new customer. Raises `UnknownProfile`, `Invalid`, and `Unavailable` if the customer changed meanwhile.
    """
    try:
        root = await read.resolve(work, ref)
    except UnknownProfile:
        if (before := await _before(work, ref)) is not None:
            return before, ()
        raise
    ids = set(await aliases.names(work, root))
    named = await erasures.names(work, ids)
    await splits.lock_names(work, named)
    stored = (await identity.lock_profiles(work, [root])).get(root)
    await aliases.lock_merges(work)
    # A name that was linked meanwhile is not locked: who holds it may wait for the profile.
    same = ids == set(await aliases.names(work, root)) and named == await erasures.names(work, ids)
    if stored is None or not same:
        raise Unavailable("the customer changed at this moment: try again", headers={"Retry-After": _RETRY_SECONDS})
    events = await erasures.erase(work, root, ids, named)
    told = Event(
        event_id=derived_id(root, "ProfileErased", "", 1),
        source_id=SOURCE,
        source_kind=SourceKind.SERVICE,
        occurred_at=work.now,
        received_at=work.now,
        historical=True,
        profile_id=root,
        body=ProfileErased(profile_id=root),
    )
    await work.outbox.add_all([(topics.PROFILES, root.bytes, told)])
    await audit.record(work, by, "profile.erase", "profile", root, {"events": events})
    return Erased(canonical_id=root, erased_at=work.now, events=events), _as_given(named)


async def _before(work: Work, ref: str) -> Erased | None:
    try:
        return await erasures.find(work, UUID(ref))
    except ValueError:
        return None  # an identity says nothing of who had it


def _as_given(named: Sequence[Name]) -> Sequence[Name]:
    """The identities as events name them: a user id that only public keys claim is a user id."""
    found = {
        (user_ids_of(namespace.partition("@")[2]).value, value)
        if namespace.partition("@")[0] == CLAIMED_USER_ID
        else (namespace, value)
        for namespace, value in named
    }
    return sorted(found)
