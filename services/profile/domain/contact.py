"""Where a customer can be reached, by the word of trusted sources, and which address is to be used first."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from shared.contracts.changes import ContactPoint
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import CustomerIdentified, FeedbackSubmitted
from shared.contracts.identity import Namespace

NEVER: Final = datetime.min.replace(tzinfo=UTC)

# Traits by which a shop says that the customer has shown an address to be theirs. Source: OpenID Connect Core 1.0,
# section 5.1, whose claims `email_verified` and `phone_number_verified` these are, and the short name of the second.
VERIFIED_BY: Final[Mapping[str, Namespace]] = {
    "email_verified": Namespace.EMAIL,
    "phone_number_verified": Namespace.PHONE,
    "phone_verified": Namespace.PHONE,
}


class Point(msgspec.Struct, frozen=True, array_like=True):
    """When a trusted source named an address last, and whether one ever stated that it is verified."""

    stated_at: datetime
    verified: bool = False


def verified_contacts(event: Event) -> frozenset[Namespace]:
    """The namespaces of those addresses in an event of which a trusted source says that they are verified."""
    body = event.body
    if event.source_kind is SourceKind.PUBLIC or not isinstance(body, CustomerIdentified):
        return frozenset()
    return frozenset(namespace for trait, namespace in VERIFIED_BY.items() if body.traits.get(trait) is True)


def named_by(event: Event) -> dict[str, dict[str, Point]]:
    """The addresses that an event gives its customer. Somebody who answers a survey gives none: anyone could."""
    if event.unverified or event.source_kind is SourceKind.PUBLIC or isinstance(event.body, FeedbackSubmitted):
        return {}
    found: dict[str, dict[str, Point]] = {}
    for one in event.identities:
        if one.namespace in (Namespace.EMAIL, Namespace.PHONE):
            verified = one.namespace in verified_contacts(event)
            found.setdefault(one.namespace.value, {})[one.value] = Point(event.stamp.occurred_at, verified)
    return found


def merge(
    one: dict[str, dict[str, Point]], other: dict[str, dict[str, Point]], *, most: int
) -> dict[str, dict[str, Point]]:
    """Returns the union of both: of each namespace at most `most` addresses, the least, as of identities.

    The least, and not the best: only so is it the same whatever the order in which they came.
    """
    if not one or not other:
        return one or other
    found = {namespace: dict(points) for namespace, points in one.items()}
    for namespace, points in other.items():
        mine = found.setdefault(namespace, {})
        for value, point in points.items():
            known = mine.get(value, point)
            mine[value] = Point(max(known.stated_at, point.stated_at), known.verified or point.verified)
        if len(mine) > most:
            found[namespace] = {value: mine[value] for value in sorted(mine)[:most]}
    return found


def contact_points(
    points: Mapping[str, Mapping[str, Point]], identities: Mapping[str, tuple[str, ...]], *, limit: int
) -> tuple[ContactPoint, ...]:
    """Returns at most `limit` addresses, the best first: verified before others, then the newest named first.

    What was linked before the time was kept comes last.
    """
    found: list[ContactPoint] = []
    for namespace in ("email", "phone"):
        known = points.get(namespace, {})
        for value in sorted({*known, *identities.get(namespace, ())}):
            point = known.get(value)
            found.append(
                ContactPoint(
                    namespace=namespace,
                    value=value,
                    verified=point is not None and point.verified,
                    stated_at=None if point is None else point.stated_at,
                )
            )
    found.sort(key=lambda one: (one.verified, one.stated_at or NEVER), reverse=True)
    return tuple(found[:limit])
