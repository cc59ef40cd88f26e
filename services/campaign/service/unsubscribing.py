"""The link in a mail that withdraws consent to what the mail was for."""

from datetime import timedelta
from typing import Final
from uuid import uuid4

from services.campaign.domain.links import Link
from services.campaign.repository import confirmations, contacts
from services.campaign.service.rules import SOURCE, Rules
from shared.contracts import topics
from shared.contracts.consent import pair_of
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import ConsentChanged
from shared.contracts.identity import Identity, Namespace, partition_key
from shared.database import aliases
from shared.database.database import Work
from shared.service import metrics

AGAIN_AFTER: Final = timedelta(seconds=10)  # a link that is used again and again says it once in so long


async def unsubscribe(work: Work, rules: Rules, link: Link) -> None:
    """Withdraws what the link's message needed consent to, under the address, so that a later yes of it lifts that."""
    assert link.profile_id is not None
    if not await confirmations.note_unsubscribed(work, link.subject, again_after=AGAIN_AFTER):
        return
    customer = (await aliases.canonical(work, [link.profile_id]))[link.profile_id]
    known = (await contacts.lock_contacts(work, [customer])).get(customer)
    pair = pair_of(link.consent_to)
    event = Event(
        event_id=uuid4(),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=work.now,
        received_at=work.now,
        body=ConsentChanged(
            channel=pair.channel,
            purpose=pair.purpose,
            granted=False,
            evidence={"kind": "unsubscribe link", "message_id": str(link.subject)},
        ),
        identities=(Identity(Namespace.EMAIL, known.email),) if known and known.email else (),
        profile_id=customer,
    )
    key = partition_key(str(customer), secret=rules.partition_secret)
    await work.outbox.add(topics.EVENTS, [(key, event)])
    work.afterwards.append(metrics.consent_links.labels("unsubscribed").inc)
