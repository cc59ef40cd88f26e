"""Time zones, languages and countries as senders write them, in one normal form.

Zones are those of the IANA time zone database, as the package `tzdata` has it: names that only some machine's own files
have would mean nothing to other readers. Languages are tags of BCP 47 (RFC 5646): language, script and region.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

REMEMBERED_LANGUAGES: Final = 1_024
MAX_TAG_LENGTH: Final = 64  # characters

# Names of traits, in the order in which they count; `zoneinfo` and `locale` are claims of OpenID Connect Core 1.0.
ZONE_TRAITS: Final = ("timezone", "time_zone", "timeZone", "$timezone", "zoneinfo", "tz")
LANGUAGE_TRAITS: Final = ("language", "preferred_language", "preferredLanguage", "lang", "locale")
COUNTRY_TRAITS: Final = ("country", "country_code", "countryCode")
_ADDRESS: Final = "address"  # whose member `country` counts after these, as in Segment's specification

_NO_ZONES: Final = frozenset({"Factory"})  # of a machine whose zone was never set

_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3})(?:[-_](?P<script>[a-z]{4}))?(?:[-_](?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?:[-_.@;,][\x21-\x7e]*)?",
    re.ASCII | re.IGNORECASE,
)
_UNDETERMINED: Final = "und"


def zone_named(value: Any) -> str | None:
    """Returns the zone of this name as IANA spells it, whatever its capitals; None if there is none."""
    return _zones().get(value.strip().lower()) if isinstance(value, str) and len(value) <= MAX_TAG_LENGTH else None


def language_tag(value: Any) -> str | None:
    """Returns a language's tag, its parts in their usual capitals: `zh_hans_cn.UTF-8` is `zh-Hans-CN`. None for a text
    that is no tag.
    """
    return _language_tag(value) if isinstance(value, str) and len(value) <= MAX_TAG_LENGTH else None


def country_code(value: Any) -> str | None:
    """Returns a country's code of two letters (ISO 3166-1) in capitals; None if the database knows no such country."""
    if not isinstance(value, str) or len(value) > MAX_TAG_LENGTH:
        return None
    code = value.strip().upper()
    return code if code in _zones_by_country() else None


def country_in(traits: Mapping[str, Any]) -> str | None:
    """Returns the country that these traits name; None if there is none."""
    for name in COUNTRY_TRAITS:
        if (code := country_code(traits.get(name))) is not None:
            return code
    address = traits.get(_ADDRESS)
    return country_code(address.get("country")) if isinstance(address, dict) else None


@cache
def zone_of_country(code: str) -> str | None:
    """Returns the zone of a country that has one; None for one that has several, or that is not known.

    Zones whose clocks agree from now on are one: Germany's second, Büsingen, left Berlin's time for a while long ago.
    Their rule from now on is the last line of their file (RFC 9636, section 3.3).
    """
    zones = _zones_by_country().get(code, ())
    return zones[0] if zones and len({_rule(zone) for zone in zones}) == 1 else None


@cache
def _zones() -> Mapping[str, str]:
    names = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return {name.lower(): name for name in names if name not in _NO_ZONES}


@cache
def _zones_by_country() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    for line in table.splitlines():
        if line and not line.startswith("#"):
            code, _, zone, *_ = line.split("\t")
            found[code] = (*found.get(code, ()), zone)
    return found


def _rule(zone: str) -> bytes:
    return files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes().rstrip(b"\n").rpartition(b"\n")[2]


@lru_cache(REMEMBERED_LANGUAGES)
def _language_tag(value: str) -> str | None:
    match = _TAG.fullmatch(value.strip())
    if match is None or (language := match["language"].lower()) == _UNDETERMINED:
        return None
    script, region = match["script"], match["region"]
    return "-".join(filter(None, (language, script and script.title(), region and region.upper())))
