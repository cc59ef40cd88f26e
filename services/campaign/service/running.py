"""Runs of journeys: entered and moved by events, moved by time, and written once a batch.

A `Walk` loads what a batch of customers needs, moves runs in memory one event after the other, as if each had come by
itself, and saves what became of them: runs, steps, messages, facts, decisions.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import structs

from services.campaign.domain.coupon import code_for
from services.campaign.domain.decision import Decision, Outcome
from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.exits import exit_by
from services.campaign.domain.journey.lengths import length
from services.campaign.domain.journey.nodes.coupon import GiveCoupon
from services.campaign.domain.journey.run import (
    TIMER,
    Customer,
    End,
    IssueCoupon,
    Publish,
    Run,
    RunState,
    Send,
    Signal,
    Step,
)
from services.campaign.domain.journey.signals import awaited
from services.campaign.domain.journey.walking import Advanced, advance
from services.campaign.repository import contacts, coupons, memberships, messages, runs
from services.campaign.repository.coupons import StoredCoupon
from services.campaign.repository.messages import New
from services.campaign.repository.runs import StoredRun
from services.campaign.service import published
from services.campaign.service.published import Definitions
from services.campaign.service.recording import record
from services.campaign.service.rules import SOURCE
from shared.contracts import topics
from shared.contracts.changes import SegmentEntered, SegmentExited
from shared.contracts.envelope import Event, SourceKind, derived_id
from shared.contracts.identity import partition_key
from shared.database.database import Work
from shared.database.rows import Json
from shared.service import metrics

BATCH: Final = 500  # runs that are moved in one transaction
MERGED: Final = "merged"
_NOBODY: Final = Customer()


class _Moved(NamedTuple):
    """How a run stands after all that happened to it in this batch."""

    run: Run
    state: RunState
    reason: str


class Walk:
    """The runs of a batch of customers, moved in memory. Nothing is written before `save`."""

    def __init__(
        self,
        work: Work,
        definitions: Definitions,
        *,
        partition_secret: bytes,
        customers: Mapping[UUID, Customer],
        active: Sequence[StoredRun],
    ) -> None:
        self._work = work
        self._definitions = definitions
        self._partition_secret = partition_secret
        self._customers = customers
        self._moved: dict[UUID, _Moved] = {}
        self._runs: dict[UUID, dict[UUID, Run]] = {}
        for stored in active:
            self._runs.setdefault(stored.profile_id, {})[stored.id] = stored.run
        self._steps: list[tuple[UUID, Step]] = []
        self._messages: list[New] = []
        self._coupons: list[StoredCoupon] = []
        self._facts: list[tuple[bytes, Event]] = []
        self.decisions: list[Decision] = []

    def inside(self, journey: Journey, profile_id: UUID) -> Sequence[Run]:
        """Returns the runs of a journey, in whichever version, that a customer is on."""
        return [run for run in self._runs.get(profile_id, {}).values() if run.journey_id == journey.id]

    def run(self, profile_id: UUID, run_id: UUID) -> Run | None:
        """Returns a run that a customer is on."""
        return self._runs.get(profile_id, {}).get(run_id)

    def doubles(self, profile_id: UUID) -> Sequence[Run]:
        """Returns the runs of a customer beside which an older one goes on: two customers' who are one now."""
        kept: set[tuple[str, str]] = set()
        found: list[Run] = []
        for run in sorted(self._runs.get(profile_id, {}).values(), key=lambda run: (run.entered_at, run.id)):
            parallel = self._definitions.of(run.journey_id, run.version).inside == "parallel"
            place = (run.journey_id, run.entry_key if parallel else "")
            if place in kept:
                found.append(run)
            kept.add(place)
        return found

    def begin(self, journey: Journey, run: Run) -> None:
        """Enters a run at the journey's first node."""
        self._take(run, advance(journey, run, TIMER, self._customer(run), self._work.now))

    def move(self, run: Run, signal: Signal) -> None:
        """Moves a run that waits, by what came."""
        journey = self._definitions.of(run.journey_id, run.version)
        self._take(run, advance(journey, run, signal, self._customer(run), self._work.now))

    def end(self, run: Run, end: End) -> None:
        """Takes a run out, wherever it stands. That is decided about it; how a run ends by itself is in its trace."""
        step = Step(
            visit=run.visit, node=run.node, kind="exit_rule", outcome="exited", detail=end.reason, at=self._work.now
        )
        over = structs.replace(run, awaits="", due_at=None)
        self._take(run, Advanced(run=over, state=end.state, reason=end.reason, steps=(step,)))
        self.decisions.append(_ended(run, end.state, end.reason))

    def happened(self, event: Event, profile_id: UUID) -> None:
        """Moves or takes out the runs of a customer that an event is about, other than the one that it let in.

        What happened before a run was set off is nothing to it. A change of membership has the time of what caused it,
        which may be long ago: a run that waits for it goes on, for it is so from now on.
        """
        for run in list(self._runs.get(profile_id, {}).values()):
            if run.trigger_id == str(event.event_id):
                continue
            before = event.occurred_at < run.triggered_at
            journey = self._definitions.of(run.journey_id, run.version)
            if not before and (end := exit_by(journey, run, event)) is not None:
                self.end(run, end)
            elif before and not isinstance(event.body, SegmentEntered | SegmentExited):
                continue
            elif (signal := awaited(journey, run, event)) is not None:
                self.move(run, signal)

    async def save(self) -> None:
        """Writes all that happened."""
        work = self._work
        if self._moved:
            await runs.save(work, self._moved.values())
            await runs.add_steps(work, self._steps)
        if self._coupons:
            await coupons.issue(work, self._coupons)
        if self._messages:
            await messages.insert(work, self._messages)
            work.wakes = True
        if self._facts:
            await work.outbox.add(topics.EVENTS, self._facts)
        await record(work, self.decisions)
        for moved in self._moved.values():
            if moved.state is not RunState.ACTIVE:
                work.afterwards.append(metrics.runs_ended.labels(moved.run.journey_id, moved.state.value).inc)
        work.afterwards.append(partial(metrics.run_steps.inc, len(self._steps)))

    def _customer(self, run: Run) -> Customer:
        return self._customers.get(run.profile_id, _NOBODY)

    def _take(self, before: Run, advanced: Advanced) -> None:
        run = advanced.run
        self._moved[run.id] = _Moved(run, advanced.state, advanced.reason)
        mine = self._runs.setdefault(run.profile_id, {})
        if advanced.state is RunState.ACTIVE:
            mine[run.id] = run
        else:
            mine.pop(run.id, None)
        self._steps += ((run.id, step) for step in advanced.steps)
        for effect in advanced.effects:
            match effect:
                case Send(step, visit):
                    asked = structs.replace(run, visit=visit)
                    message_id = derived_id(run.id, "message", step, visit)
                    self._messages.append(New(message_id, asked, step, _reached(before)))
                case Publish():
                    self._publish(run, effect)
                case IssueCoupon():
                    self._issue(run, effect)

    def _issue(self, run: Run, effect: IssueCoupon) -> None:
        node = self._definitions.of(run.journey_id, run.version).nodes[effect.step]
        assert isinstance(node, GiveCoupon)
        self._coupons.append(
            StoredCoupon(
                code=code_for(self._partition_secret, f"{run.id}/{effect.step}/{effect.visit}"),
                name=node.name,
                journey_id=run.journey_id,
                run_id=run.id,
                profile_id=run.profile_id,
                value=Json(msgspec.json.encode(node.value).decode()),
                minimum_minor=node.minimum_minor,
                issued_at=self._work.now,
                expires_at=self._work.now + length(node.valid),
            )
        )

    def _publish(self, run: Run, effect: Publish) -> None:
        event = Event(
            event_id=derived_id(run.id, type(effect.body).__name__, effect.step, effect.visit),
            source_id=str(SOURCE),
            source_kind=SourceKind.SERVICE,
            occurred_at=self._work.now,
            received_at=self._work.now,
            body=effect.body,
            profile_id=run.profile_id,
            cause_id=run.cause.id,
            depth=run.cause.depth + 1,
            traceparent=run.cause.traceparent,
        )
        self._facts.append((partition_key(str(run.profile_id), secret=self._partition_secret), event))


def _reached(run: Run) -> str:
    """The tier or stage that let the customer in, for the words of a message."""
    current = run.data.get("event", {}).get("current", "")
    return current if isinstance(current, str) else ""


def _ended(run: Run, state: RunState, reason: str) -> Decision:
    return Decision(
        id=derived_id(run.id, f"decision/{state.value}", run.journey_id, run.version),
        profile_id=run.profile_id,
        journey_id=run.journey_id,
        journey_version=run.version,
        trigger_id=run.trigger_id,
        outcome=Outcome.FINISHED if state is RunState.FINISHED else Outcome.EXITED,
        reason=reason,
        cause_occurred_at=run.cause.occurred_at,
    )


async def customers(work: Work, profile_ids: Iterable[UUID]) -> Mapping[UUID, Customer]:
    """Returns what is known of these customers, by their canonical ids; those of whom nothing is known are missing."""
    ids = set(profile_ids)
    known = await contacts.walkers(work, ids)
    segments = await memberships.of_customers(work, ids)
    tiers: dict[UUID, dict[str, str]] = {}
    stages: dict[UUID, str] = {}
    for (profile_id, kind), (_, value) in (await contacts.standings(work, ids)).items():
        if kind == "stage":
            stages[profile_id] = value
        else:
            tiers.setdefault(profile_id, {})[kind.partition(":")[2] or "default"] = value
    return {
        one: structs.replace(
            known.get(one, _NOBODY),
            tiers=tiers.get(one, {}),
            stage=stages.get(one, ""),
            segments=segments.get(one, frozenset()),
        )
        for one in ids
    }


async def open_walk(
    work: Work, definitions: Definitions, profile_ids: Iterable[UUID], *, partition_secret: bytes
) -> Walk:
    """Returns the runs of these customers, by their canonical ids, held until the transaction ends."""
    ids = set(profile_ids)
    await runs.lock_customers(work, ids)
    active = await runs.lock_active(work, ids)
    return Walk(
        work,
        definitions,
        partition_secret=partition_secret,
        customers=await customers(work, ids),
        active=active,
    )


async def move_due(work: Work, *, until: datetime | None, partition_secret: bytes) -> int:
    """Moves runs that are due, by what came or else by time. Returns how many.

    None is moved by time that is due after `until`, nor any while that is not known.
    """
    due = await runs.claim_due(work, until, limit=BATCH)
    if not due:
        return 0
    walk = Walk(
        work,
        await published.look(work),
        partition_secret=partition_secret,
        customers=await customers(work, (one.profile_id for one in due)),
        active=due,
    )
    for stored in due:
        walk.move(stored.run, _signal(stored))
    await walk.save()
    return len(due)


def _signal(stored: StoredRun) -> Signal:
    if stored.signal is None:
        return TIMER
    name, _, detail = stored.signal.partition(" ")
    return Signal(name, detail)
