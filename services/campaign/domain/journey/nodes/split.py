"""A split: customers by chance, the same way whenever they come."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.campaign.domain.journey.nodes.node import At, Known, NodeId
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import Leave, Outcome, Signal

BUCKETS: Final = 10_000


class Way(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way out, and the share of customers who take it, as a weight beside the others'."""

    name: str
    weight: Annotated[int, Meta(ge=0, le=1_000)]
    to: NodeId | None = None


class Split(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="split"):
    """Sends each customer one of `ways`. `salt` stays when a journey is edited, so that everybody keeps their way.

    The way is that into which the customer's bucket of 10,000 falls: SHA-256 of salt and profile id, its first eight
    bytes as a number.
    """

    ways: Annotated[tuple[Way, ...], Meta(min_length=2, max_length=20)]
    salt: Annotated[str, Meta(min_length=1, max_length=80)]

    def ports(self) -> Mapping[str, NodeId | None]:
        """Returns the ways by name."""
        return {way.name: way.to for way in self.ways}

    def enter(self, at: At) -> Outcome:
        """Returns the customer's way."""
        place = bucket(self.salt, str(at.run.profile_id)) * sum(way.weight for way in self.ways)
        for way in self.ways:
            place -= way.weight * BUCKETS
            if place < 0:
                return Leave(way.name)
        raise AssertionError("weights that sum to nothing are refused when a journey is published")

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Raises `AssertionError`: no run waits here."""
        raise AssertionError(f"node {at.id}: {signal.name} came, and no run waits here")

    def waits(self) -> bool:
        """Returns False."""
        return False

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields names that are not unique, and weights that sum to nothing."""
        names = [way.name for way in self.ways]
        for n, name in enumerate(names):
            if name in names[:n]:
                yield Problem(f"{pointer}/ways/{n}/name", f"there is a way {name} before it")
        if not sum(way.weight for way in self.ways):
            yield Problem(f"{pointer}/ways", "one of them must have a weight above 0")


def bucket(salt: str, customer: str) -> int:
    """Returns the bucket from 0 to 9,999 of a customer: the same for ever."""
    return int.from_bytes(sha256(f"{salt}/{customer}".encode()).digest()[:8], "big") % BUCKETS
