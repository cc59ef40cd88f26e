"""SQL on the gate's policies, and on why messages did not leave."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import msgspec

from services.campaign.domain.gate.policy import DEFAULT, Policy, PolicyInForce
from shared.database.database import Work
from shared.database.rows import Json, columns, row_as, rows_as


class StoredPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the policy. Field names are column names."""

    version: int
    policy: Json
    changed_at: datetime
    changed_by: str


class ReasonCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages of a journey or broadcast have this as their latest decision, and of how many customers."""

    journey_id: str
    outcome: str
    reason: str
    messages: int
    customers: int


@lru_cache(maxsize=16)
def _policy(text: str) -> Policy:
    """A version never changes, so each is read once."""
    return msgspec.json.decode(text, type=Policy)


async def newest(work: Work) -> StoredPolicy | None:
    """Returns the policy that is in force, if anybody has written one."""
    return await row_as(
        work, StoredPolicy, f"SELECT {columns(StoredPolicy)} FROM gate_policies ORDER BY version DESC LIMIT 1"
    )


async def in_force(work: Work) -> PolicyInForce:
    """Returns the policy that is in force."""
    found = await newest(work)
    return DEFAULT if found is None else PolicyInForce(found.version, _policy(found.policy))


async def add(work: Work, version: int, policy: Policy, *, by: str) -> bool:
    """Adds a version. Returns False if there is one of this number."""
    added = await work.run(
        """
        INSERT INTO gate_policies (version, policy, changed_at, changed_by)
        VALUES (:version, CAST(:policy AS jsonb), :now, :by)
        ON CONFLICT (version) DO NOTHING
        """,
        version=version,
        policy=msgspec.json.encode(policy).decode(),
        now=work.now,
        by=by,
    )
    return added > 0


async def reasons(
    work: Work, *, journey_id: str | None, since: datetime, until: datetime, outcomes: Sequence[str]
) -> Sequence[ReasonCount]:
    """Returns how many messages were decided on from `since` until `until`, each once, by their latest decision.

    A reason counts without what stands after its colon. Decisions of before messages were noted with them count one
    by one.
    """
    return await rows_as(
        work,
        ReasonCount,
        """
        WITH latest AS (
             SELECT DISTINCT ON (journey_id, coalesce(message_id, id))
                    journey_id, profile_id, outcome, split_part(reason, ':', 1) AS reason
               FROM decisions
              WHERE (CAST(:journey_id AS text) IS NULL OR journey_id = :journey_id)
                AND at >= :since AND at < :until
                AND outcome = ANY(CAST(:outcomes AS text[]))
              ORDER BY journey_id, coalesce(message_id, id), at DESC, outcome = 'held', id
        )
        SELECT journey_id, outcome, reason, count(*) AS messages, count(DISTINCT profile_id) AS customers
          FROM latest
         GROUP BY journey_id, outcome, reason
         ORDER BY journey_id, messages DESC, outcome, reason
        """,
        journey_id=journey_id,
        since=since,
        until=until,
        outcomes=list(outcomes),
    )
