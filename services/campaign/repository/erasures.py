"""SQL of erasures: of a customer nothing stays but that so many messages were sent, decided on and answered for."""

from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

from shared.database import of_customers
from shared.database.database import Work

# Every table whose rows are a customer's and nobody's figures, in the order in which their rows are locked elsewhere.
DELETED: Final = ("standings", "memberships", "date_entries", "entries", "inbox_messages", "confirmations", "runs")
# What is counted stays, as somebody's whom nobody knows.
KEPT: Final = ("messages", "decisions", "broadcast_audience", "coupons")


async def erase(work: Work, profile_ids: Collection[UUID], *, stranger: UUID) -> None:
    """Deletes what is kept of locked customers under these ids; what figures count becomes a stranger's."""
    ids = sorted(profile_ids)
    of_messages = "SELECT id FROM messages WHERE profile_id = ANY(CAST(:ids AS uuid[]))"
    await work.run(f"DELETE FROM sent_copies WHERE message_id IN ({of_messages})", ids=ids)
    await work.run(
        """
        DELETE FROM run_steps
         WHERE run_id IN (SELECT id FROM runs WHERE profile_id = ANY(CAST(:ids AS uuid[])))
        """,
        ids=ids,
    )
    await work.run("DELETE FROM messages WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND state = 'pending'", ids=ids)
    await work.run(
        """
        UPDATE messages
           SET subject = NULL, properties = NULL, traceparent = NULL, reached = ''
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=ids,
    )
    # Beyond its first words a reason may hold a provider's reply, and that an address.
    await work.run(
        """
        UPDATE decisions
           SET reason = split_part(reason, ':', 1)
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=ids,
    )
    await work.run("UPDATE coupons SET order_id = NULL WHERE profile_id = ANY(CAST(:ids AS uuid[]))", ids=ids)
    for table in KEPT:
        await work.run(
            f"UPDATE {table} SET profile_id = :stranger WHERE profile_id = ANY(CAST(:ids AS uuid[]))",
            stranger=stranger,
            ids=ids,
        )
    await of_customers.delete(work, ("contacts", *DELETED), ids)


async def addresses(work: Work, profile_ids: Iterable[UUID]) -> list[tuple[str, str]]:
    """Returns the suppressed addresses of these customers, each with its channel."""
    rows = await work.rows(
        """
        SELECT DISTINCT s.channel, s.address
          FROM contacts c
          JOIN suppressions s ON s.address IN (c.email, c.phone)
         WHERE c.profile_id = ANY(CAST(:ids AS uuid[]))
         ORDER BY 1, 2
        """,
        ids=sorted(set(profile_ids)),
    )
    return [(row.channel, row.address) for row in rows]


async def rename(work: Work, renamed: Collection[tuple[str, str, str]]) -> None:
    """Has suppressions stand under other addresses: each its channel, the address now, and the one from now on.

    A provider's reply names the address as well, so the reason goes with it.
    """
    await work.run(
        """
        UPDATE suppressions s
           SET address = n.after, reason = split_part(s.reason, ':', 1)
          FROM unnest(CAST(:channels AS text[]), CAST(:befores AS text[]), CAST(:afters AS text[]))
               AS n(channel, before, after)
         WHERE s.channel = n.channel
           AND s.address = n.before
           AND NOT EXISTS (SELECT 1 FROM suppressions o WHERE o.channel = n.channel AND o.address = n.after)
        """,
        channels=[channel for channel, _, _ in renamed],
        befores=[before for _, before, _ in renamed],
        afters=[after for _, _, after in renamed],
    )


async def hidden(work: Work, channels: Collection[str], hashes: Collection[str]) -> list[tuple[str, str]]:
    """Returns which of these hashes of addresses are suppressed, each with its channel."""
    rows = await work.rows(
        """
        SELECT channel, address
          FROM suppressions
         WHERE channel = ANY(CAST(:channels AS text[])) AND address = ANY(CAST(:hashes AS text[]))
        """,
        channels=list(channels),
        hashes=sorted(hashes),
    )
    return [(row.channel, row.address) for row in rows]
