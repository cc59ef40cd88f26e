"""Deciding on one dead letter: one letter, one transaction."""

from functools import partial
from typing import Final

import msgspec
from sqlalchemy.exc import DBAPIError

from shared import audit
from shared.audit import Actor
from shared.contracts import wire
from shared.contracts.envelope import Event, derived_id
from shared.database.database import Database, Work
from shared.database.patience import came_second, patiently
from shared.dlq.letters import Entry
from shared.errors import TryAgain
from shared.kafka.consumer import offsets
from shared.kafka.consumer.batch import trace_of
from shared.kafka.consumer.subscription import Subscription
from shared.kafka.dead_letters import decisions, isolation
from shared.kafka.dead_letters.dead_letter import DeadLetter, Letter
from shared.kafka.dead_letters.decisions import Decision, Verdict
from shared.kafka.dead_letters.isolation import Failed, Handler
from shared.kafka.dead_letters.sources import Cause
from shared.service.failpoints import failpoint
from shared.service.logging import trace_id

_NOT_DEAD: Final = "is no dead letter: its batch was rolled back, and its record is read again"


class Outcome(msgspec.Struct, frozen=True):
    """What was, or with a dry run would be, done; `ok` is False for a letter that stays as it was."""

    ok: bool
    text: str


class _Rehearsed(Exception):
    """A dry run: everything worked, and nothing of it shall stay."""


async def retry(subscription: Subscription, entry: Entry, *, by: Actor, dry_run: bool, as_new: bool = False) -> Outcome:
    """Applies a letter with this release's code, its effects and the decision in one transaction.

    With `as_new` its event gets an id of its own, made of its place: another event has the id that it came with.

    Guarantee: however often this is run, or killed, the event has its effect once. The row of the decision holds
    that, and not the marks of its lane: those have passed the letter when it died, so they are neither asked nor
    moved. A letter that is refused again stays open, with the new reason.
    """
    letter = entry.letter
    if entry.decision is None:
        return Outcome(False, _NOT_DEAD)
    if letter is None:
        return Outcome(False, "is no longer in the topic: all that can be done is to drop it")
    try:
        event = isolation.read(subscription.decode, letter.record)
    except wire.NewerThanCode as error:
        return Outcome(False, f"stays open: {error} is newer than this release; upgrade it")
    if isinstance(event, DeadLetter):
        return await _stays_open(subscription.database, letter, event.reason, by=by, dry_run=dry_run)
    if as_new:
        event = msgspec.structs.replace(event, event_id=derived_id(event.event_id, "as new", letter.name, 1))
    handler = subscription.handlers.get(type(event.body))
    if handler is None:
        return Outcome(
            False, f"stays open: {subscription.service} has no handler for {wire.type_name(type(event.body))}"
        )
    try:
        apply = partial(_apply, subscription.database, handler, letter, event, by=by, dry_run=dry_run)
        return await patiently(apply)
    except Failed as failed:
        reason = str(failed)
    except (DBAPIError, TryAgain) as error:
        if not came_second(error):
            raise
        return Outcome(False, "stays open: other writers came first each time; run it again")
    return await _stays_open(subscription.database, letter, reason, by=by, dry_run=dry_run)


async def drop(database: Database, entry: Entry, *, by: Actor, note: str, dry_run: bool) -> Outcome:
    """Gives a letter up; it may still be retried, by its place. Idempotent."""
    async with database.work() as work:
        decision = await decisions.lock(work, entry.name)
        if decision is None:
            return Outcome(False, _NOT_DEAD)
        if decision.verdict is not Verdict.REFUSED:
            return Outcome(decision.verdict is Verdict.DROPPED, _already(decision))
        if dry_run:
            return Outcome(True, "would be dropped")
        await decisions.decide(work, entry.name, Verdict.DROPPED, by=by.subject, note=note)
        await audit.record(work, by, "dead_letter.dropped", "dead letter", entry.name)
    failpoint("dlq.after_drop")
    return Outcome(True, "dropped")


async def _apply(
    database: Database, handler: Handler, letter: Letter, event: Event, *, by: Actor, dry_run: bool
) -> Outcome:
    trace_id.set(trace_of(event))
    done = Outcome(True, f"applied: {wire.type_name(type(event.body))} {event.event_id}")
    try:
        async with database.work() as work:
            work.origin = letter.place.partition
            await offsets.lock(work.connection, topic=letter.place.topic, partition=letter.place.partition)
            decision = await decisions.lock(work, letter.name)
            if decision is None:
                return Outcome(False, _NOT_DEAD)
            if decision.verdict is Verdict.RETRIED:
                return Outcome(True, _already(decision))
            # Two letters may hold one event: a relay publishes at least once, and what nobody could decode has no mark.
            twin = await decisions.applied(work, event.event_id)
            if twin is None:
                await isolation.attempt(handler, work, [event])
                for _, reason in work.set_aside:
                    raise Failed(reason, Cause.SET_ASIDE)
                await decisions.decide(work, letter.name, Verdict.RETRIED, by=by.subject, event_id=event.event_id)
            else:
                done = Outcome(True, f"holds the same event as {twin}, which was applied")
                await decisions.decide(work, letter.name, Verdict.RETRIED, by=by.subject, note=done.text)
            await audit.record(
                work, by, "dead_letter.retried", "dead letter", letter.name, {"event_id": event.event_id}
            )
            if dry_run:
                done = Outcome(True, f"would be {done.text}{await _published(work)}" if twin is None else done.text)
                raise _Rehearsed
    except _Rehearsed:
        return done
    failpoint("dlq.after_retry")
    return done


async def _published(work: Work) -> str:
    """What this transaction wants published, for a dry run to say."""
    rows = await work.rows(
        "SELECT topic, count(*) AS events FROM outbox WHERE xmin = CAST(pg_current_xact_id() AS xid) "
        "GROUP BY topic ORDER BY topic"
    )
    return "".join(f", {row.events} to {row.topic}" for row in rows)


async def _stays_open(database: Database, letter: Letter, reason: str, *, by: Actor, dry_run: bool) -> Outcome:
    async with database.work() as work:
        decision = await decisions.lock(work, letter.name)
        if decision is None:
            return Outcome(False, _NOT_DEAD)
        if decision.verdict is Verdict.RETRIED:
            return Outcome(True, _already(decision))
        if decision.verdict is Verdict.REFUSED and not dry_run:
            await decisions.decide(work, letter.name, Verdict.REFUSED, by=by.subject, note=reason)
    return Outcome(False, f"stays {'open' if decision.verdict is Verdict.REFUSED else 'dropped'}: {reason}")


def _already(decision: Decision) -> str:
    note = f": {decision.note}" if decision.note else ""
    return f"was {decision.verdict} at {decision.at:%Y-%m-%d %H:%M:%S} by {decision.by}{note}"
