"""Which of the messages that are due at once comes first."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from services.campaign.domain.gate.policy import Policy

Due = TypeVar("Due")


def in_order(due: Iterable[Due], policy: Policy, *, definition_id: Callable[[Due], str]) -> list[Due]:
    """Returns what is due, the highest priority first; what is alike stays in its order."""
    return sorted(due, key=lambda one: -policy.priority(definition_id(one)))
