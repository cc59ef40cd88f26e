"""Sending: through the gate, marked before the provider is asked, settled by its answer."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.campaign.content import InvalidContent
from services.campaign.domain.contact import Contact
from services.campaign.domain.decision import Decision, Outcome
from services.campaign.domain.delivery import Message, Reply, State
from services.campaign.domain.gate import (
    STOPPED_LOOK_AGAIN,
    Allowed,
    Candidate,
    Handed,
    Held,
    Refused,
    answerable_from,
    gate,
)
from services.campaign.domain.journey.definition import Published
from services.campaign.domain.journey.nodes.message import MESSAGE
from services.campaign.domain.journey.run import Signal
from services.campaign.domain.journey.triggers import TierReached
from services.campaign.domain.ledger import Ledger
from services.campaign.domain.message_definition import Cap, MessageDefinition
from services.campaign.repository import attempts, contacts, journeys, messages, runs
from services.campaign.repository.messages import Due, Move
from services.campaign.service import composing, providers, send_cutoff, settling
from services.campaign.service.providers import Providers
from services.campaign.service.recording import about, record
from services.campaign.service.rules import SOURCE, Rules
from shared.contracts import topics
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import MessageSent
from shared.contracts.identity import partition_key
from shared.database import aliases
from shared.database.database import Work
from shared.service import metrics

HOLD_ROWS: Final = 500  # while sending is stopped, what falls due is put off in batches of this size


class Outgoing(NamedTuple):
    """A message marked `sending`: it may be handed over, once. Attempts count from 1.

    `probe`: its provider takes nothing from us, and this one finds out whether it does again.
    """

    message: Due
    definition: MessageDefinition
    customer: UUID
    attempt: int
    handover: Message
    probe: bool = False

    @property
    def channel(self) -> str:
        """The channel that it leaves by."""
        return self.definition.channel


class Claimed(NamedTuple):
    """How many due messages were decided on, and those of them that may leave."""

    decided: int
    outgoing: Sequence[Outgoing]


class _Known(NamedTuple):
    """What the gate looks at in one round, by a customer's canonical id."""

    customers: Mapping[UUID, UUID]
    contacts: Mapping[UUID, Contact]
    standings: Mapping[tuple[UUID, str], tuple[int, str]]
    handed: Mapping[UUID, list[Handed]]
    published: Mapping[tuple[str, int], Published]
    stopped: bool
    ledger: Ledger
    providers: Providers


async def claim(work: Work, rules: Rules, *, claim_id: UUID, limit: int) -> Claimed:
    """Decides on up to `limit` due messages; the outgoing ones are marked `sending` when this commits.

    Whoever gets no answer to the COMMIT hands nothing over and says so to `put_back`.
    """
    ledger = await send_cutoff.look(work)
    stopped = await journeys.stopped(work) is not None
    awaiting = ledger.awaiting_since is not None
    metrics.sending_paused.labels("send_stop").set(stopped)
    metrics.sending_paused.labels("awaiting_send_cutoff").set(awaiting)
    standing = await providers.look(work)
    held_back = stopped or awaiting or bool(standing.stopped)
    due = await messages.lock_due(work, limit=HOLD_ROWS if held_back else limit)
    if not due:
        return Claimed(0, [])
    known = await _look(work, due, rules.customer_cap, stopped=stopped, ledger=ledger, standing=standing)
    await standing.acquire_probes(work, {channel for one in due if (channel := _channel(one, known))})
    moves: list[Move] = []
    made: list[Decision] = []
    outgoing: list[Outgoing] = []
    ended: list[tuple[Due, State, str]] = []
    for message in due:
        if len(outgoing) == limit and not standing.of(_channel(message, known)).closed:
            continue  # more are locked while a provider is stopped, so that its messages are put off many at a time
        match _pass(message, known, rules, work.now):
            case Outgoing() as leaving:
                outgoing.append(leaving._replace(probe=standing.of(leaving.channel).leaves()))
                subject = leaving.handover.part("subject") or None
                moves.append(Move(message.id, State.SENDING, work.now, subject, claim_id))
                known.handed[leaving.customer].append(
                    Handed(message.id, message.journey_id, message.trigger_id, work.now, message.step, message.visit)
                )
            case Held(until, reason, outcome):
                moves.append(Move(message.id, State.PENDING, until))
                made.append(about(message, outcome, reason))
            case Refused(reason, outcome):
                state = State.FAILED if outcome is Outcome.FAILED else State.REFUSED
                moves.append(Move(message.id, state, work.now))
                made.append(about(message, outcome, reason))
                ended.append((message, state, reason))
                refused = metrics.messages_refused.labels(message.journey_id, reason.partition(":")[0])
                work.afterwards.append(refused.inc)
    await messages.move(work, moves)
    await record(work, made)
    await _tell_runs(work, ended)
    await standing.note_probes(work)
    return Claimed(len(moves), outgoing)


async def _look(
    work: Work, due: Sequence[Due], customer_cap: Cap, *, stopped: bool, ledger: Ledger, standing: Providers
) -> _Known:
    customers = await aliases.canonical(work, (message.profile_id for message in due))
    # From here on the customers are held: what counts against a cap can't change before this commits.
    locked = await contacts.lock_contacts(work, customers.values())
    published = {(one.journey.id, one.journey.version): one for one in await journeys.published(work)}
    caps = [message.cap for one in published.values() for message in one.journey.messages() if message.cap is not None]
    longest = max(cap.window for cap in (customer_cap, *caps))
    handed: dict[UUID, list[Handed]] = defaultdict(list)
    for customer, one in await messages.handed(work, customers.values(), since=work.now - longest):
        handed[customer].append(one)
    standings = await contacts.standings(work, customers.values())
    return _Known(customers, locked, standings, handed, published, stopped, ledger, standing)


def _pass(message: Due, known: _Known, rules: Rules, now: datetime) -> Outgoing | Held | Refused:
    customer = known.customers[message.profile_id]
    contact = known.contacts.get(customer)
    published = known.published[message.journey_id, message.journey_version]
    definition = published.journey.message(message.step)
    if definition is None:
        return Refused(f"no node {message.step}", Outcome.FAILED)
    verdict = gate(
        _candidate(message, definition),
        contact,
        known.handed[customer],
        paused=not published.active,
        stopped=known.stopped,
        awaiting=known.ledger.awaiting_since is not None,
        send_cutoff=known.ledger.send_cutoff,
        customer_cap=rules.customer_cap,
        now=now,
        provider_stopped=known.providers.of(definition.channel).closed,
    )
    if not isinstance(verdict, Allowed):
        return verdict
    assert contact is not None
    if definition.channel not in rules.channels:
        return Held(now + STOPPED_LOOK_AGAIN, "no_channel")
    standing = {kind: known.standings.get((customer, kind), (0, ""))[1] for kind in ("tier", "stage")}
    if message.reached:
        standing["tier" if isinstance(published.journey.trigger, TierReached) else "stage"] = message.reached
    try:
        handover = composing.compose(message, rules, definition, contact, standing, to=verdict.address, now=now)
    except InvalidContent as error:
        return Refused(f"template: {error}", Outcome.FAILED)
    return Outgoing(message, definition, customer, message.attempts + 1, handover)


def _channel(message: Due, known: _Known) -> str:
    """Returns the channel of a message; an empty text if its node is gone."""
    definition = known.published[message.journey_id, message.journey_version].journey.message(message.step)
    return definition.channel if definition else ""


def _candidate(message: Due, definition: MessageDefinition) -> Candidate:
    earliest = answerable_from(
        occurred_at=message.cause_occurred_at, received_at=message.cause_received_at, by_time=message.by_time
    )
    return Candidate(
        message.id,
        definition,
        message.trigger_id,
        message.cause_occurred_at,
        message.created_at,
        earliest,
        message.visit,
        message.run_over,
    )


async def _tell_runs(work: Work, ended: Iterable[tuple[Due, State, str]]) -> None:
    """Tells runs that wait for a message what became of it."""
    signals = {
        message.run_id: Signal(MESSAGE, f"{state.value}: {reason}" if reason else state.value)
        for message, state, reason in ended
        if message.run_id is not None
    }
    if signals:
        await runs.signal(work, MESSAGE, signals)
        work.wakes = True


async def settle(work: Work, rules: Rules, outgoing: Outgoing, reply: Reply, *, replied_at: datetime) -> None:
    """Notes what the provider answered; a message that it has becomes a fact about the customer."""
    message = outgoing.message
    follows = await settling.settle(
        work,
        "messages",
        outgoing.handover,
        reply,
        channel=outgoing.channel,
        attempt=outgoing.attempt,
        probe=outgoing.probe,
        created_at=message.created_at,
        replied_at=replied_at,
    )
    if follows is None:
        return
    await record(work, [about(message, follows.outcome, follows.reason, attempt=outgoing.attempt)])
    if follows.state is not State.PENDING:
        await _tell_runs(work, [(message, follows.state, follows.reason)])
    if follows.state is State.SENT:
        key = partition_key(str(outgoing.customer), secret=rules.partition_secret)
        await work.outbox.add(topics.EVENTS, [(key, _fact(work, outgoing, replied_at))])
        if not message.by_time:
            waited = (replied_at - message.cause_received_at).total_seconds()
            metrics.accept_to_message.labels(message.journey_id).observe(waited)


def _fact(work: Work, outgoing: Outgoing, handed_at: datetime) -> Event:
    message = outgoing.message
    return Event(
        event_id=message.id,
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=min(handed_at, work.now),
        received_at=work.now,
        body=MessageSent(
            message_id=message.id,
            journey_id=message.journey_id,
            journey_version=message.journey_version,
            trigger_id=message.trigger_id,
            channel=outgoing.channel,
            subject=outgoing.handover.part("subject"),
            purpose=outgoing.definition.purpose,
            definition_id=message.journey_id,
            definition_version=message.journey_version,
            step=message.step,
        ),
        profile_id=outgoing.customer,
        cause_id=UUID(message.trigger_id),
        depth=message.depth + 1,
        traceparent=message.traceparent,
    )


async def put_back(work: Work, claims: Iterable[UUID]) -> int:
    """Puts back what these claims marked, if they committed. Returns how many. None of it may have been handed over."""
    return await attempts.put_back(work, "messages", claims)


async def give_up_lost(work: Work, rules: Rules) -> int:
    """Settles what dead senders left. Returns how many. Nobody knows whether those were sent: they become `unknown`."""
    lost = await messages.give_up(work, since=work.now - rules.lease)
    await record(work, [about(one, Outcome.UNKNOWN, "sender_lost", attempt=one.attempts) for one in lost])
    await _tell_runs(work, [(one, State.UNKNOWN, "sender_lost") for one in lost])
    return len(lost)
