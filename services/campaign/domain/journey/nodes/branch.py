"""A branch: who goes one way, and who the other."""

from collections.abc import Iterator, Mapping

import msgspec

from services.campaign.domain.journey.events import filters_match
from services.campaign.domain.journey.nodes.node import At, Known, NodeId
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import Leave, Outcome, Signal
from shared.contracts import property_filter
from shared.contracts.property_filter import PropertyFilter


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


Question = EntryEvent | Member | InTier | InStage


class Branch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="branch"):
    """Goes on by `then` where `when` is true of the customer, else by `otherwise`.

    Any other question is a segment first: make one of the condition, and ask for membership.
    """

    when: Question
    then: NodeId | None = None
    otherwise: NodeId | None = None

    def ports(self) -> Mapping[str, NodeId | None]:
        """Returns its two ways out."""
        return {"then": self.then, "otherwise": self.otherwise}

    def enter(self, at: At) -> Outcome:
        """Returns the way on."""
        return Leave("then" if _answer(self.when, at) else "otherwise")

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Raises `AssertionError`: no run waits here."""
        raise AssertionError(f"node {at.id}: {signal.name} came, and no run waits here")

    def waits(self) -> bool:
        """Returns False."""
        return False

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields invalid filters."""
        if isinstance(self.when, EntryEvent):
            for at, message in property_filter.problems(self.when.where):
                yield Problem(f"{pointer}/when/where{at}", message)
        if self.then == self.otherwise:
            yield Problem(f"{pointer}/otherwise", "leads where then does: the branch decides nothing", warning=True)


def _answer(question: Question, at: At) -> bool:
    match question:
        case EntryEvent(where=where):
            return filters_match(where, at.run.data.get("event", {}))
        case Member(segment=segment):
            return segment in at.customer.segments
        case InTier(tiers=tiers, programme=programme):
            return at.customer.tiers.get(programme) in tiers
        case InStage(stages=stages):
            return at.customer.stage in stages
