"""Where a webhook may go: by https, and to no private network, unless that is allowed.

The address that was checked is the one that is connected to: looked up again, a name could lead elsewhere.
"""

import asyncio
import ipaddress
import socket
from typing import Final, NamedTuple

import httpx2

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address within, which may be a private one


class ForbiddenDestination(Exception):
    """No webhook may go there."""


class Destination(NamedTuple):
    """A URL with an IP address, the host that it stands for, and the name that the certificate must have."""

    url: str
    host: str
    server_name: str


def is_public(address: str) -> bool:
    """Returns whether an IP address belongs to the public internet, and to one host there."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip in _NAT64 or ip.sixtofour is not None or ip.teredo is not None:
            return False
    return ip.is_global and not ip.is_multicast


async def destination_of(url: str, *, allow_private: bool) -> Destination:
    """Returns where a URL leads. Raises `ForbiddenDestination`, and `OSError` if its host is not known at present."""
    parsed = httpx2.URL(url)
    if parsed.scheme != "https" and not allow_private:
        raise ForbiddenDestination("only https:// is allowed")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(parsed.host, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    if not addresses:
        raise OSError(f"{parsed.host}: no address")
    if not allow_private and not all(is_public(one) for one in addresses):
        raise ForbiddenDestination(f"{parsed.host} has an address that is not public")
    host = parsed.netloc.decode()
    return Destination(str(parsed.copy_with(host=addresses[0])), host, parsed.host)
