"""SQL on what a sender has in hand: alike for messages and for requests for a confirmation.

Both have `state`, `attempts`, `claim_id`, `due_at` and `handed_at`, and go through the same states.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from services.campaign.domain.delivery import State
from shared.database.database import Work

Table: TypeAlias = Literal["messages", "confirmations"]


async def settle(
    work: Work,
    table: Table,
    row_id: UUID,
    *,
    attempt: int,
    state: State,
    due_at: datetime | None,
    handed_at: datetime | None,
    counted: bool = True,
) -> bool:
    """Notes what an attempt came to; False if the row stands elsewhere by now. It is taken back unless it `counted`.

    A sender that was taken for dead may still know that a message was sent, and then its word counts.
    """
    settled = await work.run(
        f"""
        UPDATE {table}
           SET state = :state, due_at = coalesce(:due_at, due_at), handed_at = :handed_at,
               attempts = attempts - :taken_back
         WHERE id = :id AND attempts = :attempt
           AND (state = 'sending' OR (state = 'unknown' AND CAST(:state AS text) = 'sent'))
        """,
        id=row_id,
        attempt=attempt,
        state=state.value,
        due_at=due_at,
        handed_at=handed_at,
        taken_back=0 if counted else 1,
    )
    return settled == 1


async def bring_forward(work: Work, table: Table) -> None:
    """Makes due now what waits and was never tried: it waited for its provider."""
    await work.run(
        f"""
        UPDATE {table} SET due_at = :now
         WHERE id IN (SELECT id FROM {table}
                       WHERE state = 'pending' AND attempts = 0 AND due_at > :now
                       ORDER BY id
                         FOR UPDATE SKIP LOCKED)
        """,
        now=work.now,
    )


async def put_back(work: Work, table: Table, claims: Iterable[UUID]) -> int:
    """Makes what these claims marked as `sending` `pending` again, the attempt not counted; how many."""
    return await work.run(
        f"""
        UPDATE {table} SET state = 'pending', attempts = attempts - 1, claim_id = NULL
         WHERE state = 'sending' AND claim_id = ANY(CAST(:claims AS uuid[]))
        """,
        claims=list(claims),
    )
