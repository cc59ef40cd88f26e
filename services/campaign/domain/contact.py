"""What a message needs to know of a customer: where to, in which language, and by which name."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.contracts.changes import DatedFact, ProfileChanged
from shared.contracts.consent import TRANSACTIONAL, Pair

MAX_NAME_LENGTH: Final = 40  # characters

# A name is put into the subject and the text of a mail, where mail programs make links of whatever looks like one.
_ADDRESS_CHARACTERS: Final = frozenset(":/\\@<>")
# A dot, or what browsers take for one, between what could be the parts of a host name or of a number.
_DOMAIN: Final = re.compile(r"\w[.\u3002\uff61](?:[^\W\d_]{2}|\d)")


class Contact(msgspec.Struct, frozen=True):
    """What is known of a customer that a message needs.

    `suppressed` names the channels whose provider replied that the customer's address takes none.
    """

    profile_id: UUID
    email: str | None
    consent: Mapping[str, bool]  # by what it is to, spelt as `shared.contracts.consent` has it
    first_name: str = ""
    name: str = ""
    language: str = ""
    country: str = ""
    suppressed: Sequence[str] = ()
    phone: str | None = None
    time_zone: str = ""
    facts: tuple[DatedFact, ...] = ()

    def agreed(self, pair: Pair) -> bool | None:
        """Returns whether the customer agreed to be written to.

        Returns None if nobody ever stated it. Some messages need no consent.
        """
        return True if pair.purpose == TRANSACTIONAL else self.consent.get(str(pair))


def contact_of(state: ProfileChanged) -> Contact:
    """Returns what a profile's state says of the contact: an address and names that a trusted source gave.

    A record that does not say who gave them has no names, and an address if it is the only one.
    """
    trusted = _trusted(state)
    name = as_name(_text(trusted, "name"))
    return Contact(
        state.profile_id,
        _email(state),
        _consent(state),
        as_name(_text(trusted, "first_name", "firstName")) or name.partition(" ")[0],
        name,
        (state.language or _text(state.traits, "language", "locale")).replace("_", "-").partition("-")[0].lower(),
        _text(state.traits, "country"),
        phone=next((one.value for one in state.contact_points or () if one.namespace == "phone"), None),
        time_zone=state.time_zone.name if state.time_zone else "",
        facts=state.dated_facts or (),
    )


def as_name(text: str) -> str:
    """Returns the text, if it may stand as a name in a mail: short, and nothing in it that could become a link.

    Returns an empty text otherwise.
    """
    plain = unicodedata.normalize("NFKC", text)
    if len(plain) > MAX_NAME_LENGTH or not _ADDRESS_CHARACTERS.isdisjoint(plain) or _DOMAIN.search(plain):
        return ""
    return text


def _consent(state: ProfileChanged) -> Mapping[str, bool]:
    """By what it is to. A record that does not tell purposes speaks of marketing."""
    if state.consents is None:
        return state.consent
    return {str(Pair(one.channel, one.purpose)): one.granted for one in state.consents}


def _email(state: ProfileChanged) -> str | None:
    if state.contact_points is None:
        emails = state.identities.get("email", ())
        return emails[0] if len(emails) == 1 else None
    return next((one.value for one in state.contact_points if one.namespace == "email"), None)


def _trusted(state: ProfileChanged) -> dict[str, Any]:
    if state.public_traits is None:
        return {}
    return {name: value for name, value in state.traits.items() if name not in state.public_traits}


def _text(traits: Mapping[str, Any], *names: str) -> str:
    """The first of these traits that says something, in one printable line."""
    texts = (value for name in names if isinstance(value := traits.get(name), str))
    lines = (" ".join("".join(c if c.isprintable() else " " for c in value).split()) for value in texts)
    return next(filter(None, lines), "")
