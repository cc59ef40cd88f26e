"""The normal form of identities: mail addresses, telephone numbers and ids, spelt alike by all services.

Two services that spell one mail address differently would make two customers of one person.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from shared.contracts.identity import Namespace, is_placeholder

REMEMBERED: Final = 4_096  # checked domains, and numbers; one check costs as much as all the rest of an event
MAX_NAME_LENGTH: Final = 64  # characters before the @; RFC 5321, section 4.5.3.1.1
MAX_EMAIL_LENGTH: Final = 254  # characters; RFC 5321, section 4.5.3.1.3, less its angle brackets

_PLAIN_NAME: Final = re.compile(r"([A-Za-z0-9]++(?:[._+-][A-Za-z0-9]++)*+)@", re.ASCII)


def email(value: str) -> str | None:
    """Returns a mail address in its normal form: valid by its syntax, and in small letters. None if it is invalid.

    Nearly all addresses are a plain name at a domain seen before: those are checked by the domain alone.
    """
    value = value.strip()
    plain = _PLAIN_NAME.match(value)
    if plain is None or plain.end(1) > MAX_NAME_LENGTH:
        return _checked(value)
    domain = _domain(value[plain.end() :])
    return None if domain is None or len(value) > MAX_EMAIL_LENGTH else f"{plain[1].lower()}@{domain}"


@lru_cache(REMEMBERED)
def _domain(domain: str) -> str | None:
    whole = _checked(f"a@{domain}")
    return None if whole is None else whole[2:]


def _checked(value: str) -> str | None:
    try:
        return validate_email(value, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError:
        return None


@lru_cache(REMEMBERED)
def phone(value: str, country: str | None = None) -> str | None:
    """Returns a telephone number in E.164; None if it is invalid, or in national form without a country.

    `country` is a code of ISO 3166-1 alpha-2.
    """
    try:
        number = phonenumbers.parse(value, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def own_id(value: str) -> str | None:
    """Returns a user id or an anonymous id without spaces around it, in Unicode's NFC; None if it means nobody."""
    found = value.strip()
    if is_placeholder(found):
        return None
    return found if found.isascii() else unicodedata.normalize("NFC", found)


def of(namespace: Namespace, value: str) -> str | None:
    """Returns the normal form of an identity; None if there is no such identity."""
    match namespace.kind:
        case Namespace.EMAIL:
            return email(value)
        case Namespace.PHONE:
            return phone(value)
        case Namespace.USER_ID | Namespace.ANONYMOUS_ID:
            return own_id(value)
