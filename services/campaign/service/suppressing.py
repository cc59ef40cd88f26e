"""Addresses that take no mail, as their provider replied: suppressed until somebody lifts it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.campaign.domain.delivery import Undeliverable
from services.campaign.repository import suppressions as repository
from services.campaign.repository.suppressions import StoredSuppression
from shared import audit
from shared.audit import Actor
from shared.contracts import normal_form
from shared.database.database import Work
from shared.errors import NotFound
from shared.service import metrics


class UnknownSuppression(NotFound):
    """There is no such suppression."""


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


async def lift(work: Work, suppression_id: UUID, *, by: Actor) -> None:
    """Ends a suppression. Raises `UnknownSuppression`."""
    lifted = await repository.lift(work, suppression_id)
    if lifted is None:
        raise UnknownSuppression(f"suppression {suppression_id}")
    change = {"suppressed_at": [lifted.suppressed_at, None]}
    await audit.record(work, by, "suppression.lifted", "suppression", suppression_id, change)
