"""What was sent, as it was sent: kept for a while, for whoever answers a customer's question."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from services.campaign.domain.delivery import Message
from services.campaign.repository import copies as repository
from services.campaign.repository.copies import SentCopy
from shared.database.database import Work
from shared.errors import NotFound

KEPT: Final = timedelta(days=90)


class NoCopy(NotFound):
    """There is no copy: the message was not sent, or longer ago than copies are kept."""


class Made(NamedTuple):
    """A message as it is to be handed over, and by which version of which template it was made."""

    handover: Message
    template: str
    template_version: int


async def keep(work: Work, made: Sequence[Made]) -> None:
    """Keeps copies of messages that are about to be handed over: nobody knows later what an unanswered one held."""
    await repository.keep(
        work,
        sorted(
            (
                SentCopy(
                    message_id=one.handover.id,
                    at=work.now,
                    expires_at=work.now + KEPT,
                    template=one.template,
                    template_version=one.template_version,
                    subject=one.handover.part("subject"),
                    text=one.handover.part("text") or one.handover.part("sms"),
                    html=one.handover.part("html"),
                )
                for one in made
            ),
            key=lambda copy: copy.message_id,
        ),
    )


async def of_message(work: Work, message_id: UUID) -> SentCopy:
    """Returns the copy of a message that left, or may have left. Raises `NoCopy`."""
    found = await repository.of_message(work, message_id)
    if found is None:
        raise NoCopy(f"message {message_id}")
    return found


async def delete_expired(work: Work) -> int:
    """Deletes copies that have expired, some at a time. Returns how many."""
    return await repository.delete_expired(work)
