"""SQL on policies: versions of what comes with the service, and of the shop's own."""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.segment.domain.standing import InvalidPolicy, Policy, validate
from shared.database.database import Work
from shared.database.rows import Json, columns, row_as, rows_as

SHIPPED: Final = "default"
OWN: Final = "own"


class StoredPolicy(msgspec.Struct, kw_only=True):
    """One version of a policy, as stored."""

    id: str
    version: int
    definition: Json

    @property
    def policy(self) -> Policy:
        """Returns the policy. Raises `InvalidPolicy`."""
        try:
            policy = msgspec.json.decode(self.definition, type=Policy)
        except msgspec.MsgspecError as error:
            raise InvalidPolicy(str(error)) from error
        validate(policy)
        return policy


# The shop's own before the service's; of either the newest version.
_BY_FORCE: Final = f"""
        SELECT {columns(StoredPolicy)}
          FROM policies
         ORDER BY id = '{OWN}' DESC, version DESC
"""


async def in_force(work: Work) -> Policy:
    """Returns what the tiers and stages mean: the newest of the shop's own, or else of what came with the service.

    Raises `InvalidPolicy`.
    """
    stored = await row_as(work, StoredPolicy, f"{_BY_FORCE} LIMIT 1")
    if stored is None:
        raise InvalidPolicy("there is none: the service publishes its own when it starts")
    return stored.policy


async def versions(work: Work) -> Sequence[StoredPolicy]:
    """Returns every version of every policy, the one in force first."""
    return await rows_as(work, StoredPolicy, _BY_FORCE)


async def publish(work: Work, policy: Policy, *, version: int) -> bool:
    """Adds a version of the policy that comes with the service. Returns whether it was not there yet."""
    added = await work.run(
        """
        INSERT INTO policies (id, version, definition)
        VALUES (:id, :version, CAST(:definition AS jsonb))
        ON CONFLICT (id, version) DO NOTHING
        """,
        id=SHIPPED,
        version=version,
        definition=msgspec.json.encode(policy).decode(),
    )
    return added > 0
