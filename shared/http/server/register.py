"""The open connections of a server: counted by address as they come, and looked at once a tick."""

import asyncio
import ipaddress
from collections import Counter, defaultdict
from enum import Enum
from typing import Final, Protocol

from shared.http.server.limits import PROBE_CONNECTIONS, ConnectionLimits, Network, address_group, networks
from shared.http.server.refusals import ADDRESS_CONNECTIONS, ALL_CONNECTIONS, Refusal, Refused
from shared.service import metrics

REFUSED_FACTOR: Final = 2  # connections of one address, with those that are told that they are too many


class Connection(Protocol):
    """What the register asks of a connection."""

    def is_idle(self) -> bool:
        """Returns whether it waits for its next request, and for nothing else."""

    def idle_since(self) -> float:
        """Returns when it became idle, by the loop's clock."""

    def let_go(self) -> None:
        """Closes it, being idle."""

    def inspect(self, now: float) -> None:
        """Ends whatever has taken too long."""


class Admission(Enum):
    """How a new connection is served."""

    OPEN = "open"
    PROBES = "probes"
    """Only health probes and metrics are answered: the server has all the connections that it may have."""


class ConnectionRegister:
    """Admits connections up to the limits, and ends those that are too slow.

    Where a limit is reached, the connection that has been idle longest makes way for a new one. `now` is the loop's
    time at the last tick: exact enough for deadlines, and free to read for each request.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.now = asyncio.get_running_loop().time()
        self._proxies: tuple[Network, ...] = networks(limits.trusted_proxies)
        self._open: dict[Connection, str] = {}
        self._per_address: Counter[str] = Counter()
        self._idle: dict[str, list[Connection]] = {}  # as of `_idle_at`, those that may make way
        self._idle_at = -1.0

    def __len__(self) -> int:
        return len(self._open)

    def is_proxy(self, host: str) -> bool:
        """Returns whether this is the address of a proxy that is trusted to say whom it speaks for."""
        if not self._proxies or not host:
            return False
        address = ipaddress.ip_address(host.partition("%")[0])
        return any(address in network for network in self._proxies)

    def admit(self, connection: Connection, host: str, *, is_proxy: bool) -> Admission:
        """Counts a new connection, which `leave` must follow. Raises `Refused` if there are too many."""
        address = address_group(host)
        self._open[connection] = address
        self._per_address[address] += 1
        metrics.http_connections.inc()
        if not is_proxy and self._per_address[address] > self.limits.connections_per_address:
            self._make_way(address, ADDRESS_CONNECTIONS)
        if len(self._open) > self.limits.connections + PROBE_CONNECTIONS:
            self._make_way(None, ALL_CONNECTIONS)
        return Admission.OPEN if len(self._open) <= self.limits.connections or self._freed(None) else Admission.PROBES

    def may_linger(self, connection: Connection, *, is_proxy: bool) -> bool:
        """Returns whether a refused connection may stay until its client has read why: a flood would take all files."""
        address, limits = self._open.get(connection, ""), self.limits
        if len(self._open) > limits.connections + PROBE_CONNECTIONS:
            return False
        return is_proxy or self._per_address[address] <= REFUSED_FACTOR * limits.connections_per_address

    def leave(self, connection: Connection) -> None:
        """Forgets a connection that has ended."""
        address = self._open.pop(connection, None)
        if address is None:
            return
        metrics.http_connections.dec()
        self._per_address[address] -= 1
        if not self._per_address[address]:
            del self._per_address[address]

    def _make_way(self, address: str | None, refusal: Refusal) -> None:
        if not self._freed(address):
            raise Refused(refusal)

    def _freed(self, address: str | None) -> bool:
        """Whether an idle connection, of this address if one is given, was found and let go."""
        if self._let_one_go(address):
            return True
        if self._idle_at == self.now:  # looked through in this tick: once is all that a flood may cost
            return False
        self._look_for_idle()
        return self._let_one_go(address)

    def _let_one_go(self, address: str | None) -> bool:
        lists = self._idle.values() if address is None else [self._idle.get(address, [])]
        for waiting in lists:
            while waiting:
                found = waiting.pop()
                if found in self._open and found.is_idle():
                    found.let_go()
                    return True
        return False

    def _look_for_idle(self) -> None:
        """Remembers which connections are idle, by address, the longest last."""
        found: defaultdict[str, list[Connection]] = defaultdict(list)
        for connection, address in self._open.items():
            if connection.is_idle():
                found[address].append(connection)
        for waiting in found.values():
            waiting.sort(key=lambda connection: connection.idle_since(), reverse=True)
        self._idle, self._idle_at = dict(found), self.now

    async def run(self) -> None:
        """Looks at every connection once a tick, until it is cancelled."""
        loop, tick_seconds = asyncio.get_running_loop(), self.limits.tick_seconds()
        while True:
            await asyncio.sleep(tick_seconds)
            self.now = loop.time()
            for connection in list(self._open):
                connection.inspect(self.now)
