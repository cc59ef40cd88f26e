"""Double opt-in: whoever has a mailbox is asked, through the gate, and what they confirm becomes a fact."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.campaign.content import LANGUAGES, InvalidContent
from services.campaign.domain import links
from services.campaign.domain.confirmation import (
    AGAIN_AFTER,
    CAP,
    CONFIRM,
    CONFIRM_POLICY,
    FULL_LOOK_AGAIN,
    HOUR,
    KEPT,
    KEPT_ASKED,
    MAX_ASKED,
    MAX_WAITING,
)
from services.campaign.domain.contact import Contact
from services.campaign.domain.decision import Decision, Evidence, Outcome
from services.campaign.domain.delivery import Message, Reply, State
from services.campaign.domain.gate import Allowed, Candidate, Handed, Held, Refused, gate
from services.campaign.domain.ledger import Ledger
from services.campaign.repository import attempts, confirmations, journeys, suppressions
from services.campaign.repository.confirmations import Asked, Verdict
from services.campaign.service import providers, send_cutoff, settling
from services.campaign.service.recording import Subject, about, record
from services.campaign.service.rules import SOURCE, Rules
from shared.contracts import topics
from shared.contracts.changes import ConfirmationRequested
from shared.contracts.envelope import Event, SourceKind, derived_id
from shared.contracts.events import ConsentChanged
from shared.contracts.identity import Identity, Namespace, partition_key
from shared.database import erasures
from shared.database.database import Work
from shared.service import metrics

HOURS: Final = str(int(links.CONFIRM_VALID / HOUR))


class Asking(NamedTuple):
    """A mail that asks, marked `sending`: it may be handed over, once. Attempts count from 1."""

    asked: Asked
    attempt: int
    handover: Message
    channel: str = CONFIRM.channel
    probe: bool = False


async def ask(work: Work, events: Sequence[Event]) -> None:
    """Notes what is to be asked; an old request, or one that was made up of history, asks nobody any more."""
    fresh = [
        (event, event.body)
        for event in await erasures.without(work, events)
        if isinstance(event.body, ConfirmationRequested)
        and not event.historical
        and work.now - event.received_at <= CONFIRM.max_age
    ]
    if fresh:
        await confirmations.forget(work, before=work.now - KEPT)
        await confirmations.insert(
            work, fresh, most=MAX_ASKED, within=KEPT_ASKED, again_after=AGAIN_AFTER, most_waiting=MAX_WAITING
        )
        work.wakes = True


async def claim(work: Work, rules: Rules, *, claim_id: UUID, limit: int) -> tuple[int, list[Asking]]:
    """Decides on up to `limit` requests; how many, and the mails that are marked `sending` when this commits.

    None while no more may leave in this hour: else a flood of requests would be looked at again and again.
    """
    left = await confirmations.left_since(work, work.now - HOUR)
    if left >= rules.confirmations_per_hour:
        return 0, []
    due = await confirmations.lock_due(work, limit=limit)
    if not due:
        return 0, []
    ledger, stopped = await send_cutoff.look(work), await journeys.stopped(work) is not None
    provider = (await providers.look(work)).of(CONFIRM.channel)
    await provider.acquire_probe(work)
    suppressed = await suppressions.suppressed(work, CONFIRM.channel, [asked.address for asked in due])
    handed: dict[str, list[Handed]] = defaultdict(list)
    for address, one in await confirmations.handed(work, [asked.address for asked in due], since=work.now - CAP.window):
        handed[address].append(_of_journey(one))
    verdicts: list[Verdict] = []
    made: list[Decision] = []
    outgoing: list[Asking] = []
    for asked in due:
        full = left + len(outgoing) >= rules.confirmations_per_hour
        held_back = _HeldBack(stopped, full, provider.closed, asked.address in suppressed)
        match _pass(asked, rules, handed[asked.address], ledger, held_back, work.now):
            case Asking() as leaving:
                outgoing.append(leaving._replace(probe=provider.leaves()))
                verdicts.append(Verdict(asked.id, State.SENDING, work.now, claim_id))
                handed[asked.address].append(_of_journey(Handed(asked.id, "", str(asked.requested_by), work.now)))
            case Held(until, reason, outcome, evidence):
                verdicts.append(Verdict(asked.id, State.PENDING, until))
                made.append(_decision(asked, outcome, reason, evidence=evidence))
            case Refused(reason, outcome, evidence):
                verdicts.append(Verdict(asked.id, State.REFUSED, work.now))
                made.append(_decision(asked, outcome, reason, evidence=evidence))
                work.afterwards.append(metrics.messages_refused.labels(CONFIRM.id, reason.partition(":")[0]).inc)
    await confirmations.move(work, verdicts)
    await record(work, made)
    await providers.note_probe(work, provider)
    return len(due), outgoing


def _of_journey(one: Handed) -> Handed:
    return Handed(one.message_id, CONFIRM.id, one.trigger_id, one.at, purpose=CONFIRM.purpose)


class _HeldBack(NamedTuple):
    """What may keep a request from leaving, beside the gate's own reasons."""

    stopped: bool
    full: bool
    provider_stopped: bool
    suppressed: bool


def _pass(
    asked: Asked, rules: Rules, handed: Iterable[Handed], ledger: Ledger, held_back: _HeldBack, now: datetime
) -> Asking | Held | Refused:
    if rules.links is None:
        return Refused("no_public_url")
    candidate = Candidate(
        asked.id,
        CONFIRM,
        f"{asked.requested_by}/{asked.purpose}",
        asked.cause_received_at,
        asked.created_at,
        asked.cause_received_at,
    )
    verdict = gate(
        candidate,
        Contact(asked.profile_id, asked.address, {}, suppressed=(CONFIRM.channel,) if held_back.suppressed else ()),
        handed,
        paused=False,
        stopped=held_back.stopped,
        awaiting=ledger.awaiting_since is not None,
        send_cutoff=ledger.send_cutoff,
        customer_cap=CAP,
        now=now,
        provider_stopped=held_back.provider_stopped,
        policy=CONFIRM_POLICY,
    )
    if not isinstance(verdict, Allowed):
        return verdict
    if held_back.full:
        return Held(now + FULL_LOOK_AGAIN, "confirmations_per_hour")
    language = asked.language.replace("_", "-").partition("-")[0].lower()
    language = language if language in LANGUAGES else ""  # no word of the visitor's stands in a mail, nor in its link
    url = rules.links.url(links.confirm(asked.id, language, now))
    try:
        filled = rules.templates.render(CONFIRM.template, language, {"confirm_url": url, "hours": HOURS})
    except InvalidContent as error:
        return Refused(f"template: {error}", Outcome.FAILED)
    handover = Message(
        id=asked.id,
        to=verdict.address,
        parts={"subject": filled.subject, "text": filled.text, "html": filled.html},
        at=now,
        headers={"X-Rapport-Journey": CONFIRM.id},
        transactional=True,
    )
    return Asking(asked, asked.attempts + 1, handover)


async def settle(work: Work, asking: Asking, reply: Reply, *, replied_at: datetime) -> None:
    """Notes what the provider answered."""
    follows = await settling.settle(
        work,
        "confirmations",
        asking.handover,
        reply,
        channel=asking.channel,
        attempt=asking.attempt,
        probe=asking.probe,
        created_at=asking.asked.created_at,
        replied_at=replied_at,
    )
    if follows is not None:
        await record(work, [_decision(asking.asked, follows.outcome, follows.reason, attempt=asking.attempt)])


async def put_back(work: Work, claims: Iterable[UUID]) -> int:
    """Puts back what these claims marked, if they did commit; how many. None of it may have been handed over."""
    return await attempts.put_back(work, "confirmations", claims)


async def give_up_lost(work: Work, rules: Rules) -> int:
    """Settles what dead senders left; returns how many. It stays unsent: the visitor may ask again."""
    lost = await confirmations.give_up(work, since=work.now - rules.lease)
    await record(work, [_decision(one, Outcome.UNKNOWN, "sender_lost", attempt=one.attempts) for one in lost])
    return len(lost)


async def confirm(work: Work, rules: Rules, asked_id: UUID) -> bool:
    """Publishes once that whoever has the mailbox agreed. Returns False if the request is not known any more.

    The fact speaks of the address alone. Who has a mailbox is not who sat at the browser: whoever typed somebody
    else's address in would have joined their device to that customer.
    """
    asked, new = await confirmations.confirm(work, asked_id)
    if asked is None:
        return False
    if new:
        body = ConsentChanged(
            channel=asked.channel,
            purpose=asked.purpose,
            granted=True,
            evidence={
                "kind": "confirmation",
                "requested_by": str(asked.requested_by),
                "requested_at": asked.cause_occurred_at.isoformat(),
                "confirmed_at": work.now.isoformat(),
            },
        )
        address = Identity(Namespace.EMAIL, asked.address)
        event = Event(
            event_id=derived_id(asked.id, "ConsentChanged", CONFIRM.id, CONFIRM.version),
            source_id=str(SOURCE),
            source_kind=SourceKind.SERVICE,
            occurred_at=work.now,
            received_at=work.now,
            body=body,
            identities=(address,),
            cause_id=asked.requested_by,
            depth=asked.depth + 1,
            traceparent=asked.traceparent,
        )
        await work.outbox.add(topics.EVENTS, [(partition_key(str(address), secret=rules.partition_secret), event)])
        work.afterwards.append(metrics.consent_links.labels("confirmed").inc)
    return True


def _decision(
    asked: Asked, outcome: Outcome, reason: str, *, attempt: int = 0, evidence: Evidence | None = None
) -> Decision:
    subject = Subject(
        asked.id,
        asked.profile_id,
        CONFIRM.id,
        CONFIRM.version,
        str(asked.requested_by),
        asked.cause_occurred_at,
    )
    return about(subject, outcome, reason, attempt=attempt, evidence=evidence)
