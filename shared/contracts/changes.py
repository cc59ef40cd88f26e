"""What services publish about a customer's state: profiles and standings. Keyed by profile id."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from shared.contracts.events import Body


class ProfileChanged(Body, frozen=True):
    """A profile's state after a batch of events. A reader keeps the highest `version` it has seen.

    Bounded: at most 20 values a namespace and 100 traits; money by currency, in minor units.
    """

    profile_id: UUID
    version: int
    first_seen: datetime
    last_seen: datetime
    identities: dict[str, tuple[str, ...]] = {}
    traits: dict[str, Any] = {}
    consent: dict[str, bool] = {}
    orders: int = 0
    spend_minor: dict[str, int] = {}
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None


class ProfileMerged(Body, frozen=True):
    """`loser` is now a name for `survivor`, for ever."""

    loser: UUID
    survivor: UUID


class TierChanged(Body, frozen=True):
    """A customer's tier changed. `version` counts this customer's standing; a reader keeps the highest."""

    profile_id: UUID
    version: int
    previous: str | None
    current: str
    direction: Literal["up", "down"]
    reason: str


class StageChanged(Body, frozen=True):
    """A customer's lifecycle stage changed. `version` as in `TierChanged`."""

    profile_id: UUID
    version: int
    previous: str | None
    current: str
    reason: str


CHANGES: Final[dict[type[Body], str]] = {
    ProfileChanged: "rapport.profile_changed.v1",
    ProfileMerged: "rapport.profile_merged.v1",
    TierChanged: "rapport.tier_changed.v1",
    StageChanged: "rapport.stage_changed.v1",
}
