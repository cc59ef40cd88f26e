"""The policy that comes with the service: published at its start, each version once and for ever."""

from functools import partial
from typing import Final

from services.segment.domain.standing import DEFAULT_POLICY, DEFAULT_POLICY_VERSION, Policy
from services.segment.repository import policies as repository
from shared.database.database import Work
from shared.errors import Conflict
from shared.service.logging import get_logger

log: Final = get_logger(__name__)


class PolicyChanged(Conflict):
    """A published version of the policy has other content in this package."""


async def publish(work: Work, policy: Policy = DEFAULT_POLICY, version: int = DEFAULT_POLICY_VERSION) -> None:
    """Publishes the policy unless that version is there; several processes may do so at once.

    Raises `PolicyChanged` if that version is there with other content, and counts. Where the shop has a policy of its
    own it does not: version 1 may have been edited in place while policies had no versions.
    """
    if await repository.publish(work, policy, version=version):
        work.afterwards.append(partial(log.info, "policy.published", version=version))
    known = await repository.versions(work)
    if any(one.id == repository.OWN for one in known):
        return
    if any(one.version == version and one.policy != policy for one in known):
        raise PolicyChanged(f"version {version} of the policy was published with other content; raise its version")
