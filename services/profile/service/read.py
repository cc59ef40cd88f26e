"""Answering questions about customers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.profile.domain import dates, explaining, fold, localization, survey
from services.profile.domain.explaining import Joined, Linked, Step
from services.profile.domain.meeting import SHARED, TOO_MANY
from services.profile.domain.record import refunds_elsewhere
from services.profile.repository import history, identity, read, splits
from shared.contracts import normal_form
from shared.contracts.identity import Namespace, is_space
from shared.contracts.orders import Order
from shared.database import aliases
from shared.database.database import Work
from shared.errors import Invalid, NotFound

MAX_SHOWN = 1000  # traits and in one answer

NAMESPACES: Final = (*(one.value for one in Namespace), fold.CLAIMED_USER_ID)
_OF_USERS: Final = (Namespace.USER_ID.value, fold.CLAIMED_USER_ID)  # which may have a space: user_id@shop-a


class UnknownProfile(NotFound):
    """There is no such customer."""


async def resolve(work: Work, ref: str) -> UUID:
    """Returns the canonical id of `ref`: a profile id, merged or not, or `namespace:value`.

    Raises `UnknownProfile` or `Invalid`.
    """
    namespace, colon, value = ref.partition(":")
    if colon:
        kind, at, space = namespace.partition("@")
        if kind not in NAMESPACES or (at and not (kind in _OF_USERS and is_space(space))):
            raise Invalid(f"ref: {namespace!r} is not a namespace; the namespaces are {', '.join(NAMESPACES)}")
        # What has no normal form is nobody's now, but may be somebody's whom an earlier release wrote down so.
        of = Namespace.USER_ID if kind in _OF_USERS else Namespace(kind)
        normal = normal_form.of(of, value) or value.strip()
        owner = await read.owner(work, namespace, normal)
        if owner is None:
            raise UnknownProfile(f"no customer is known as {ref}")
        return owner
    try:
        profile_id = UUID(ref)
    except ValueError:
        raise Invalid(f"ref: {ref!r} is neither a profile id nor namespace:value") from None
    canonical = (await aliases.canonical(work, [profile_id]))[profile_id]
    if not await read.exists(work, canonical):
        raise UnknownProfile(f"no profile {ref}")
    return canonical


async def profile(
    work: Work, profile_id: UUID, *, company_zone: str = localization.COMPANY_TIME_ZONE
) -> dict[str, Any]:
    """Returns the 360° view of one customer. `company_zone` is the time zone of those of whom nothing says one.

    Raises `UnknownProfile`.
    """
    row = await read.profile(work, profile_id)
    if row is None:
        raise UnknownProfile(f"no profile {profile_id}")
    top: dict[str, list[dict[str, Any]]] = {}
    for count in await read.top(work, profile_id):
        top.setdefault(count.kind, []).append({"name": count.name, "times": count.times})
    orders = await read.orders(work, profile_id)
    if bought := _categories(orders):
        top["category_bought"] = [{"name": name, "times": times} for name, times in bought]
    money = await read.money(work, profile_id)
    state = identity.decode_state(row.state)
    language = localization.language(state.locale)
    elsewhere = refunds_elsewhere(orders)
    return {
        **_summary(row),
        "merged_ids": (await aliases.names(work, profile_id))[1:],
        "refunded_minor": _added({one.currency: one.refunded for one in money}, elsewhere),
        "refunds_not_counted_minor": elsewhere,
        "margin_minor": {one.currency: one.margin for one in money if one.costed},
        "top": top,
        "time_zone": msgspec.to_builtins(localization.time_zone(state.locale, company=company_zone)),
        "language": None if language is None else msgspec.to_builtins(language),
        "dated_facts": [
            {name: getattr(one, name) for name in one.__struct_fields__} for one in dates.facts(state.dated_facts)
        ],
    }


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The sums by currency of both."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted(one.keys() | other.keys())}


def _categories(orders: Iterable[Order]) -> list[tuple[str, int]]:
    """The categories bought most often."""
    counted: Counter[str] = Counter()
    for order in orders:
        counted.update(order.categories)
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))[: read.TOP]


async def timeline(work: Work, profile_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Any]:
    """Returns a customer's events, newest first."""
    return await read.timeline(work, profile_id, before=before, limit=limit)


async def consents(work: Work, profile_id: UUID) -> list[dict[str, Any]]:
    """Returns a customer's standing consent, with its source and evidence. Raises `UnknownProfile`."""
    row = await read.profile(work, profile_id)
    if row is None:
        raise UnknownProfile(f"no profile {profile_id}")
    standing = fold.standing(identity.decode_state(row.state))
    sources = await read.sources_of(work, [one.event_id for one in standing])
    found: list[dict[str, Any]] = []
    for one in standing:
        by = sources.get(one.event_id)
        found.append(
            {
                "channel": one.pair.channel,
                "purpose": one.pair.purpose,
                "state": "granted" if one.granted else "withdrawn",
                "changed_at": one.changed_at,
                "event_id": by and by.event_id,
                "source_id": by and by.source_id,
                "source_kind": by and by.source_kind,
                "evidence": msgspec.json.decode(by.evidence) if by and by.evidence else {},
            }
        )
    return found


async def identity_log(work: Work, ref: str, *, limit: int) -> Sequence[Any]:
    """Returns the decisions about this customer's identity."""
    return await read.identity_log(work, await aliases.names(work, await resolve(work, ref)), limit=limit)


async def explained(work: Work, ref: str) -> tuple[UUID, list[Step]]:
    """Returns the canonical id of a customer, and the merges that made this one customer, as they were decided."""
    root = await resolve(work, ref)
    names = await aliases.names(work, root)
    merges = [
        Joined(one.profile_id, one.other_id, one.event_id, one.at) for one in await splits.merges_into(work, names)
    ]
    linked = [Linked(one.name, one.profile_id, one.event_id) for one in await splits.names(work, names)]
    events = {one.event_id: one for one in await history.by_ids(work, {merge.event_id for merge in merges})}
    return root, list(explaining.steps(merges, linked, events))


async def shared_values(work: Work, *, after: tuple[int, str, str] | None, limit: int) -> list[dict[str, Any]]:
    """Returns the values that more than one customer gives, those of the most customers first."""
    rows = await read.shared_values(work, after=after, reasons=(TOO_MANY, SHARED), limit=limit)
    return [dict(row._mapping) for row in rows]


async def search(
    work: Work, *, prefix: str | None, min_orders: int, before: tuple[datetime, UUID] | None, limit: int
) -> list[dict[str, Any]]:
    """Returns customers, seen last first."""
    rows = await read.search(work, prefix=prefix, min_orders=min_orders, before=before, limit=limit)
    return [_summary(row) for row in rows]


async def totals(work: Work) -> list[dict[str, Any]]:
    """Returns orders and spend of all customers, by currency."""
    return [dict(row._mapping) for row in await read.totals(work)]


def _summary(row: Any) -> dict[str, Any]:
    state = identity.decode_state(row.state)
    return {
        "id": row.id,
        "version": row.version,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "identities": state.identities,
        "traits": fold.plain(fold.traits_of(state), MAX_SHOWN),
        "consent": fold.agreed(state),
        "events": state.events,
        "page_views": state.page_views,
        "feedback": {
            name: {"answers": tally.answers, "average": tally.total / tally.answers}
            for name, tally in survey.tallies(state.answers, state.feedback).items()
        },
        "orders": row.orders,
        "spend_minor": msgspec.json.decode(row.spend_minor) if isinstance(row.spend_minor, str) else row.spend_minor,
        "first_order_at": row.first_order_at,
        "last_order_at": row.last_order_at,
    }
