"""What a changed programme would do: who moves where, and what the tiers would cost."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

import msgspec

from services.segment.domain.programmes.definition import Programme
from services.segment.domain.programmes.tier_standing import TierStanding

SAMPLE = 20  # customers that are shown


class TierMove(msgspec.Struct, frozen=True, kw_only=True):
    """A customer who would have another tier, and why."""

    profile_id: UUID
    from_tier: str
    to_tier: str
    reason: str


class Simulation:
    """Adds up customers by their tier now and their tier then; the base may come in parts."""

    def __init__(self, current: Programme | None, candidate: Programme) -> None:
        self.current, self.candidate = current, candidate
        self.customers: Counter[tuple[str | None, str]] = Counter()
        self.sample: list[TierMove] = []

    def add(self, profile_id: UUID, now: TierStanding | None, then: TierStanding) -> None:
        """Adds one customer. `now` is None where there is no such programme yet."""
        self.customers[now.tier if now else None, then.tier] += 1
        if now is not None and now.tier != then.tier and len(self.sample) < SAMPLE:
            self.sample.append(
                TierMove(profile_id=profile_id, from_tier=now.tier, to_tier=then.tier, reason=then.reason)
            )

    def add_without_orders(self, customers: int) -> None:
        """Adds customers who have the lowest tier in any programme."""
        if customers:
            lowest = None if self.current is None else self.current.lowest
            self.customers[lowest, self.candidate.lowest] += customers

    @property
    def up(self) -> int:
        """How many would rise: to a place in the candidate's tiers above the one that their tier has among them."""
        return sum(count for (before, after), count in self.customers.items() if self._rise(before, after) > 0)

    @property
    def down(self) -> int:
        """How many would fall."""
        return sum(count for (before, after), count in self.customers.items() if self._rise(before, after) < 0)

    @property
    def cost_now(self) -> int | None:
        """What all customers cost in a year now, in minor units of the current programme's currency."""
        if self.current is None:
            return None
        return _cost(self.current, ((before, count) for (before, _), count in self.customers.items()))

    @property
    def cost_then(self) -> int:
        """What they would cost, in minor units of the candidate's currency."""
        return _cost(self.candidate, ((after, count) for (_, after), count in self.customers.items()))

    def _rise(self, before: str | None, after: str) -> int:
        if before is None or before == after:
            return 0
        place = self.candidate.rank(before)
        if place < 0 and self.current is not None:  # a tier that goes: by its place among those of now
            place = self.current.rank(before)
        return self.candidate.rank(after) - place


def _cost(programme: Programme, customers: Iterable[tuple[str | None, int]]) -> int:
    costs = {one.name: one.cost_minor_per_year for one in programme.tiers}
    return sum(costs.get(name or "", 0) * count for name, count in customers)
