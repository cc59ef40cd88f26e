"""What one HTTP connection may send and hold, and how many there may be."""

import ipaddress
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from shared.service.logging import get_logger

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

RESERVED_FILES: Final = 512  # beside connections: those to PostgreSQL and Kafka, the log, the listening socket
PROBE_CONNECTIONS: Final = 16  # beyond the limit of all, for health probes and metrics alone
MAX_PIPELINED: Final = 32  # requests that may wait after the one that is being answered
IPV6_SITE_BITS: Final = 64  # one subscriber has at least so large a network (RFC 6177): he counts as one address

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of one server. Sizes are in bytes as they come over the wire, times in seconds."""

    request_line_bytes: int = 16_384
    header_bytes: int = 65_536
    headers: int = 100
    body_bytes: int = 4_194_304
    larger_bodies: Mapping[str, int] = field(default_factory=dict)
    """By the beginning of a path, for routes that take more than `body_bytes`."""
    header_seconds: float = 10.0
    stall_seconds: float = 10.0
    """In each such time a body must come, or an answer be taken, at `bytes_per_second`."""
    bytes_per_second: int = 1_000
    idle_seconds: float = 20.0
    proxy_idle_seconds: float = 75.0
    connections: int = 4_096
    connections_per_address: int = 256
    trusted_proxies: str = ""

    def body_limit(self, target: bytes) -> int:
        """Returns the largest body that a request to this target may have."""
        path = target.decode("latin-1")
        return next((size for prefix, size in self.larger_bodies.items() if path.startswith(prefix)), self.body_bytes)

    def tick_seconds(self) -> float:
        """Returns how often connections are looked at: by so much may a deadline be passed."""
        return max(0.05, min(1.0, min(self.header_seconds, self.stall_seconds, self.idle_seconds) / 4))


def networks(text: str) -> tuple[Network, ...]:
    """Returns the addresses and networks in a text with commas. Raises ValueError for one that is neither."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def address_group(host: str) -> str:
    """Returns what counts as one client: an IPv4 address, or the network of an IPv6 subscriber."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_SITE_BITS), strict=False))


def fitted(limits: ConnectionLimits) -> ConnectionLimits:
    """Returns the limits, with no more connections than this process may have files open; it is allowed more first.

    A server without a file for the next connection accepts none, a health probe's neither.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + PROBE_CONNECTIONS + RESERVED_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed == wanted:
        return limits
    fewer = max(1, allowed - PROBE_CONNECTIONS - RESERVED_FILES)
    log.warning("http.fewer_connections", wanted=limits.connections, connections=fewer, open_files=allowed)
    return replace(limits, connections=fewer)
