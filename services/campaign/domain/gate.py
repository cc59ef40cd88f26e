"""The gate: what every message passes at send time, whatever set it off."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from services.campaign.domain.channels.registry import address_of, agreed_to
from services.campaign.domain.contact import Contact
from services.campaign.domain.decision import Outcome
from services.campaign.domain.message_definition import Cap, MessageDefinition

# A change may overtake the profile that it is about, because they come in different topics. So what is not known
# of a customer yet is waited for, a moment; what the customer refused is not.
PROFILE_PATIENCE: Final = timedelta(seconds=5)
LOOK_AGAIN: Final = timedelta(seconds=1)
STOPPED_LOOK_AGAIN: Final = timedelta(seconds=10)


class SendStop(msgspec.Struct, frozen=True):
    """Since when no message leaves, by whose word, and why."""

    stopped_at: datetime
    stopped_by: str
    reason: str = ""


class Handed(msgspec.Struct, frozen=True):
    """A message that left, is leaving, or may have left: all three count against the caps."""

    message_id: UUID
    journey_id: str
    trigger_id: str
    at: datetime
    step: str = ""
    visit: int = 0


class Candidate(msgspec.Struct, frozen=True):
    """A message that would leave now; `answerable_from` says since when its trigger could have been answered.

    `visit` is of the node that sends it; `over`: its run has ended meanwhile, so that it has nothing to say any more.
    """

    message_id: UUID
    definition: MessageDefinition
    trigger_id: str
    occurred_at: datetime
    created_at: datetime
    answerable_from: datetime
    visit: int = 0
    over: bool = False


class Allowed(msgspec.Struct, frozen=True):
    """It may leave now, to this address."""

    address: str


class Held(msgspec.Struct, frozen=True):
    """Not now; look again then."""

    until: datetime
    reason: str
    outcome: Outcome = Outcome.HELD


class Refused(msgspec.Struct, frozen=True):
    """Never."""

    reason: str
    outcome: Outcome = Outcome.REFUSED


def gate(
    candidate: Candidate,
    contact: Contact | None,
    history: Iterable[Handed],
    *,
    paused: bool,
    stopped: bool,
    awaiting: bool,
    send_cutoff: datetime | None,
    customer_cap: Cap,
    now: datetime,
    provider_stopped: bool = False,
) -> Allowed | Held | Refused:
    """Returns whether a message may leave now.

    `history` is everything handed over to this customer, under any of the customer's ids, within the longest cap.
    The caller holds the customer's row, so that no other message is decided on meanwhile. `awaiting` says that the
    ledger was restored and has no send cutoff for it yet. What the lost part of the ledger may have sent before the
    cutoff is never sent. `provider_stopped` says that the provider takes nothing from us, and this is no probe.
    """
    definition = candidate.definition
    if candidate.over:
        return Refused("run_over")
    if now - candidate.occurred_at > definition.max_age:
        return Refused("too_old")
    if send_cutoff is not None and candidate.answerable_from < send_cutoff:
        return Refused("before_send_cutoff")
    if awaiting:
        return Held(now + STOPPED_LOOK_AGAIN, "restored")
    if stopped:
        return Held(now + STOPPED_LOOK_AGAIN, "send_stop")
    if paused:
        return Held(now + STOPPED_LOOK_AGAIN, "paused")
    address = address_of(contact, definition.channel) if contact else None
    agreed = agreed_to(contact, definition.channel, definition.purpose) if contact else None
    if agreed is False:
        return Refused("no_consent")
    if not address or not agreed:
        missing = "no_profile" if contact is None else "no_consent" if address else "no_address"
        waiting = now - candidate.created_at < PROFILE_PATIENCE
        return Held(now + LOOK_AGAIN, missing) if waiting else Refused(missing)
    if contact is not None and definition.channel in contact.suppressed:
        return Refused("suppressed")
    handed = [one for one in history if one.message_id != candidate.message_id]
    visit = (definition.id, candidate.trigger_id, definition.step, candidate.visit)
    if any((one.journey_id, one.trigger_id, one.step, one.visit) == visit for one in handed):
        return Refused("duplicate")
    if _full(customer_cap, handed, now):
        return Refused("customer_cap", Outcome.CAPPED)
    if definition.cap is not None and _full(
        definition.cap, [one for one in handed if one.journey_id == definition.id], now
    ):
        return Refused("journey_cap", Outcome.CAPPED)
    if provider_stopped:
        return Held(now + STOPPED_LOOK_AGAIN, "provider_stop")
    return Allowed(address)


def answerable_from(*, occurred_at: datetime, received_at: datetime, by_time: bool) -> datetime:
    """Returns when a trigger could have been answered at the earliest.

    An event may have happened long before it was received, and could not be answered until then. A change by time
    became true at its due instant; `received_at` is only when it was noticed, and a restored segment notices again.
    """
    return occurred_at if by_time else received_at


def _full(cap: Cap, handed: Iterable[Handed], now: datetime) -> bool:
    return sum(one.at > now - cap.window for one in handed) >= cap.messages
