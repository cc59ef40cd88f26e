"""Sending: through the gate, marked before the provider is asked, settled by its answer."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.campaign.content import InvalidContent
from services.campaign.domain.contact import Contact
from services.campaign.domain.coupon import Coupon
from services.campaign.domain.decision import Decision, Evidence, Outcome
from services.campaign.domain.delivery import Message, Next, Reply, State
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
from services.campaign.domain.gate.caps import reach
from services.campaign.domain.gate.platforms import all_caps
from services.campaign.domain.gate.policy import PolicyInForce
from services.campaign.domain.gate.priority import in_order
from services.campaign.domain.journey.nodes.message import MESSAGE
from services.campaign.domain.journey.run import Signal
from services.campaign.domain.ledger import Ledger
from services.campaign.domain.message_definition import MessageDefinition
from services.campaign.repository import attempts, broadcasts, contacts, coupons, journeys, messages, runs
from services.campaign.repository import gate as policies
from services.campaign.repository.messages import Due, Move
from services.campaign.service import composing, copies, providers, send_cutoff, settling
from services.campaign.service.composing import Templates
from services.campaign.service.copies import Made
from services.campaign.service.definitions import BROADCAST, Found, find
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
    evidence: Evidence | None = None
    template_version: int = 0

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
    definitions: Mapping[UUID, Found | Refused]
    templates: Templates
    coupons: Mapping[UUID | None, Coupon]
    stopped: bool
    ledger: Ledger
    providers: Providers
    policy: PolicyInForce


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
    known = await _look(work, due, rules, stopped=stopped, ledger=ledger, standing=standing)
    await standing.acquire_probes(work, {_channel(message, known) for message in due})
    moves: list[Move] = []
    made: list[Decision] = []
    outgoing: list[Outgoing] = []
    ended: list[tuple[Due, State, str]] = []
    for message in in_order(due, known.policy.policy, definition_id=lambda one: one.journey_id):
        if len(outgoing) == limit and not standing.of(_channel(message, known)).closed:
            continue  # more are locked while a provider is stopped, so that its messages are put off many at a time
        match _pass(message, known, rules, work.now):
            case Outgoing() as leaving:
                outgoing.append(leaving._replace(probe=standing.of(leaving.channel).leaves()))
                counts_as = (leaving.channel, leaving.definition.purpose, leaving.definition.template)
                subject = leaving.handover.part("subject") or None
                moves.append(Move(message.id, State.SENDING, work.now, subject, claim_id, *counts_as))
                known.handed[leaving.customer].append(_handed(leaving, work.now))
            case Held(until, reason, outcome, evidence):
                moves.append(Move(message.id, State.PENDING, until))
                made.append(about(message, outcome, reason, evidence=evidence))
            case Refused(reason, outcome, evidence):
                state = State.FAILED if outcome is Outcome.FAILED else State.REFUSED
                moves.append(Move(message.id, state, work.now))
                made.append(about(message, outcome, reason, evidence=evidence))
                ended.append((message, state, reason))
                refused = metrics.messages_refused.labels(message.journey_id, reason.partition(":")[0])
                work.afterwards.append(refused.inc)
    await messages.move(work, moves)
    await copies.keep(work, [Made(one.handover, one.definition.template, one.template_version) for one in outgoing])
    await record(work, made)
    await _tell_runs(work, ended)
    await standing.note_probes(work)
    return Claimed(len(moves), outgoing)


async def judge(work: Work, rules: Rules, message: Due, templates: Templates) -> Outgoing | Held | Refused:
    """Returns what would become of a message that is in no table, by these templates. Writes nothing."""
    ledger = await send_cutoff.look(work)
    stopped = await journeys.stopped(work) is not None
    standing = await providers.look(work)
    known = await _look(work, [message], rules, stopped=stopped, ledger=ledger, standing=standing)
    return _pass(message, known._replace(templates=templates), rules, work.now)


async def _look(
    work: Work, due: Sequence[Due], rules: Rules, *, stopped: bool, ledger: Ledger, standing: Providers
) -> _Known:
    customers = await aliases.canonical(work, (message.profile_id for message in due))
    # From here on the customers are held: what counts against a cap can't change before this commits.
    locked = await contacts.lock_contacts(work, customers.values())
    published = {(one.journey.id, one.journey.version): one for one in await journeys.published(work)}
    found = await broadcasts.some(work, (message.journey_id for message in due if message.kind == BROADCAST))
    caps = [message.cap for one in published.values() for message in one.journey.messages() if message.cap is not None]
    caps += [cap for one in found if (cap := one.broadcast.cap) is not None]
    policy = await policies.in_force(work)
    longest = max(reach(policy.policy, *all_caps()), *(cap.window for cap in (rules.customer_cap, *caps)))
    handed: dict[UUID, list[Handed]] = defaultdict(list)
    for customer, one in await messages.handed(work, customers.values(), since=work.now - longest):
        handed[customer].append(one)
    standings = await contacts.standings(work, customers.values())
    sources = {one.id: one for one in found}
    definitions = {message.id: find(message, published, sources) for message in due}
    names = {one.definition.template for one in definitions.values() if isinstance(one, Found)}
    templates = await composing.look(work, rules, names)
    given = await coupons.of_runs(work, [message.run_id for message in due if message.run_id is not None])
    return _Known(
        customers,
        locked,
        standings,
        handed,
        definitions,
        templates,
        {one.run_id: one.coupon for one in given},
        stopped,
        ledger,
        standing,
        policy,
    )


def _pass(message: Due, known: _Known, rules: Rules, now: datetime) -> Outgoing | Held | Refused:
    customer = known.customers[message.profile_id]
    contact = known.contacts.get(customer)
    found = known.definitions[message.id]
    if isinstance(found, Refused):
        return found
    definition = found.definition
    verdict = gate(
        _candidate(message, definition, over=message.run_over or found.over),
        contact,
        known.handed[customer],
        paused=not found.active,
        stopped=known.stopped,
        awaiting=known.ledger.awaiting_since is not None,
        send_cutoff=known.ledger.send_cutoff,
        customer_cap=rules.customer_cap,
        now=now,
        provider_stopped=known.providers.of(definition.channel).closed,
        policy=known.policy,
    )
    if not isinstance(verdict, Allowed):
        return verdict
    assert contact is not None
    if definition.channel not in rules.channels:
        return Held(now + STOPPED_LOOK_AGAIN, "no_channel")
    standing = {kind: known.standings.get((customer, kind), (0, ""))[1] for kind in ("tier", "stage")}
    if message.reached:
        standing[found.reached] = message.reached
    try:
        composed = composing.compose(
            message,
            rules,
            definition,
            contact,
            standing,
            templates=known.templates,
            coupon=known.coupons.get(message.run_id),
            to=verdict.address,
            now=now,
        )
    except InvalidContent as error:
        return Refused(f"template: {error}", Outcome.FAILED)
    return Outgoing(
        message,
        definition,
        customer,
        message.attempts + 1,
        composed.handover,
        evidence=verdict.evidence,
        template_version=composed.template_version,
    )


def _handed(leaving: Outgoing, now: datetime) -> Handed:
    message, definition = leaving.message, leaving.definition
    return Handed(
        message.id,
        message.journey_id,
        message.trigger_id,
        now,
        message.step,
        message.visit,
        definition.channel,
        definition.purpose,
        definition.template,
        claimed=True,
    )


def _channel(message: Due, known: _Known) -> str:
    """Returns the channel of a message; an empty text if its node is gone."""
    found = known.definitions[message.id]
    return found.definition.channel if isinstance(found, Found) else ""


def _candidate(message: Due, definition: MessageDefinition, *, over: bool) -> Candidate:
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
        over,
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
    await record(work, [_settled(outgoing, follows)])
    if follows.state is not State.PENDING:
        await _tell_runs(work, [(message, follows.state, follows.reason)])
    if follows.state is State.SENT:
        key = partition_key(str(outgoing.customer), secret=rules.partition_secret)
        await work.outbox.add(topics.EVENTS, [(key, _fact(work, outgoing, replied_at))])
        if not message.by_time:
            waited = (replied_at - message.cause_received_at).total_seconds()
            metrics.accept_to_message.labels(message.journey_id).observe(waited)


def _settled(outgoing: Outgoing, follows: Next) -> Decision:
    return about(
        outgoing.message, follows.outcome, follows.reason, attempt=outgoing.attempt, evidence=outgoing.evidence
    )


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
