"""What the gate looks at: a message that would leave, and how things stand with its customer and with us."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from services.campaign.domain.contact import Contact
from services.campaign.domain.gate.policy import DEFAULT, FrequencyRule, PolicyInForce
from services.campaign.domain.message_definition import Cap, MessageDefinition
from shared.contracts.consent import TRANSACTIONAL
from shared.contracts.events import MARKETING

# A change may overtake the profile that it is about, because they come in different topics. So what is not known
# of a customer yet is waited for, a moment; what the customer refused is not.
PROFILE_PATIENCE: Final = timedelta(seconds=5)
LOOK_AGAIN: Final = timedelta(seconds=1)
STOPPED_LOOK_AGAIN: Final = timedelta(seconds=10)
CUSTOMER_RULE: Final = "customer"  # the rule that the settings make while no policy has rules


class SendStop(msgspec.Struct, frozen=True):
    """Since when no message leaves, by whose word, and why."""

    stopped_at: datetime
    stopped_by: str
    reason: str = ""


class Handed(msgspec.Struct, frozen=True):
    """A message that left, is leaving, or may have left: all three count against the caps.

    `claimed`: it was let through in the claim that the candidate is in, too.
    """

    message_id: UUID
    journey_id: str
    trigger_id: str
    at: datetime
    step: str = ""
    visit: int = 0
    channel: str = "email"
    purpose: str = MARKETING
    template: str = ""
    claimed: bool = False


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

    @property
    def transactional(self) -> bool:
        """Whether the customer has asked for it."""
        return self.definition.purpose == TRANSACTIONAL


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand when a message would leave.

    `history` is everything else that was handed over to this customer, under any of the customer's ids, within the
    longest cap. `awaiting` says that the ledger was restored and has no send cutoff for it yet. `provider_stopped` says
    that the provider takes nothing from us, and this is no probe. `customer_cap` holds while the policy has no rules.
    """

    contact: Contact | None
    history: Sequence[Handed]
    paused: bool
    stopped: bool
    awaiting: bool
    send_cutoff: datetime | None
    customer_cap: Cap
    now: datetime
    provider_stopped: bool = False
    in_force: PolicyInForce = DEFAULT

    @property
    def zone(self) -> str:
        """The customer's time zone; the policy's where it is not known."""
        return (self.contact.time_zone if self.contact else "") or self.in_force.policy.time_zone

    @property
    def rules(self) -> tuple[FrequencyRule, ...]:
        """The rules of frequency that hold."""
        rules = self.in_force.policy.frequency
        return default_rules(self.customer_cap) if rules is None else rules


def default_rules(cap: Cap) -> tuple[FrequencyRule, ...]:
    """Returns the one rule that holds while a policy has none."""
    return (FrequencyRule(name=CUSTOMER_RULE, messages=cap.messages, hours=cap.hours),)


def answerable_from(*, occurred_at: datetime, received_at: datetime, by_time: bool) -> datetime:
    """Returns when a trigger could have been answered at the earliest.

    An event may have happened long before it was received, and could not be answered until then. A change by time
    became true at its due instant; `received_at` is only when it was noticed, and a restored segment notices again.
    """
    return occurred_at if by_time else received_at
