"""Moving a run: from node to node until it waits or is over."""

from datetime import datetime
from typing import Final

import msgspec

from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.nodes.node import At
from services.campaign.domain.journey.nodes.registry import AnyNode
from services.campaign.domain.journey.run import (
    TIMER,
    Customer,
    Effect,
    End,
    Leave,
    Outcome,
    Run,
    RunState,
    Signal,
    Stay,
    Step,
)
from shared.contracts.envelope import derived_id

MAX_STEPS: Final = 250  # at once; a circle without a wait is refused when a journey is published
FINISHED: Final = "finished"


class Advanced(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run: how it stands now, what it did on the way, and what is to be done for it, in that order."""

    run: Run
    state: RunState
    reason: str = ""
    steps: tuple[Step, ...] = ()
    effects: tuple[Effect, ...] = ()


def advance(journey: Journey, run: Run, signal: Signal, customer: Customer, now: datetime) -> Advanced:
    """Returns a run moved as far as it goes now. `journey` is the version that the run is pinned to.

    Guarantee: the run returned has a higher visit for each node that it entered, waits for something or is over, and
    every effect is of a visit that no call before this one entered.
    """
    walk = _Walk(journey, run, customer, now)
    if run.node:
        walk.caused_by(signal)
        node = journey.nodes.get(run.node)
        if node is None:
            return walk.over(End(f"there is no node {run.node} in version {journey.version}"))
        return walk.go_on(node.resume(walk.at, signal))
    return walk.go_on(walk.come_to(journey.start))


class _Walk:
    """A run on its way."""

    def __init__(self, journey: Journey, run: Run, customer: Customer, now: datetime) -> None:
        self._journey = journey
        self._run = run
        self._customer = customer
        self._now = now
        self._steps: list[Step] = []
        self._effects: list[Effect] = []

    @property
    def at(self) -> At:
        return At(id=self._run.node, run=self._run, now=self._now, customer=self._customer)

    @property
    def _node(self) -> AnyNode:
        return self._journey.nodes[self._run.node]

    def caused_by(self, signal: Signal) -> None:
        """Notes what moves the run from now on: an event, or the instant at which it was due."""
        cause = signal.cause
        due = self._run.due_at
        if cause is None and signal == TIMER and due is not None:
            before = self._run.cause
            timer = derived_id(self._run.id, "timer", self._run.node, self._run.visit)
            cause = msgspec.structs.replace(before, id=timer, occurred_at=due, received_at=due, by_time=True)
        if cause is not None:
            self._run = msgspec.structs.replace(self._run, cause=cause)

    def come_to(self, node: str) -> Outcome:
        """Enters a node, on a new visit."""
        self._run = msgspec.structs.replace(
            self._run, node=node, visit=self._run.visit + 1, awaits="", due_at=None, waiting_since=self._now
        )
        return self._node.enter(self.at)

    def go_on(self, outcome: Outcome) -> Advanced:
        """Goes from node to node until one waits, or the run is over."""
        while True:
            match outcome:
                case Stay(until, awaits, detail, effects):
                    self._effects += effects
                    self._note("waits", detail)
                    self._run = msgspec.structs.replace(self._run, due_at=until, awaits=awaits)
                    return Advanced(
                        run=self._run, state=RunState.ACTIVE, steps=tuple(self._steps), effects=tuple(self._effects)
                    )
                case End():
                    return self.over(outcome)
                case Leave(port, detail, effects, data):
                    self._effects += effects
                    self._note(port, detail)
                    if data:
                        self._run = msgspec.structs.replace(self._run, data={**self._run.data, **data})
                    target = self._node.ports()[port]
                    if target is None:
                        return self.over(End(FINISHED, RunState.FINISHED))
                    if len(self._steps) >= MAX_STEPS:
                        return self.over(End(f"more than {MAX_STEPS} steps without a wait"))
                    outcome = self.come_to(target)

    def over(self, end: End) -> Advanced:
        """Ends the run."""
        if self._run.node in self._journey.nodes:
            self._note("ended", end.reason)
        run = msgspec.structs.replace(self._run, awaits="", due_at=None)
        return Advanced(
            run=run, state=end.state, reason=end.reason, steps=tuple(self._steps), effects=tuple(self._effects)
        )

    def _note(self, outcome: str, detail: str) -> None:
        kind = self._node.__struct_config__.tag
        assert isinstance(kind, str)
        self._steps.append(
            Step(
                visit=self._run.visit,
                node=self._run.node,
                kind=kind,
                outcome=outcome,
                detail=detail,
                at=self._now,
            )
        )
