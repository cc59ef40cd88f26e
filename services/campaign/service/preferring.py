"""The page of preferences behind a link in a mail: what a customer agreed to, and what they change about it."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from services.campaign.domain.contact import Contact
from services.campaign.domain.links import Link
from services.campaign.repository import contacts
from services.campaign.repository import preferences as repository
from services.campaign.service.rules import SOURCE, Rules
from shared.contracts import topics
from shared.contracts.consent import TRANSACTIONAL, Pair, pair_of
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import ConsentChanged
from shared.contracts.identity import Identity, Namespace, partition_key
from shared.database import aliases
from shared.database.database import Work
from shared.errors import Conflict
from shared.service import metrics

DAY: Final = timedelta(days=1)
MOST_CHANGES: Final = 20  # by one link in a day: a link that many have changes no consent for ever


class TooManyChanges(Conflict):
    """The link was used too often today."""


class Preference(NamedTuple):
    """What a customer may agree to, and whether they do. One that can't be `granted` here can only be withdrawn."""

    pair: Pair
    granted: bool
    open: bool


async def look(work: Work, link: Link) -> Sequence[Preference]:
    """Returns what stands for the customer of a link. Changes nothing."""
    _, contact = await _customer(work, link)
    return _standing(contact)


async def change(work: Work, rules: Rules, link: Link, ticked: Collection[str]) -> Sequence[Preference]:
    """Publishes what differs from what stands. Returns what stands then. Raises `TooManyChanges`.

    Whoever has the mail has its mailbox, and may agree to mail. Who has a number or an account elsewhere is not known
    here: what goes there can be withdrawn, and not granted.
    """
    customer, contact = await _customer(work, link)
    before = _standing(contact)
    after = [one._replace(granted=str(one.pair) in ticked and (one.open or one.granted)) for one in before]
    changed = [new for old, new in zip(before, after, strict=True) if old.granted != new.granted]
    if not changed:
        return after
    day = work.now.replace(hour=0, minute=0, second=0, microsecond=0)
    if await repository.count(work, link.subject, day) > MOST_CHANGES:
        raise TooManyChanges("try again tomorrow")
    await repository.forget(work, before=day - DAY)
    key = partition_key(str(customer), secret=rules.partition_secret)
    await work.outbox.add(topics.EVENTS, [(key, _fact(work, link, customer, contact, one)) for one in changed])
    work.afterwards.append(metrics.consent_links.labels("preferences").inc)
    return after


async def _customer(work: Work, link: Link) -> tuple[UUID, Contact | None]:
    assert link.profile_id is not None
    customer = (await aliases.canonical(work, [link.profile_id]))[link.profile_id]
    return customer, (await contacts.lock_contacts(work, [customer])).get(customer)


def _standing(contact: Contact | None) -> Sequence[Preference]:
    consent = contact.consent if contact else {}
    pairs = {str(Pair("email")), *consent}
    found = [pair_of(one) for one in sorted(pairs)]
    return [
        Preference(one, consent.get(str(one)) is True, one.channel == "email")
        for one in found
        if one.purpose != TRANSACTIONAL and (one.channel == "email" or consent.get(str(one)) is True)
    ]


def _fact(work: Work, link: Link, customer: UUID, contact: Contact | None, one: Preference) -> Event:
    return Event(
        event_id=uuid4(),
        source_id=str(SOURCE),
        source_kind=SourceKind.SERVICE,
        occurred_at=work.now,
        received_at=work.now,
        body=ConsentChanged(
            channel=one.pair.channel,
            purpose=one.pair.purpose,
            granted=one.granted,
            evidence={"kind": "preferences link", "message_id": str(link.subject)},
        ),
        identities=(Identity(Namespace.EMAIL, contact.email),) if contact and contact.email else (),
        profile_id=customer,
    )
