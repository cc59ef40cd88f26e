"""Where a customer can be reached, by the word of trusted sources, and which address is to be used first.

A verified address comes before others; of each kind the newest is the first. Who identifies a customer by an address
says that it is theirs now: then an order that still carries an earlier one does not bring that back.

What is kept has bounds, and stays a join: of each address the greatest of its statements is kept, by the order that
also decides which addresses are kept. So the address to use is never among those that go.
"""

from collections.abc import Mapping
from datetime import datetime
from heapq import nlargest
from typing import Final, Literal

import msgspec

from shared.contracts.changes import ContactPoint
from shared.contracts.envelope import NEVER, Event, SourceKind
from shared.contracts.events import CustomerIdentified, FeedbackSubmitted
from shared.contracts.identity import Namespace

_UNKNOWN: Final = (False, NEVER, NEVER)

# Traits by which a shop says that the customer has shown an address to be theirs. Source: OpenID Connect Core 1.0,
# section 5.1, whose claims `email_verified` and `phone_number_verified` these are, and the short name of the second.
VERIFIED_BY: Final[Mapping[str, Namespace]] = {
    "email_verified": Namespace.EMAIL,
    "phone_number_verified": Namespace.PHONE,
    "phone_verified": Namespace.PHONE,
}


DECLARED: Final = "declared_"  # before a namespace: what identified the customer, and was not only named beside a fact
NAMESPACES: Final[tuple[Literal["email"], Literal["phone"]]] = ("email", "phone")


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A statement of an address: when it was made, by the customer's time, and whether it says that it is verified.

    `received_at` decides between two of one moment. It is not known of what was stated before it was kept.
    """

    stated_at: datetime
    verified: bool = False
    received_at: datetime | None = None

    @property
    def rank(self) -> tuple[bool, datetime, datetime]:
        """Returns the place of a statement: the greater one counts."""
        return self.verified, self.stated_at, self.received_at or NEVER


def verified_contacts(event: Event) -> frozenset[Namespace]:
    """Returns the namespaces of those addresses in an event of which a trusted source says that they are verified."""
    body = event.body
    if event.source_kind is SourceKind.PUBLIC or not isinstance(body, CustomerIdentified):
        return frozenset()
    return frozenset(namespace for trait, namespace in VERIFIED_BY.items() if body.traits.get(trait) is True)


def named_by(event: Event) -> dict[str, dict[str, Point]]:
    """Returns the addresses that an event gives its customer, by namespace.

    Those by which it identifies the customer stand under `DECLARED`, too. Somebody who answers a survey gives none:
    anyone could.
    """
    if event.unverified or event.source_kind is SourceKind.PUBLIC or isinstance(event.body, FeedbackSubmitted):
        return {}
    named = [one for one in event.identities if one.namespace in (Namespace.EMAIL, Namespace.PHONE)]
    if not named:
        return {}
    found: dict[str, dict[str, Point]] = {}
    at = event.stamp.occurred_at
    verified, stated = verified_contacts(event), Point(at, received_at=event.received_at)
    for one in named:
        point = Point(at, True, event.received_at) if one.namespace in verified else stated
        found.setdefault(one.namespace.value, {})[one.value] = point
        if isinstance(event.body, CustomerIdentified):
            found.setdefault(DECLARED + one.namespace.value, {})[one.value] = stated
    return found


def merge(
    one: dict[str, dict[str, Point]], other: dict[str, dict[str, Point]], *, most: int
) -> dict[str, dict[str, Point]]:
    """Returns the union of both: of each namespace at most `most` addresses, those of the greatest statements."""
    if not one or not other:
        return one or other
    found = {namespace: dict(points) for namespace, points in one.items()}
    for namespace, points in other.items():
        mine = found.setdefault(namespace, {})
        for value, point in points.items():
            known = mine.get(value)
            if known is None or known.rank < point.rank:
                mine[value] = point
        if len(mine) > most:
            kept = nlargest(most, mine, key=lambda value: (mine[value].rank, value))
            found[namespace] = {value: mine[value] for value in kept}
    return found


def contact_points(
    points: Mapping[str, Mapping[str, Point]], identities: Mapping[str, tuple[str, ...]], *, limit: int
) -> tuple[ContactPoint, ...]:
    """Returns at most `limit` addresses, the best first: verified before others, then the newest.

    An address that identified the customer is as new as the last event that did so; any other as the last one that
    names it. What was linked before the time was kept comes last. Half of the places are for each namespace.
    """
    by_namespace = [_ranked(namespace, points, identities.get(namespace, ())) for namespace in NAMESPACES]
    half = limit // len(NAMESPACES)
    kept = [one for some in by_namespace for one in some[:half]]
    others = sorted((one for some in by_namespace for one in some[half:]), key=_rank, reverse=True)
    return tuple(sorted((*kept, *others[: limit - len(kept)]), key=_rank, reverse=True))


def _ranked(
    namespace: Literal["email", "phone"], points: Mapping[str, Mapping[str, Point]], linked: tuple[str, ...]
) -> list[ContactPoint]:
    named, declared = points.get(namespace, {}), points.get(DECLARED + namespace, {})
    newest: dict[str, Point | None] = {}
    for value in {*named, *linked}:
        point = named.get(value)
        newest[value] = point if point is None or point.verified else declared.get(value, point)
    found = sorted(newest.items(), key=lambda item: (item[1].rank if item[1] else _UNKNOWN, item[0]), reverse=True)
    return [
        ContactPoint(
            namespace=namespace,
            value=value,
            verified=point is not None and point.verified,
            stated_at=None if point is None else point.stated_at,
        )
        for value, point in found
    ]


def _rank(one: ContactPoint) -> tuple[bool, datetime]:
    return one.verified, one.stated_at or NEVER
