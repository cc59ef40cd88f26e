"""Dated facts as senders state them, in one normal form: birthdays and other days that come again each year.

They stand in the trait `dated_facts`, a list of objects `{kind, label, date, calendar, leap_month}`; a plain trait such
as `birthday` is a fact of that kind, too. Part of the contract, because who takes a statement in, and tells its sender
what is wrong with it, must read it as who keeps it does. What is wrong costs that one fact, never the event, and no
text about it repeats what may be somebody's birthday.

Sources: the trait `birthday` of Segment's specification of identify, the claim `birthdate` of OpenID Connect Core 1.0,
section 5.1 (where a year 0000 is none), and ISO 8601 and RFC 6350 (vCard) for a day without its year.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final, Literal, get_args
from unicodedata import normalize

import msgspec

from shared.contracts.changes import DatedFact

TRAIT: Final = "dated_facts"
BIRTHDAY: Final = "birthday"
BIRTHDAY_TRAITS: Final = (
    *("birthday", "birthdate", "birth_date", "birthDate", "date_of_birth", "dateOfBirth", "dob", "DOB"),
)
"""Plain traits that are a birthday; of several the first that is a day counts."""

MAX_STATED: Final = 20  # in one list
MAX_LABEL_LENGTH: Final = 60  # characters
MAX_DATE_LENGTH: Final = 40  # characters
YEARS: Final = range(1800, 2200)  # others are the default of a language, or of another calendar
LUNAR_MONTHS: Final = range(1, 13)
LUNAR_DAYS: Final = range(1, 31)
_LEAP_YEAR: Final = 2000  # has every day that a date without a year may name

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_MEMBERS: Final = frozenset({"kind", "label", "date", "calendar", "leap_month"})
_Calendar = Literal["gregorian", "lunar"]
_CALENDARS: Final[tuple[_Calendar, ...]] = get_args(_Calendar)

# The year comes first, so that nobody has to guess which the month is. A time may only be the day's beginning, as
# libraries write a date: any other is a moment, and which day that was depends on where.
_WITH_YEAR: Final = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"(\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})(?:[T ]00:00(?::00(?:\.0{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?",
        r"(\d{4})(?P<month>\d\d)(?P<day>\d\d)",
        r"(\d{4})年(?P<month>\d{1,2})月(?P<day>\d{1,2})日?",
    )
)
_WITHOUT_YEAR: Final = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (r"--(?P<month>\d\d)-?(?P<day>\d\d)", r"(?P<month>\d{1,2})月(?P<day>\d{1,2})日")
)
_NO_YEAR: Final = 0  # as OpenID Connect writes it


class Statement(msgspec.Struct, frozen=True):
    """What is stated of one kind and label: a fact, or None for that there is none any more.

    `explicit`: it stands in the list, and not in a plain trait.
    """

    kind: str
    label: str
    fact: DatedFact | None
    explicit: bool


class Stated(msgspec.Struct, frozen=True):
    """What traits say: at most one statement of a kind and label, and what is wrong with the others, and where."""

    statements: tuple[Statement, ...] = ()
    refused: tuple[str, ...] = ()


NOTHING: Final = Stated()
NAMES: Final = frozenset({TRAIT, *BIRTHDAY_TRAITS})
"""The names of all traits that are looked at here."""


class _Refused(ValueError):
    """This is no dated fact."""


def stated(traits: Mapping[str, Any]) -> Stated:
    """Returns what these traits say. Of two of one kind and label the later one counts, and the list before a trait."""
    if NAMES.isdisjoint(traits):
        return NOTHING
    found: dict[tuple[str, str], Statement] = {}
    refused: list[str] = []
    for statement in (*_of_plain_traits(traits, refused), *_of_list(traits.get(TRAIT), refused)):
        found[statement.kind, statement.label] = statement
    return Stated(tuple(found.values()), tuple(refused))


def _of_plain_traits(traits: Mapping[str, Any], refused: list[str]) -> Iterator[Statement]:
    for name in BIRTHDAY_TRAITS:
        if (value := traits.get(name)) in (None, ""):
            continue
        try:
            day = _gregorian(value)
        except _Refused as error:
            refused.append(f"traits.{name}: {error}")
        else:
            yield Statement(BIRTHDAY, "", DatedFact(kind=BIRTHDAY, date=day), explicit=False)
            return


def _of_list(listed: Any, refused: list[str]) -> Iterator[Statement]:
    if listed is None:
        return
    if not isinstance(listed, list):
        refused.append(f"traits.{TRAIT}: not a list; send a list of objects with kind and date")
        return
    if len(listed) > MAX_STATED:
        refused.append(f"traits.{TRAIT}: more than {MAX_STATED}; only the first {MAX_STATED} are read")
    for place, one in enumerate(listed[:MAX_STATED]):
        try:
            yield _statement(one)
        except _Refused as error:
            refused.append(f"traits.{TRAIT}[{place}]{error}")


def _statement(one: Any) -> Statement:
    if not isinstance(one, dict):
        raise _Refused(": not an object; send one with kind and date")
    if unknown := one.keys() - _MEMBERS:
        raise _Refused(f": {len(unknown)} members that are not known; there are {', '.join(sorted(_MEMBERS))}")
    kind, label, calendar, leap = _kind(one), _label(one), _calendar(one), one.get("leap_month")
    if "date" not in one:
        raise _Refused(".date: required; send YYYY-MM-DD, --MM-DD, or null if there is no such day any more")
    if not isinstance(leap, bool | None):
        raise _Refused(".leap_month: not true or false")
    if leap and calendar != "lunar":
        raise _Refused(".leap_month: only the lunar calendar has leap months")
    if one["date"] is None:
        return Statement(kind, label, None, explicit=True)
    try:
        day = _lunar(one["date"]) if calendar == "lunar" else _gregorian(one["date"])
    except _Refused as error:
        raise _Refused(f".date: {error}") from None
    fact = DatedFact(kind=kind, label=label, date=day, calendar=calendar, leap_month=bool(leap))
    return Statement(kind, label, fact, explicit=True)


def _kind(one: Mapping[str, Any]) -> str:
    value = one.get("kind")
    kind = value.strip().lower() if isinstance(value, str) and len(value) <= MAX_LABEL_LENGTH else ""
    if not _KIND.fullmatch(kind):
        raise _Refused(".kind: not a name of 1 to 40 letters, digits and _, such as birthday or child_birthday")
    return kind


def _label(one: Mapping[str, Any]) -> str:
    value = one.get("label")
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_LABEL_LENGTH or _CONTROL.search(value):
        raise _Refused(f".label: not a text of at most {MAX_LABEL_LENGTH} characters")
    # However a keyboard writes a name, it is one label.
    return " ".join(normalize("NFC", value).split())


def _calendar(one: Mapping[str, Any]) -> _Calendar:
    value = one.get("calendar")
    for calendar in _CALENDARS:
        if value is None or (isinstance(value, str) and value.strip().lower() == calendar):
            return calendar
    raise _Refused(f".calendar: must be {' or '.join(_CALENDARS)}")


def _gregorian(value: Any) -> str:
    year, month, day = _parts(value)
    try:
        date(year or _LEAP_YEAR, month, day)
    except ValueError:
        raise _Refused("there is no such day") from None
    return _written(year, month, day)


def _lunar(value: Any) -> str:
    """Whether that year had that leap month, or a 30th day in it, is for those to say who convert it."""
    year, month, day = _parts(value)
    if month not in LUNAR_MONTHS or day not in LUNAR_DAYS:
        raise _Refused("there is no such day; a lunar year has months 1 to 12, of at most 30 days")
    return _written(year, month, day)


def _parts(value: Any) -> tuple[int, int, int]:
    """The year (0 if there is none), the month and the day."""
    text = value.strip() if isinstance(value, str) and len(value) <= MAX_DATE_LENGTH else ""
    for pattern in _WITHOUT_YEAR:
        if match := pattern.fullmatch(text):
            return _NO_YEAR, int(match["month"]), int(match["day"])
    for pattern in _WITH_YEAR:
        if match := pattern.fullmatch(text):
            year = int(match[1])
            if year != _NO_YEAR and year not in YEARS:
                raise _Refused(f"its year is not from {YEARS[0]} to {YEARS[-1]}; send --MM-DD if it is not known")
            return year, int(match["month"]), int(match["day"])
    raise _Refused("not a day; send YYYY-MM-DD, or --MM-DD without the year")


def _written(year: int, month: int, day: int) -> str:
    return f"{year:04}-{month:02}-{day:02}" if year else f"--{month:02}-{day:02}"
