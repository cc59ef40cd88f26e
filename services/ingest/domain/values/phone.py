"""Telephone numbers in E.164, and the country by which one in national form is read.

A wrong country makes another person's number of it, so only what speaks of the customer, or of all customers of a
source, is evidence: no language, no address of a connection. Why so: docs/decisions/0042-national-phone-numbers.md.
"""

from collections.abc import Mapping
from typing import Any, Final

import phonenumbers

from shared.contracts import normal_form
from shared.contracts.identity import MAX_VALUE_LENGTH

COUNTRIES: Final = frozenset(phonenumbers.SUPPORTED_REGIONS)  # ISO 3166-1 alpha-2, of those with a numbering plan
EXAMPLE: Final = "an ISO 3166-1 alpha-2 code such as DE"


def country(value: Any) -> str | None:
    """Returns the code of a country in capitals, as ISO 3166-1 alpha-2 has it; None for anything else."""
    if not isinstance(value, str) or not value.isascii():
        return None
    code = value.strip().upper()
    return code if code in COUNTRIES else None


def country_of(traits: Mapping[str, Any], source_country: str | None) -> str | None:
    """Returns the country by which a national number among these traits is read: the customer's, else the source's.

    None if the traits name a country by anything but its code: it may be another than the source's.
    """
    address = traits.get("address")
    stated = (traits.get("country"), address.get("country") if isinstance(address, dict) else None)
    for value in stated:
        if (code := country(value)) is not None:
            return code
    return source_country if all(_is_empty(value) for value in stated) else None


def _is_empty(value: Any) -> bool:
    return not (value.strip() if isinstance(value, str) else value)


def normal(traits: Mapping[str, Any], source_country: str | None) -> str | None:
    """Returns the number among these traits in E.164; None if there is none, or it can't be read."""
    value = traits.get("phone")
    if not isinstance(value, str) or not 0 < len(value) <= MAX_VALUE_LENGTH:
        return None
    return normal_form.phone(value, None if value[0] == "+" else country_of(traits, source_country))


def is_unread(traits: Mapping[str, Any]) -> bool:
    """Returns whether these traits, in their normal form, have a number that links nobody: it could not be read."""
    value = traits.get("phone")
    return not _is_empty(value) and normal(traits, None) is None
