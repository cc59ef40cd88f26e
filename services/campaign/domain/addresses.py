"""Mail addresses as they travel: in ASCII wherever that is possible, else in UTF-8 to servers that know SMTPUTF8."""

from email.headerregistry import Address
from typing import NamedTuple

import idna


class Envelope(NamedTuple):
    """Sender and recipient as they are named to the server. `utf8`: only a server with SMTPUTF8 takes them."""

    sender: str
    recipient: str
    utf8: bool


def as_sent(address: str) -> str:
    """Returns an address with its domain in ASCII (its A-label, RFC 5890), if the name before the @ is ASCII.

    Every server takes that form. A name outside ASCII has none; such an address stays as it is (RFC 6531). Raises
    `ValueError` if the domain is invalid.
    """
    name, at, domain = address.rpartition("@")
    if domain.isascii() or not name.isascii():
        return address
    return f"{name}{at}{idna.encode(domain, uts46=True).decode('ascii')}"


def as_header(address: str) -> str:
    """Returns an address as a header has it. Raises `ValueError` or `MessageError` if it is invalid."""
    if address.isascii():
        return str(Address(addr_spec=address))
    username, _, domain = address.rpartition("@")
    return str(Address(username=username, domain=domain)).encode().decode("ascii", "surrogateescape")
