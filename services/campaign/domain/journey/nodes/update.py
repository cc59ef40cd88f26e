"""An update of what is known of the customer, by an event."""

from collections.abc import Iterator
from typing import Any

import msgspec

from services.campaign.domain.journey.nodes.node import At, Known, Passing
from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import Leave, Outcome, Publish
from shared.contracts.events import Body, ListMemberAdded, ListMemberRemoved, TagCleared, TagSet, TraitSet


class SetTrait(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="trait"):
    """The trait is set to this value."""

    trait: str
    value: Any


class SetTag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="tag"):
    """The customer gets the tag."""

    tag: str


class ClearTag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="clear_tag"):
    """The customer loses the tag."""

    tag: str


class AddToList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="add_to_list"):
    """The customer comes on the list."""

    list: str


class RemoveFromList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="remove_from_list"):
    """The customer goes from the list."""

    list: str


Change = SetTrait | SetTag | ClearTag | AddToList | RemoveFromList


class Update(Passing, frozen=True, kw_only=True, tag="update"):
    """Changes a trait, a tag or a list of the customer's, and goes on."""

    change: Change

    def enter(self, at: At) -> Outcome:
        """Returns the fact to publish, and the way on."""
        reason = f"journey {at.run.journey_id}"
        return Leave("next", effects=(Publish(at.id, at.run.visit, _fact(self.change, reason)),))

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields names that are empty."""
        for field in ("trait", "tag", "list"):
            if getattr(self.change, field, "x") == "":
                yield Problem(f"{pointer}/change/{field}", "must be a name")


def _fact(change: Change, reason: str) -> Body:
    match change:
        case SetTrait(trait=trait, value=value):
            return TraitSet(traits={trait: value})
        case SetTag(tag=tag):
            return TagSet(tag=tag, reason=reason)
        case ClearTag(tag=tag):
            return TagCleared(tag=tag)
        case AddToList(list=name):
            return ListMemberAdded(list_id=name)
        case RemoveFromList(list=name):
            return ListMemberRemoved(list_id=name)
