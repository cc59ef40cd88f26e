"""A campaign service that asks too early or marks too late."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.campaign.domain.contact import Contact
from services.campaign.domain.delivery import State
from services.campaign.domain.gate import Candidate
from services.campaign.domain.gate import gate as right
from services.campaign.repository import attempts, messages
from services.campaign.repository.attempts import Table
from services.campaign.repository.messages import Due, Move
from services.campaign.service import sending
from shared.database.database import Work
from shared.service.process import Service
from tests.faults.planted.patching import patch


def early_gate(_: Service) -> None:
    """What is known of a customer when a message is first looked at counts when it leaves."""
    first: dict[UUID, Contact | None] = {}

    def gate(candidate: Candidate, contact: Contact | None, *rest: Any, **more: Any) -> Any:
        known = first.setdefault(candidate.message_id, contact) or contact
        return right(candidate, known, *rest, **more)

    patch(sending, gate=gate)


@dataclass
class _LateMark:
    """Keeps in memory which messages are on their way."""

    busy: set[UUID] = field(default_factory=set)
    lock: Any = messages.lock_due
    write: Any = messages.move
    note: Any = attempts.settle

    async def lock_due(self, work: Work, *, limit: int) -> Sequence[Due]:
        """Due messages that this process does not send just now."""
        return [due for due in await self.lock(work, limit=limit + len(self.busy)) if due.id not in self.busy][:limit]

    async def move(self, work: Work, moves: Sequence[Move]) -> None:
        """Writes everything but `sending`."""
        self.busy |= {one.id for one in moves if one.state is State.SENDING}
        await self.write(work, [one for one in moves if one.state is not State.SENDING])

    async def settle(self, work: Work, table: Table, row_id: UUID, *, state: State, **columns: Any) -> bool:
        """Notes the answer of a message that is still `pending`; requests for a confirmation are marked in time."""
        if table != "messages":
            return bool(await self.note(work, table, row_id, state=state, **columns))
        self.busy.discard(row_id)
        return (
            await work.run(
                "UPDATE messages SET state = :state, attempts = attempts + 1, handed_at = :handed_at, "
                "due_at = coalesce(:due_at, due_at) WHERE id = :id AND state = 'pending'",
                id=row_id,
                state=state.value,
                handed_at=columns["handed_at"],
                due_at=columns["due_at"],
            )
            == 1
        )


def late_mark(_: Service) -> None:
    """A sender that dies after the provider took a message leaves it as if it had never been asked."""
    wrong = _LateMark()
    patch(messages, lock_due=wrong.lock_due, move=wrong.move)
    patch(attempts, settle=wrong.settle)


def unknown_again(_: Service) -> None:
    """What a dead sender left behind is sent again."""

    async def give_up(work: Work, *, since: Any) -> Iterable[Due]:
        await work.run(
            "UPDATE messages SET state = 'pending' WHERE state = 'sending' AND sending_since < :since", since=since
        )
        return []

    patch(messages, give_up=give_up)
