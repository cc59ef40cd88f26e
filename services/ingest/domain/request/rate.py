"""Rate limits, by the generic cell rate algorithm: it has no windows at whose borders twice as much gets through.

Source: ITU-T Recommendation I.371, the virtual scheduling algorithm.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

BURST_SECONDS: Final = 2  # of the rate, which may come at once
ADDRESS_BURST_SECONDS: Final = 10  # likewise of one address: a page that was offline sends what waited
MAX_ADDRESSES: Final = 50_000  # that a process remembers, some 20 MB; the least recently seen goes first
REMEMBERED_ADDRESSES: Final = 4_096  # as they were read
NETWORK_BITS: Final = 64  # of an IPv6 address: a household, or a machine, has all of a /64


@dataclass(slots=True)
class Limiter:
    """One sender's limit: `per_second` on average, and a burst. Of n events at once all are let in, or none."""

    per_second: int
    burst_seconds: int = BURST_SECONDS
    _full_at: datetime | None = None  # the theoretical arrival time: when what was let in will have been worked off

    def admit(self, events: int, now: datetime) -> timedelta | None:
        """Returns None if the events are let in; otherwise how long to wait before they would be.

        More events at once than a burst holds are let in when nothing else waits: they must not be refused for ever.
        """
        interval = timedelta(seconds=1) / self.per_second
        burst = timedelta(seconds=self.burst_seconds)
        begin = max(self._full_at or now, now)
        cost = min(interval * events, burst)
        early = begin + cost - burst
        if early > now:
            return early - now
        self._full_at = begin + interval * events
        return None


@dataclass(slots=True)
class AddressLimiter:
    """The limits of many clients, by their addresses: `per_second` events each, however many sources they send to."""

    per_second: int
    max_addresses: int = MAX_ADDRESSES
    _limiters: OrderedDict[str, Limiter] = field(default_factory=OrderedDict)

    def admit(self, address: str, events: int, now: datetime) -> timedelta | None:
        """Returns None if an address's events are let in; otherwise how long to wait before they would be."""
        client = client_of(address)
        limiter = self._limiters.get(client)
        if limiter is None:
            limiter = self._limiters[client] = Limiter(self.per_second, ADDRESS_BURST_SECONDS)
            if len(self._limiters) > self.max_addresses:
                self._limiters.popitem(last=False)
        else:
            self._limiters.move_to_end(client)
        return limiter.admit(events, now)

    def __len__(self) -> int:
        return len(self._limiters)


@lru_cache(REMEMBERED_ADDRESSES)
def client_of(address: str) -> str:
    """Returns what stands for one client: an IPv4 address, or the network of an IPv6 address; any other text itself."""
    found = _read(address)
    if not isinstance(found, IPv6Address):
        return str(found or address)
    return str(found.ipv4_mapped or IPv6Network((found, NETWORK_BITS), strict=False))


@lru_cache(REMEMBERED_ADDRESSES)
def is_of_an_unnamed_proxy(address: str, forwarded_for: str) -> bool:
    """Returns whether a connection comes from a proxy of the house that the settings do not name.

    `forwarded_for` is the request's X-Forwarded-For, and `address` what its connection is believed to come from, which
    is among these where the proxy is named. Only private addresses can be such proxies: a stranger's own header must
    not let it out of its limit.
    """
    if not forwarded_for or address in forwarded_for:
        return False
    found = _read(address)
    return found is not None and found.is_private


def _read(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
