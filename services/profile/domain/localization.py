"""The time zone and the language of a customer: what their events say of them, as a join, and which word counts.

Kept is the newest valid word of each origin: the customer's own (a trait of an identify call), a system's
(`TraitSet`), and the context that an event came in. What is not valid says nothing, so it overrides nothing. Of two
contexts the newer one counts, whoever sent it: it says where somebody is, not who may be believed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from shared.contracts import localities
from shared.contracts.changes import TimeZone
from shared.contracts.envelope import TRUST, Event, SourceKind, Stamp
from shared.contracts.events import CustomerIdentified, MessageFact, TraitSet

Origin = Literal["customer", "trait", "context"]
ORIGINS: Final[tuple[Origin, ...]] = ("customer", "trait", "context")
"""In the order in which they count."""

COMPANY_TIME_ZONE: Final = "UTC"  # unless the setting says another

_ZONE, _LANGUAGE, _COUNTRY = "zone", "language", "country"


class StampedValue(msgspec.Struct, frozen=True, array_like=True):
    """A zone, a language or a country in its normal form, and the stamp of the event that states it."""

    stamp: Stamp
    value: str


class Language(msgspec.Struct, frozen=True):
    """A customer's language as a tag of BCP 47, and what it is known by."""

    tag: str
    by: Origin


def in_traits(body: CustomerIdentified | TraitSet, stamp: Stamp) -> dict[str, StampedValue]:
    """Returns what an event's traits say, by what and origin. `stamp` is that of its traits."""
    origin: Origin = "customer" if isinstance(body, CustomerIdentified) else "trait"
    return {f"{what}:{origin}": StampedValue(stamp, value) for what, value in _words(body.traits)}


def _words(traits: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if zone := _first(traits, localities.ZONE_TRAITS, localities.zone_named):
        yield _ZONE, zone
    if language := _first(traits, localities.LANGUAGE_TRAITS, localities.language_tag):
        yield _LANGUAGE, language
    if country := localities.country_in(traits):
        yield _COUNTRY, country


def _first(traits: Mapping[str, Any], names: tuple[str, ...], read: Callable[[Any], str | None]) -> str | None:
    return next((found for name in names if (found := read(traits.get(name))) is not None), None)


def in_context(event: Event) -> dict[str, StampedValue]:
    """Returns what the context of an event says, by what and origin. A program's own zone and place are nobody's."""
    context = event.context
    if context is None or isinstance(event.body, MessageFact):  # mail programs fetch from anywhere
        return {}
    is_program = context.agent is not None and context.agent.bot
    if is_program and event.source_kind is SourceKind.PUBLIC:
        return {}
    country = None if is_program or context.geo is None else localities.country_code(context.geo.country)
    words = {
        _ZONE: localities.zone_named(context.timezone),
        _LANGUAGE: localities.language_tag(context.locale),
        _COUNTRY: country,
    }
    if not any(words.values()):
        return {}
    stamp = msgspec.structs.replace(event.stamp, trust=TRUST[SourceKind.PUBLIC])
    return {f"{what}:context": StampedValue(stamp, value) for what, value in words.items() if value}


def merge(one: dict[str, StampedValue], other: dict[str, StampedValue]) -> dict[str, StampedValue]:
    """Returns the newest words of both."""
    if not one or not other:
        return one or other
    joined = dict(one)
    for name, word in other.items():
        mine = joined.get(name)
        if mine is None or mine.stamp < word.stamp:
            joined[name] = word
    return joined


def time_zone(words: Mapping[str, StampedValue], *, company: str) -> TimeZone:
    """Returns a customer's time zone. `company` is the zone of the company's setting, where nothing else says one."""
    for origin in ORIGINS:
        if (zone := words.get(f"{_ZONE}:{origin}")) is not None:
            return TimeZone(name=zone.value, by=origin)
    country = _by_origin(words, _COUNTRY)
    if country is not None and (of_country := localities.zone_of_country(country[1])) is not None:
        return TimeZone(name=of_country, by="country")
    return TimeZone(name=company, by="company")


def language(words: Mapping[str, StampedValue]) -> Language | None:
    """Returns a customer's language; None if nothing says one."""
    found = _by_origin(words, _LANGUAGE)
    return None if found is None else Language(found[1], found[0])


def _by_origin(words: Mapping[str, StampedValue], what: str) -> tuple[Origin, str] | None:
    return next(((one, words[name].value) for one in ORIGINS if (name := f"{what}:{one}") in words), None)
