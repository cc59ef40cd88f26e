"""The gate: what every message passes at send time, whatever set it off."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from services.campaign.domain.channels.registry import address_of
from services.campaign.domain.contact import Contact
from services.campaign.domain.gate.check import Check
from services.campaign.domain.gate.checks.consent import Consent
from services.campaign.domain.gate.checks.definition_cap import DefinitionCap
from services.campaign.domain.gate.checks.duplicate import Duplicate
from services.campaign.domain.gate.checks.frequency import Frequency
from services.campaign.domain.gate.checks.global_holdout import InGlobalHoldout
from services.campaign.domain.gate.checks.holdout import InHoldout
from services.campaign.domain.gate.checks.max_age import MaxAge
from services.campaign.domain.gate.checks.paused import Paused
from services.campaign.domain.gate.checks.platform_caps import PlatformCaps
from services.campaign.domain.gate.checks.platform_hours import PlatformHours
from services.campaign.domain.gate.checks.provider_stop import ProviderStopped
from services.campaign.domain.gate.checks.quiet_hours import InQuietHours
from services.campaign.domain.gate.checks.reachable import Reachable
from services.campaign.domain.gate.checks.restored import Restored
from services.campaign.domain.gate.checks.run_over import RunOver
from services.campaign.domain.gate.checks.same_content import SameContent
from services.campaign.domain.gate.checks.send_cutoff import SendCutoff
from services.campaign.domain.gate.checks.send_stop import SendStopped
from services.campaign.domain.gate.checks.suppressed import Suppressed
from services.campaign.domain.gate.checks.withdrawn import Withdrawn
from services.campaign.domain.gate.evidence import evidence
from services.campaign.domain.gate.policy import DEFAULT, PolicyInForce
from services.campaign.domain.gate.situation import Candidate, Handed, Situation
from services.campaign.domain.gate.verdicts import Allowed, Held, Refused
from services.campaign.domain.message_definition import Cap

# In the order in which they are asked. Nothing that passed the holdouts is refused for what was known before them, so
# that who is held out can be compared with who is not; what waits for an hour comes before what counts, so that caps
# are asked when a message can leave.
CHECKS: Final[tuple[Check, ...]] = (
    RunOver(),
    MaxAge(),
    SendCutoff(),
    Restored(),
    SendStopped(),
    Paused(),
    Withdrawn(),
    Reachable(),
    Consent(),
    Suppressed(),
    Duplicate(),
    InGlobalHoldout(),
    InHoldout(),
    SameContent(),
    InQuietHours(),
    PlatformHours(),
    Frequency(),
    DefinitionCap(),
    PlatformCaps(),
    ProviderStopped(),
)
_ALL: Final = frozenset(one.name for one in CHECKS)
_ASKED: Final[Mapping[str, frozenset[str]]] = {
    one.name: frozenset(before.name for before in CHECKS[: n + 1]) for n, one in enumerate(CHECKS)
}


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
    policy: PolicyInForce = DEFAULT,
) -> Allowed | Held | Refused:
    """Returns whether a message may leave now: what the first check says that has something against it.

    The arguments are those of `Situation`, which says what they are. The caller holds the customer's row, so that no
    other message is decided on meanwhile.
    """
    situation = Situation(
        contact=contact,
        history=[one for one in history if one.message_id != candidate.message_id],
        paused=paused,
        stopped=stopped,
        awaiting=awaiting,
        send_cutoff=send_cutoff,
        customer_cap=customer_cap,
        now=now,
        provider_stopped=provider_stopped,
        in_force=policy,
    )
    for one in CHECKS:
        verdict = one.check(candidate, situation)
        if verdict is not None:
            found = evidence(candidate, situation, one.name, _ASKED[one.name])
            return msgspec.structs.replace(verdict, evidence=found)
    contact = situation.contact
    address = address_of(contact, candidate.definition.channel) if contact else None
    assert address is not None, "nobody without an address passes"
    return Allowed(address, evidence(candidate, situation, "", _ALL))
