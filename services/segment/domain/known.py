"""What profile says of a customer, as conditions ask for it; and which of it became another."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from services.segment.domain.conditions.customer import Date, dated
from shared.calendars.anniversaries import InvalidFactDate, parse
from shared.calendars.lunar import BeyondCalendar
from shared.contracts.changes import ProfileChanged

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

# Which facts of conditions each part of what profile says is for.
_WHOLE: Final[Mapping[str, str]] = {
    "zone": "zone",
    "consents": "consent",
    "orders": "figure",
    "spend_minor": "figure",
    "first_order_at": "figure",
    "last_order_at": "figure",
    "first_seen": "seen",
    "last_seen": "seen",
}
_BY_NAME: Final[Mapping[str, str]] = {"traits": "trait", "dates": "date", "identities": "identity"}

_encode: Final = msgspec.json.Encoder(order="sorted").encode


def fields(body: ProfileChanged) -> dict[str, Any]:
    """Returns what is stored of what profile says, by column; documents as JSON."""
    return {
        "profile_id": body.profile_id,
        "version": body.version,
        "zone": body.time_zone.name if body.time_zone is not None else "UTC",
        "language": body.language,
        "traits": _json(body.traits),
        "dates": _json(dates(body)),
        "identities": _json(body.identities),
        "consents": _json(_consents(body)),
        "orders": body.orders,
        "spend_minor": _json(body.spend_minor),
        "first_seen": body.first_seen,
        "last_seen": body.last_seen,
        "first_order_at": body.first_order_at,
        "last_order_at": body.last_order_at,
    }


def dates(body: ProfileChanged) -> dict[str, tuple[Date, ...]]:
    """Returns the dated facts, by kind; a trait that is a day in ISO's form is one, too, by its name."""
    found: dict[str, tuple[Date, ...]] = {}
    for one in body.dated_facts or ():
        try:
            made = dated(one.label, parse(one.date, one.calendar, one.leap_month))
        except (InvalidFactDate, BeyondCalendar):  # of a calendar that this release reckons otherwise
            continue
        found[one.kind] = (*found.get(one.kind, ()), made)
    for name, value in body.traits.items():
        if name in found or not isinstance(value, str) or not _DAY.fullmatch(value):
            continue
        try:
            found[name] = (dated("", parse(value)),)
        except InvalidFactDate:
            continue
    return found


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yields the facts that differ, as conditions name them: `trait:city`, `consent`, `figure`."""
    for name, key in _WHOLE.items():
        if before.get(name) != after.get(name):
            yield key
    for name, kind in _BY_NAME.items():
        if before.get(name) == after.get(name):
            continue
        one, other = (msgspec.json.decode(each.get(name) or "{}") for each in (before, after))
        for part in one.keys() | other.keys():
            if one.get(part) != other.get(part):
                yield f"{kind}:{part}"


def _consents(body: ProfileChanged) -> dict[str, bool]:
    if body.consents is None:
        return {f"{channel}:marketing": granted for channel, granted in body.consent.items()}
    return {f"{one.channel}:{one.purpose}": one.granted for one in body.consents}


def _json(value: object) -> str:
    return _encode(value).decode()
