"""The normal form of identities: mail addresses, telephone numbers and ids, spelt alike by all services.

Two services that spell one mail address differently would make two customers of one person.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneNumberType

from shared.contracts.identity import Namespace
from shared.contracts.placeholders import is_nobodys_email, is_nobodys_phone, is_placeholder

REMEMBERED: Final = 4_096  # checked domains, and numbers; one check costs as much as all the rest of an event
MAX_NAME_LENGTH: Final = 64  # octets before the @; RFC 5321, section 4.5.3.1.1, and RFC 6531, section 3.1
MAX_EMAIL_LENGTH: Final = 254  # characters; RFC 5321, section 4.5.3.1.3, less its angle brackets

# Lines of companies and authorities: many people give one of these as theirs.
SERVICE_LINES: Final = frozenset(
    {
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    }
)
MAX_AREA_DIGITS: Final = 6  # with the 0 before them; two more, if a country's code stands before them

_PLAIN_NAME: Final = re.compile(r"([A-Za-z0-9]++(?:[._+-][A-Za-z0-9]++)*+)@", re.ASCII)


def email(value: str) -> str | None:
    """Returns a mail address in its normal form: valid by its syntax, in small letters, a domain of other scripts in
    these, and not in their ASCII form. None if it is invalid, or means nobody.

    Nearly all addresses are a plain name at a domain seen before: those are checked by the domain alone.
    """
    value = value.strip()
    plain = _PLAIN_NAME.match(value)
    if plain is None or plain.end(1) > MAX_NAME_LENGTH:
        checked = _checked(value)
        return None if checked is None else _somebodys(checked)
    domain = _domain(value[plain.end() :])
    if domain is None or len(value) > MAX_EMAIL_LENGTH:
        return None
    return _somebodys(f"{plain[1].lower()}@{domain}")


@lru_cache(REMEMBERED)
def _domain(domain: str) -> str | None:
    whole = _checked(f"a@{domain}")
    return None if whole is None else whole[2:]


def _checked(value: str) -> str | None:
    try:
        found = validate_email(value, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError:
        return None
    return found if len(found.rpartition("@")[0].encode()) <= MAX_NAME_LENGTH else None


def _somebodys(address: str) -> str | None:
    return None if is_nobodys_email(address) else address


@lru_cache(REMEMBERED)
def phone(value: str, country: str | None = None) -> str | None:
    """Returns a telephone number in E.164; None if it is invalid, or in national form without a country.

    `country` is a code of ISO 3166-1 alpha-2. A field that holds more than one person's number identifies nobody: two
    numbers, a number with an extension (which E.164 drops, so colleagues would become one), a service line.
    """
    written = _one_number(value)
    if written is None or is_nobodys_phone(written):
        return None
    try:
        number = phonenumbers.parse(written, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number) or number.extension:
        return None
    if phonenumbers.number_type(number) in SERVICE_LINES or is_nobodys_phone(str(number.national_number)):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


# A label such as `Tel.:`, and then digits with what is written between those of one number.
_WRITTEN: Final = re.compile(r"(?:[^\W\d_](?:[^\W\d_]|[.: ]){0,19}+)?(\(?\+?\(?\d[\d ().\-\u2010-\u2015\u2212·/]*)")
# What copying from a page or a directory leaves around a number, invisibly.
_INVISIBLE: Final = re.compile(r"[\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def _one_number(value: str) -> str | None:
    """Returns the number in a field, without its label; None if there stands more than one, or anything after it."""
    match = _WRITTEN.fullmatch(unicodedata.normalize("NFKC", _INVISIBLE.sub("", value)).strip())
    if match is None:
        return None
    written = match[1]
    area, slash, _ = written.rpartition("/")
    if not slash:
        return written
    international = written.lstrip("(").startswith(("+", "00"))
    digits = sum(one.isdecimal() for one in area)  # before the last slash stands the area's code, or another number
    return written if digits <= MAX_AREA_DIGITS + 2 * international else None


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
