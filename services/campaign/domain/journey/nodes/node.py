"""What every node does."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from services.campaign.domain.journey.problems import Problem
from services.campaign.domain.journey.run import Customer, Outcome, Run, Signal

NodeId = str


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a definition may name: templates and channels that there are, and the languages that each template has."""

    templates: Mapping[str, frozenset[str]] = {}
    channels: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()


class At(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when a node acts: its own id, the run on its present visit, the moment, and what is known by then."""

    id: NodeId
    run: Run
    now: datetime
    customer: Customer


class Node(Protocol):
    """A node: data, with what it does when a run comes to it. It decides, and does nothing itself."""

    def ports(self) -> Mapping[str, NodeId | None]:
        """Returns the ways out: by name, the node that each leads to; None leads to the end."""
        ...

    def enter(self, at: At) -> Outcome:
        """Returns what happens when a run comes here."""
        ...

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Returns what happens when something moves a run that waits here. Only a node that waits is asked."""
        ...

    def waits(self) -> bool:
        """Returns whether a run stays here for some time, whoever it is: a circle of nodes must have one that does."""
        ...

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields what is wrong with it, beside nodes that its ports name and that there are not."""
        ...


class Passing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A node that a run passes at once, with one way out: `next`."""

    next: NodeId | None = None

    def ports(self) -> Mapping[str, NodeId | None]:
        """Returns its one way out."""
        return {"next": self.next}

    def resume(self, at: At, signal: Signal) -> Outcome:
        """Raises `AssertionError`: no run waits here."""
        raise AssertionError(f"node {at.id}: {signal.name} came, and no run waits here")

    def waits(self) -> bool:
        """Returns False."""
        return False

    def problems(self, known: Known, pointer: str) -> Iterator[Problem]:
        """Yields nothing."""
        yield from ()


class Waiting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A node at which runs wait.

    With `too_late`, a run that is moved so long after it was due goes out by `on_too_late`.
    """

    next: NodeId | None = None
    too_late: str | None = None
    on_too_late: NodeId | None = None

    def ports(self) -> Mapping[str, NodeId | None]:
        """Returns its ways out."""
        return {"next": self.next, **({"too_late": self.on_too_late} if self.too_late else {})}

    def waits(self) -> bool:
        """Returns True."""
        return True
