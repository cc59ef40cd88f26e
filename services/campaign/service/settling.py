"""What follows from a provider's answer: alike for messages and for requests for a confirmation."""

from datetime import datetime

from services.campaign.domain.delivery import Message, Next, Reply, State, Undeliverable, Withheld, after
from services.campaign.repository import attempts
from services.campaign.repository.attempts import Table
from services.campaign.service import providers, suppressing
from shared.database.database import Work


async def settle(
    work: Work,
    table: Table,
    handover: Message,
    reply: Reply,
    *,
    channel: str,
    attempt: int,
    probe: bool,
    created_at: datetime,
    replied_at: datetime,
) -> Next | None:
    """Notes what the provider answered to a row's message.

    Returns what follows; None if the row stands elsewhere by now. Whatever the row, the answer says how the provider
    stands.
    """
    follows = after(reply, attempt=attempt, now=replied_at, waited=replied_at - created_at)
    due_at = follows.due_at
    if isinstance(reply, Withheld):
        due_at = await providers.withheld(work, channel, reply, probe=probe, replied_at=replied_at)
    settled = await attempts.settle(
        work,
        table,
        handover.id,
        attempt=attempt,
        state=follows.state,
        due_at=due_at,
        handed_at=replied_at if follows.state is State.SENT else None,
        counted=follows.counted,
    )
    await providers.note_reply(work, channel, reply, probe=probe)
    if not settled:
        return None
    if isinstance(reply, Undeliverable):
        await suppressing.suppress(work, handover.id, channel, handover.to, reply)
    return follows
