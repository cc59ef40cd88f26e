"""Consent by channel and purpose, so that joining two profiles never makes a yes of a no.

Each statement stays with whom it was made of. A yes lifts an earlier no of somebody else only if a trusted source had
stated, before the customer gave that yes, that the two are one. All of it is a join: any order of the same events gives
the same. What consent is to is spelt as `shared.contracts.consent` has it.

All of it has bounds, as `bounds` has them, and stays a join. What reaches its bound is read as if more had been stated,
and to the worse: a no is never forgotten. Of what public keys withdraw, the rest is kept as one under `OTHERS`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from services.profile.domain import bounds
from services.profile.domain.bounds import beyond, least, least_pairs, strongest_first, usual_first
from services.profile.domain.contact import verified_contacts
from services.profile.domain.lifting import Joined
from shared.contracts.consent import CHANNELS, Pair, is_word, pair_of
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body, ConsentChanged, CustomerIdentified
from shared.contracts.identity import Identity, Namespace, strength, user_ids_of

ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)  # of what was joined before it was kept since when
WHOLE: Final = "profile"  # of whom an event speaks that names a profile, and no identity
NO_EVENT: Final = UUID(int=0)  # of a statement of before it was kept which event made it
EMAIL: Final = "email"
MAX_CONFIRMATIONS: Final = 3  # asked for because of one event
OTHERS: Final = "*"  # no pair, and no name, is spelt so


class Permission(msgspec.Struct, frozen=True, array_like=True):
    """When somebody last agreed, and when they last refused, by the customer's time; and the events that state it."""

    granted: datetime | None = None
    withdrawn: datetime | None = None
    granted_by: UUID = NO_EVENT
    withdrawn_by: UUID = NO_EVENT


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """A withdrawal by a public key: last `at`, by the customer's time, and first received `since`."""

    at: datetime
    by: UUID
    since: datetime


Permissions = dict[str, dict[str, Permission]]  # by the name of whom it was stated, then by what it is to
Refusals = dict[str, dict[str, Refusal]]  # likewise; `OTHERS` stands for those that are not kept


class Statement(NamedTuple):
    """One yes or no, by the customer's time; `at` NEVER if nobody knows when."""

    at: datetime
    granted: bool
    by: UUID = NO_EVENT


def statements(body: Body) -> dict[str, bool]:
    """Returns what a fact says of consent, by pair."""
    match body:
        case CustomerIdentified() if body.consent:
            return {str(pair_of(spelt)): granted for spelt, granted in body.consent.items()}
        case ConsentChanged():
            return {str(Pair(body.channel, body.purpose)): body.granted}
    return {}


def permissions_by(event: Event) -> Permissions:
    """Returns what an event says of consent: nothing, if a public key says it, or if it is a claim."""
    if event.source_kind is SourceKind.PUBLIC or event.unverified or not (stated := statements(event.body)):
        return {}
    at = event.stamp.occurred_at  # NEVER of what is undated, which loses to whatever is dated
    made = {spelt: Statement(at, granted, event.event_id) for spelt, granted in stated.items()}
    return permissions_of(_names(event) or [WHOLE], made)


def permissions_of(names: Sequence[str], statements_by_pair: Mapping[str, Statement]) -> Permissions:
    """Returns these statements about whoever has these names, strongest first.

    A no is kept once, a yes under each name.
    """
    found: Permissions = {}
    for spelt, one in statements_by_pair.items():
        for name in names if one.granted else names[:1]:
            found.setdefault(name, {})[spelt] = (
                Permission(granted=one.at, granted_by=one.by)
                if one.granted
                else Permission(withdrawn=one.at, withdrawn_by=one.by)
            )
    return _bounded(found)


def refused_by(event: Event) -> Refusals:
    """Returns what a public key that may speak of consent says a visitor withdrew; grants are asked for elsewhere."""
    if event.source_kind is not SourceKind.PUBLIC or event.unverified:
        return {}
    refused = [
        spelt
        for spelt, granted in statements(event.body).items()
        if not granted and (pair := pair_of(spelt)).channel in CHANNELS and is_word(pair.purpose)
    ]
    made = {spelt: Refusal(event.stamp.occurred_at, event.event_id, event.received_at) for spelt in refused}
    visitor = next((str(one) for one in event.identities if one.namespace is Namespace.ANONYMOUS_ID), None)
    return {visitor: _least_refusals(made)} if made and visitor else {}


def to_confirm(event: Event) -> list[Pair]:
    """Returns what a visitor agreed to and the mailbox of `confirm_at` is to be asked about. Only mail can ask."""
    body = event.body
    if event.source_kind is not SourceKind.PUBLIC or event.historical:
        return []
    if not isinstance(body, CustomerIdentified | ConsentChanged) or not body.confirm_at:
        return []
    pairs = [pair_of(spelt) for spelt, granted in sorted(statements(body).items()) if granted]
    return [pair for pair in pairs if pair.channel == EMAIL and is_word(pair.purpose)][:MAX_CONFIRMATIONS]


def verified_by(event: Event) -> dict[str, datetime]:
    """Returns since when an event's addresses are known to be verified: since a trusted source's word was received."""
    if event.unverified or not (verified := verified_contacts(event)):
        return {}
    return least(
        {str(one): event.received_at for one in event.identities if one.namespace in verified}, bounds.MAX_VERIFIED
    )


def joined_by(event: Event) -> Joined:
    """Returns since when a trusted source says that an event's identities are one customer: since it was received."""
    if len(event.identities) < 2 or event.unverified or event.source_kind is SourceKind.PUBLIC:
        return {}
    first, *others = _names(event)
    return least_pairs({first: dict.fromkeys(others, event.received_at)}, bounds.MAX_JOINED) if others else {}


def joined_always(names: Sequence[str]) -> Joined:
    """Returns what is known of a profile from before joins were kept: these names were one."""
    return least_pairs({names[0]: dict.fromkeys(names[1:], ALWAYS)}, bounds.MAX_JOINED) if len(names) > 1 else {}


def merge(one: Permissions, other: Permissions) -> Permissions:
    """Returns the union of both."""
    if not one or not other:
        return one or other
    found = dict(one)
    for name, by_pair in other.items():
        mine = found.get(name, {})
        found[name] = {
            **mine,
            **{spelt: _newest(mine.get(spelt, Permission()), two) for spelt, two in by_pair.items()},
        }
    return _bounded(found)


def merge_refusals(one: Refusals, other: Refusals) -> Refusals:
    """Returns the union of both."""
    if not one or not other:
        return one or other
    found = dict(one)
    for name, refusals in other.items():
        found[name] = _least_refusals(_later_of_each(found.get(name, {}), refusals))
    for name in beyond(found.keys() - {OTHERS}, bounds.MAX_VISITORS):
        found[OTHERS] = _least_refusals(_later_of_each(found.get(OTHERS, {}), found.pop(name)))
    return found


def merge_verified(one: dict[str, datetime], other: dict[str, datetime]) -> dict[str, datetime]:
    """Returns the union of both, each since the first time."""
    if not one or not other:
        return one or other
    joined = {
        name: min(times) for name in one | other if (times := [each[name] for each in (one, other) if name in each])
    }
    return least(joined, bounds.MAX_VERIFIED)


def merge_joined(one: Joined, other: Joined) -> Joined:
    """Returns the union of both, each pair since the first time."""
    if not one or not other:
        return one or other
    found: Joined = {}
    for name, others in other.items():
        mine = one.get(name, {})
        if new := {who: at for who, at in others.items() if who not in mine or at < mine[who]}:
            found[name] = {**mine, **new}
    return least_pairs({**one, **found}, bounds.MAX_JOINED) if found else one  # nearly always it was known


def merge_vouched(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the union of both."""
    if not other or one == other:
        return one[: bounds.MAX_VOUCHED]
    return tuple(sorted({*one, *other})[: bounds.MAX_VOUCHED])


def _bounded(permissions: Permissions) -> Permissions:
    """The least pairs, and of each the least names that grant it, and the least that withdraw it.

    A yes that goes makes no yes. With a pair both words go, and for good. So many names that withdraw one speak for
    those that went, too.
    """
    entries = sum(map(len, permissions.values()))
    if entries <= bounds.MAX_NAMES and entries <= bounds.MAX_PAIRS and not any(map(_has_long, permissions.values())):
        return permissions
    granting: dict[str, dict[str, Permission]] = {}
    withdrawing: dict[str, dict[str, Permission]] = {}
    for name, some in permissions.items():
        for spelt, one in some.items():
            if one.granted is not None:
                granting.setdefault(spelt, {})[name] = Permission(granted=one.granted, granted_by=one.granted_by)
            if one.withdrawn is not None:
                no = Permission(withdrawn=one.withdrawn, withdrawn_by=one.withdrawn_by)
                withdrawing.setdefault(spelt, {})[name] = no
    short = {spelt: None for spelt in granting.keys() | withdrawing.keys() if len(spelt) <= bounds.MAX_PAIR_LENGTH}
    found: Permissions = {}
    for spelt in least(short, bounds.MAX_PAIRS, order=usual_first):
        for part in (granting, withdrawing):
            for name, one in least(part.get(spelt, {}), bounds.MAX_NAMES, order=strongest_first).items():
                mine = found.setdefault(name, {})
                mine[spelt] = _newest(mine.get(spelt, Permission()), one)
    return found


def _has_long(by_pair: Mapping[str, Permission]) -> bool:
    return any(len(spelt) > bounds.MAX_PAIR_LENGTH for spelt in by_pair)


def _later_of_each(one: Mapping[str, Refusal], other: Mapping[str, Refusal]) -> dict[str, Refusal]:
    found = dict(one)
    for spelt, two in other.items():
        known = found.get(spelt, two)
        at, by = max((known.at, known.by), (two.at, two.by))
        found[spelt] = Refusal(at, by, min(known.since, two.since))
    return found


def _least_refusals(refusals: dict[str, Refusal]) -> dict[str, Refusal]:
    """So many; the others as one, since the first of them was received and until the last."""
    rest = beyond(refusals.keys() - {OTHERS}, bounds.MAX_PUBLIC_REFUSALS, order=usual_first)
    kept = {spelt: no for spelt, no in refusals.items() if spelt not in rest}
    for spelt in rest:
        kept = _later_of_each(kept, {OTHERS: refusals[spelt]})
    return kept


def _newest(one: Permission, other: Permission) -> Permission:
    granted, granted_by = _later((one.granted, one.granted_by), (other.granted, other.granted_by))
    withdrawn, withdrawn_by = _later((one.withdrawn, one.withdrawn_by), (other.withdrawn, other.withdrawn_by))
    return Permission(granted, withdrawn, granted_by, withdrawn_by)


def _later(one: tuple[datetime | None, UUID], other: tuple[datetime | None, UUID]) -> tuple[datetime | None, UUID]:
    known = [(at, by) for at, by in (one, other) if at is not None]
    return max(known) if known else (None, NO_EVENT)


def _names(event: Event) -> list[str]:
    """Whom an event is about, strongest first.

    Of an explicit merge, an anonymous id may be a former user id. Any other event that names several user ids is about
    the first alone: it joins them to nobody, and what it says is not theirs.
    """
    named = event.identities
    if event.merges:
        former = (
            Identity(user_ids_of(event.space), one.value) for one in named if one.namespace is Namespace.ANONYMOUS_ID
        )
        return [str(one) for one in sorted({*named, *former}, key=strength)]
    ordered = sorted(named, key=strength)
    return [str(one) for n, one in enumerate(ordered) if n == 0 or one.namespace.kind is not Namespace.USER_ID]
