"""A branch: who goes one way, and who the other."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from services.campaign.domain.journey.events import filters_match
from services.campaign.domain.journey.nodes.node import At, Known, NodeId
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import Ask, Leave, Outcome, Signal, Stay
from shared.contracts import property_filter
from shared.contracts.property_filter import PropertyFilter

ANSWER = "answer"
"""What a run awaits that has asked segment, and the signal that comes: its detail is `true`, `false` or `unknown`."""


class EntryEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="event"):
    """What let the customer in has properties that match `where`."""

    where: tuple[PropertyFilter, ...]


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="segment"):
    """The customer is a member of the live segment of this id."""

    segment: str


class InTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="tier"):
    """The customer is in one of these tiers of a programme."""

    tiers: tuple[str, ...]
    programme: str = "default"


class InStage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="stage"):
    """The customer is in one of these stages of the lifecycle."""

    stages: tuple[str, ...]


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="condition"):
    """A condition of segment's language, asked of segment as of the run's last cause."""

    condition: dict[str, Any]


Question = EntryEvent | Member | InTier | InStage | Condition


class Branch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="branch"):
    """Goes on by `then` where `when` is true of the customer, else by `otherwise`; unknown is not true."""

    when: Question
    then: NodeId | None = None
    otherwise: NodeId | None = None

    def ports(self) -> Mapping[str, NodeId | None]:
        """Returns its two ways out."""
        return {"then": self.then, "otherwise": self.otherwise}

    def enter(self, at: At) -> Outcome:
        """Returns the way on; a run whose condition has to be asked of segment stays for the answer."""
        answer = _answer(self.when, at)
        if answer is None:
            return Stay(awaits=ANSWER, effects=(Ask(at.id, at.run.visit),))
        return Leave("then" if answer else "otherwise")

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Returns the way on, by segment's answer."""
        return Leave("then" if signal.detail == "true" else "otherwise", signal.detail)

    def waits(self) -> bool:
        """Returns False: an answer is no wait."""
        return False

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields invalid filters. Whether segments and conditions are valid is for segment to answer."""
        if isinstance(self.when, EntryEvent):
            for at, message in property_filter.problems(self.when.where):
                yield Problem(f"{pointer}/when/where{at}", message)
        if self.then == self.otherwise:
            yield Problem(f"{pointer}/otherwise", "leads where then does: the branch decides nothing", warning=True)


def _answer(question: Question, at: At) -> bool | None:
    match question:
        case EntryEvent(where=where):
            return filters_match(where, at.run.data.get("event", {}))
        case Member(segment=segment):
            return segment in at.customer.segments
        case InTier(tiers=tiers, programme=programme):
            return at.customer.tiers.get(programme) in tiers
        case InStage(stages=stages):
            return at.customer.stage in stages
        case Condition():
            return None
