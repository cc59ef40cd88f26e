"""Whether events go to the broker or to the spool: a breaker that the first failure opens and one probe closes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

PROBE_EVERY: Final = timedelta(seconds=2)  # while it is open


class Route(Enum):
    """Where a request's events go."""

    BROKER = auto()
    PROBE = auto()  # to the broker, on behalf of all the others
    SPOOL = auto()


@dataclass(slots=True)
class Breaker:
    """One process's view of the broker. At most one probe is on its way at any time."""

    open_since: datetime | None = None
    probe_after: datetime | None = None
    probing: bool = False

    def route(self, now: datetime) -> Route:
        """Returns where the events of a request that comes now go. The caller reports how a `PROBE` ended."""
        if self.open_since is None:
            return Route.BROKER
        if self.probing or (self.probe_after is not None and now < self.probe_after):
            return Route.SPOOL
        self.probing = True
        return Route.PROBE

    def succeeded(self, route: Route) -> None:
        """Notes that the broker acknowledged. Only the probe closes the breaker, no straggler from before it opened."""
        if route is Route.PROBE:
            self.open_since = self.probe_after = None
            self.probing = False

    def failed(self, route: Route, now: datetime) -> None:
        """Notes that the broker did not acknowledge in time."""
        if route is Route.PROBE:
            self.probing = False
        self.open_since = self.open_since or now
        self.probe_after = now + PROBE_EVERY
