"""The lines of the identity log: what was decided, and on whose word."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from services.profile.domain.fold import LinkedIdentity, claimed_in
from shared.contracts.identity import Identity

RULE_VERSION: Final = 2
MOVED: Final = "a split moved it"
"""The reason of a line that links an identity to who it goes with from then on: earlier lines of it do not count."""


class Provenance(StrEnum):
    """Who made a link: a public key, a server, a Rapport service; or a trusted source that verified the address."""

    PUBLIC = "public"
    SERVER = "server"
    SERVICE = "service"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the identity log.

    For a merge, `profile_id` survives and `other_id` is gone; `verified` says whether the one that is gone was somebody
    by the word of a trusted source, which joined the two. `alias` gives a former user id, which no event has named yet,
    to its profile. `claimed` marks a user id that only a public key names: another identity than that which a server
    names.
    """

    kind: Literal["create", "link", "alias", "merge", "refuse"]
    profile_id: UUID
    event_id: UUID
    provenance: Provenance
    other_id: UUID | None = None
    identity: Identity | None = None
    claimed: bool = False
    verified: bool = False
    reason: str = ""

    @property
    def name(self) -> tuple[str, str] | None:
        """Namespace and value of the identity, as they are stored."""
        if self.identity is None:
            return None
        namespace = self.identity.namespace
        return claimed_in(namespace.space) if self.claimed else namespace.value, self.identity.value


def linked(decisions: Iterable[Decision], resolve: Mapping[UUID, UUID]) -> dict[UUID, list[LinkedIdentity]]:
    """Returns the identities that each surviving profile gained by these decisions."""
    gained: dict[UUID, list[LinkedIdentity]] = {}
    for decision in decisions:
        if decision.kind == "link" and decision.name is not None:
            profile_id = resolve.get(decision.profile_id, decision.profile_id)
            namespace, value = decision.name
            vouched = decision.provenance is not Provenance.PUBLIC
            gained.setdefault(profile_id, []).append(LinkedIdentity(namespace, value, vouched))
    return gained
