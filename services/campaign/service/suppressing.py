"""Addresses to which nothing goes, as a provider replied or somebody asked: suppressed until somebody lifts it."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from services.campaign.domain.delivery import Undeliverable
from services.campaign.repository import suppressions as repository
from services.campaign.repository.suppressions import StoredSuppression
from shared import audit
from shared.audit import Actor
from shared.contracts import normal_form
from shared.database.database import Work
from shared.errors import Invalid, NotFound
from shared.service import metrics

EMAIL: Final = "email"


class UnknownSuppression(NotFound):
    """There is no such suppression."""


class InvalidAddresses(Invalid):
    """Some of the addresses are none."""

    def __init__(self, places: Sequence[int]) -> None:
        super().__init__(f"{len(places)} of the addresses are none, the first of them /addresses/{places[0]}")
        self.errors = [{"at": f"/addresses/{n}", "message": "is no address of this channel"} for n in places[:20]]


async def suppress(work: Work, message_id: UUID, channel: str, address: str, reply: Undeliverable) -> None:
    """Suppresses the address that a message was refused for. Another address of the same customer is none of it."""
    if await repository.suppress(work, message_id, channel, address, reason=str(reply.reply)):
        work.afterwards.append(metrics.suppressions.labels(channel).inc)


async def page(
    work: Work, *, address: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[StoredSuppression]:
    """Returns a page of suppressions, newest first; those of one address, however it is spelt, if it is given."""
    if address is not None:
        address = normal_form.email(address) or address
    return await repository.page(work, address=address, after=after, limit=limit)


async def add(work: Work, channel: str, addresses: Sequence[str], *, reason: str, by: Actor) -> tuple[int, int]:
    """Suppresses addresses. Returns how many were added, and how many were suppressed already.

    Raises `InvalidAddresses` with the place of each that is none; then none is added.
    """
    spelt = [normal_form.email(one) if channel == EMAIL else normal_form.phone(one) for one in addresses]
    if wrong := [n for n, one in enumerate(spelt) if not one]:
        raise InvalidAddresses(wrong)
    rows = [
        StoredSuppression(id=uuid7(), channel=channel, address=address, reason=reason, suppressed_at=work.now)
        for address in sorted({one for one in spelt if one})
    ]
    added = await repository.add(work, rows)
    work.afterwards.append(partial(metrics.suppressions.labels(channel).inc, added))
    await audit.record(work, by, "suppression.added", "channel", channel, {"addresses": added, "reason": reason})
    return added, len(rows) - added


async def lift(work: Work, suppression_id: UUID, *, reason: str = "", by: Actor) -> None:
    """Ends a suppression. Raises `UnknownSuppression`."""
    lifted = await repository.lift(work, suppression_id)
    if lifted is None:
        raise UnknownSuppression(f"suppression {suppression_id}")
    change = {"suppressed_at": [lifted.suppressed_at, None], **({"reason": reason} if reason else {})}
    await audit.record(work, by, "suppression.lifted", "suppression", suppression_id, change)
