"""Asking whoever has a mailbox whether they agree: which message asks, and how often one mailbox may be asked."""

from datetime import timedelta
from typing import Final

from services.campaign.domain.gate.policy import FrequencyRule, Policy, PolicyInForce
from services.campaign.domain.gate.situation import CUSTOMER_RULE
from services.campaign.domain.message_definition import Cap, MessageDefinition

CAP: Final = Cap(messages=3, hours=24)
# It ships with the code and is no row: nobody edits it.
CONFIRM: Final = MessageDefinition(
    id="confirm-consent",
    version=1,
    purpose="transactional",
    template="confirm-consent",
    cap=CAP,
)
# No policy of the shop's bounds it, and what it bounds is counted apart: by mailbox, whoever asks.
CONFIRM_POLICY: Final = PolicyInForce(
    0,
    Policy(
        frequency=(
            FrequencyRule(name=CUSTOMER_RULE, messages=CAP.messages, hours=CAP.hours, purposes=(CONFIRM.purpose,)),
        )
    ),
)
AGAIN_AFTER: Final = timedelta(minutes=10)  # who asks for the same again before then is not asked twice
MAX_ASKED: Final = 10  # requests of one address that are kept in KEPT_ASKED; the rest is not even written down
MAX_WAITING: Final = 100_000  # requests of all addresses; while so many wait, further ones are not written down either
KEPT_ASKED: Final = timedelta(hours=24)
KEPT: Final = timedelta(days=30)  # how long a request and its address are kept, whatever became of it
FULL_LOOK_AGAIN: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
