"""A dry run: a made-up customer through a journey, with time running fast; nothing is sent and nothing is written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.entering import Skipped, enter
from services.campaign.domain.journey.exits import exit_by
from services.campaign.domain.journey.nodes.message import MESSAGE
from services.campaign.domain.journey.run import TIMER, Cause, Customer, Run, RunState, Signal, Step
from services.campaign.domain.journey.signals import awaited
from services.campaign.domain.journey.triggers import is_by_time
from services.campaign.domain.journey.walking import Advanced, advance
from shared.contracts.envelope import Event

MAX_MOVES: Final = 500  # of a dry run; a journey with a circle goes on for ever


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer went through. `complete` is False if it was cut off, at the end or after `MAX_MOVES`."""

    entered: bool
    state: str
    reason: str
    steps: tuple[Step, ...]
    complete: bool


def rehearse(
    journey: Journey,
    trigger: Event,
    later: Sequence[Event],
    customer: Customer,
    *,
    until: datetime,
    messages: Mapping[str, str],
    run_id: UUID,
    profile_id: UUID,
    data: Mapping[str, object],
) -> Rehearsed:
    """Returns what a customer goes through whom `trigger` lets in, and to whom these events happen later.

    Events act at the moment at which they occur; what becomes of the messages of a node is in `messages`, `sent` where
    nothing is. Time runs to `until`.
    """
    verdict = enter(journey, trigger, trigger.occurred_at)
    if isinstance(verdict, Skipped):
        return Rehearsed(entered=False, state="skipped", reason=verdict.reason, steps=(), complete=True)
    now = trigger.occurred_at
    run = Run(
        id=run_id,
        journey_id=journey.id,
        version=journey.version,
        profile_id=profile_id,
        entry_key=verdict.key,
        trigger_id=str(trigger.event_id),
        triggered_at=now,
        cause=Cause.of(trigger, by_time=is_by_time(trigger)),
        entered_at=now,
        waiting_since=now,
        data={"event": data},
    )
    advanced = advance(journey, run, TIMER, customer, now)
    steps = list(advanced.steps)
    rest = sorted(later, key=lambda event: event.occurred_at)
    for _ in range(MAX_MOVES):
        if advanced.state is not RunState.ACTIVE:
            return _shown(advanced, steps, complete=True)
        moved, now, rest = _next(journey, advanced.run, customer, now, rest, messages)
        if moved is None or now > until:
            return _shown(advanced, steps, complete=False)
        advanced = moved
        steps += advanced.steps
    return _shown(advanced, steps, complete=False)


def _shown(advanced: Advanced, steps: Sequence[Step], *, complete: bool) -> Rehearsed:
    return Rehearsed(
        entered=True,
        state=advanced.state.value,
        reason=advanced.reason,
        steps=tuple(steps),
        complete=complete,
    )


def _next(
    journey: Journey,
    run: Run,
    customer: Customer,
    now: datetime,
    rest: Sequence[Event],
    messages: Mapping[str, str],
) -> tuple[Advanced | None, datetime, list[Event]]:
    """What happens to a run next, when, and which events are left after that; None if nothing ever does."""
    if run.awaits == MESSAGE:
        signal = Signal(MESSAGE, messages.get(run.node, "sent"))
        return advance(journey, run, signal, customer, now), now, list(rest)
    for n, event in enumerate(rest):
        if run.due_at is not None and event.occurred_at >= run.due_at:
            break
        moment = max(now, event.occurred_at)
        if (end := exit_by(journey, run, event)) is not None:
            step = Step(
                visit=run.visit, node=run.node, kind="exit_rule", outcome="exited", detail=end.reason, at=moment
            )
            over = Advanced(run=run, state=end.state, reason=end.reason, steps=(step,))
            return over, moment, list(rest[n + 1 :])
        if (signal_ := awaited(journey, run, event)) is not None:
            return advance(journey, run, signal_, customer, moment), moment, list(rest[n + 1 :])
    if run.due_at is None:
        return None, now, []
    left = [event for event in rest if event.occurred_at >= run.due_at]
    return advance(journey, run, TIMER, customer, run.due_at), run.due_at, left
