"""The gate as marketers handle it: its policy, and why messages did not leave."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from services.campaign.domain.decision import Outcome
from services.campaign.domain.gate.policy import Policy, read
from services.campaign.domain.gate.situation import default_rules
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.message_definition import Cap
from services.campaign.repository import gate as repository
from services.campaign.repository.gate import ReasonCount
from shared import audit
from shared.audit import Actor
from shared.database.database import Work
from shared.errors import Invalid, PreconditionFailed

# What becomes of messages; the others are about runs.
MESSAGE_OUTCOMES: Final = (
    Outcome.HELD,
    Outcome.CAPPED,
    Outcome.REFUSED,
    Outcome.SENT,
    Outcome.FAILED,
    Outcome.UNKNOWN,
)


class InvalidPolicy(Invalid):
    """The policy is not valid."""

    def __init__(self, found: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{one.at or '/'}: {one.message}" for one in found[:3]))
        self.errors = [{"at": one.at, "message": one.message} for one in found]


class ShownPolicy(NamedTuple):
    """The policy in force. `changed_at` and `changed_by` are None and empty while nobody has written any.

    `frequency` are the rules that hold: those of the settings where the policy has none.
    """

    version: int
    policy: Mapping[str, Any]
    frequency: Sequence[Mapping[str, Any]]
    changed_at: datetime | None
    changed_by: str


class ReasonSums(NamedTuple):
    """What became of the messages of one journey or broadcast: all, those sent, and the reasons of each outcome."""

    journey_id: str
    messages: int
    sent: int
    reasons: Sequence[ReasonCount]


async def policy(work: Work, *, customer_cap: Cap) -> ShownPolicy:
    """Returns the policy in force."""
    stored, found = await repository.newest(work), await repository.in_force(work)
    return ShownPolicy(
        found.version,
        msgspec.to_builtins(found.policy),
        msgspec.to_builtins(_rules(found.policy, customer_cap)),
        stored.changed_at if stored else None,
        stored.changed_by if stored else "",
    )


async def change_policy(
    work: Work, document: Mapping[str, Any], *, version: int, customer_cap: Cap, by: Actor
) -> ShownPolicy:
    """Writes the next version, by which messages are decided on from the next claim on.

    Raises `PreconditionFailed` or `InvalidPolicy`.
    """
    current = await repository.in_force(work)
    if current.version != version:
        raise PreconditionFailed(f"the policy is at version {current.version}")
    wanted = read(document)
    if not isinstance(wanted, Policy):
        raise InvalidPolicy(wanted)
    if not await repository.add(work, version + 1, wanted, by=by.subject):
        raise PreconditionFailed("somebody has written a version since it was read")
    change = {"version": [version, version + 1]}
    await audit.record(work, by, "gate_policy.changed", "service", "campaign", change)
    return await policy(work, customer_cap=customer_cap)


async def reasons(work: Work, *, journey_id: str | None, since: datetime, until: datetime) -> Sequence[ReasonSums]:
    """Returns what became of messages, by journey or broadcast; each message counts once, by its latest decision."""
    found = await repository.reasons(
        work, journey_id=journey_id, since=since, until=until, outcomes=[one.value for one in MESSAGE_OUTCOMES]
    )
    grouped: dict[str, list[ReasonCount]] = {}
    for one in found:
        grouped.setdefault(one.journey_id, []).append(one)
    return [
        ReasonSums(
            name,
            sum(one.messages for one in counts),
            sum(one.messages for one in counts if one.outcome == Outcome.SENT),
            counts,
        )
        for name, counts in grouped.items()
    ]


def _rules(policy: Policy, customer_cap: Cap) -> Sequence[Any]:
    return default_rules(customer_cap) if policy.frequency is None else policy.frequency
