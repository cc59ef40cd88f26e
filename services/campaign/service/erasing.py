"""Customers are erased: what figures count stays, as a stranger's; of who must not be written to, a keyed hash."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import uuid4

from services.campaign.domain.channels.registry import CAPABILITIES
from services.campaign.domain.contact import Contact
from services.campaign.repository import contacts, runs
from services.campaign.repository import erasures as rows
from shared.contracts.envelope import Event
from shared.contracts.identity import partition_key
from shared.database import aliases, erasures
from shared.database.database import Work

HASHED: Final = "erased:"  # before the hash; no address begins so


async def erase(work: Work, events: Sequence[Event], *, partition_secret: bytes) -> None:
    """Deletes all that is kept of customers, under every id that they ever had, and remembers that they are erased.

    Runs end where they stand, and what waits to be sent is gone. A message that a channel has in hand may still arrive.
    """
    await aliases.lock_merges(work, shared=True)
    ids = await erasures.named(work, events)
    await contacts.lock_contacts(work, ids)
    await runs.lock_customers(work, ids)
    await runs.lock_active(work, ids)  # or a walker that has one in hand would make a message after the others are gone
    await erasures.note(work, ids)
    hashed = [
        (channel, address, hash_of(channel, address, secret=partition_secret))
        for channel, address in await rows.addresses(work, ids)
    ]
    await rows.rename(work, hashed)
    # Several who are erased stay several, and nobody can tell which was which.
    for one in sorted(ids):
        await rows.erase(work, [one], stranger=uuid4())


async def recognise(work: Work, known: Iterable[Contact], *, partition_secret: bytes) -> None:
    """Has suppressions of erased customers' addresses count again, where somebody is known by such an address."""
    hashes = {
        (channel, hash_of(channel, address, secret=partition_secret)): address
        for one in known
        for address in (one.email, one.phone)
        if address
        for channel in CAPABILITIES
    }
    found = await rows.hidden(work, sorted(CAPABILITIES), {hashed for _, hashed in hashes}) if hashes else ()
    await rows.rename(work, [(channel, hashed, hashes[channel, hashed]) for channel, hashed in found])


def hash_of(channel: str, address: str, *, secret: bytes) -> str:
    """Returns what stands in place of a suppressed address once its owner is erased."""
    return HASHED + partition_key(f"{channel} {address}", secret=secret).hex()
