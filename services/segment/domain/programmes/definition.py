"""A programme of tiers as somebody defines it, and what makes a definition invalid."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import Meta

from services.segment.domain.documents import DefinitionProblem, InvalidDefinition, not_among, problems_of

MAX_TIERS: Final = 20
MAX_DAYS: Final = 36_500  # a window or a grace of a hundred years
MAX_AMOUNT: Final = (1 << 53) - 1  # what every reader of JSON can hold
SLUG: Final = r"^[a-z0-9]+(-[a-z0-9]+)*$"  # of a programme's id, which stands in addresses

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Days = Annotated[int, Meta(ge=1, le=MAX_DAYS)]
Amount = Annotated[int, Meta(ge=0, le=MAX_AMOUNT)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217")]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a definition: what it does not know is an error, not ignored."""


class Rolling(_Part, frozen=True, kw_only=True, tag_field="kind", tag="rolling"):
    """The last so many days of exactly 24 hours."""

    days: Days


class CalendarPeriod(_Part, frozen=True, kw_only=True, tag_field="kind", tag="calendar"):
    """The current month, quarter or year of the calendar, in the programme's zone."""

    unit: Literal["month", "quarter", "year"]


class MembershipYear(_Part, frozen=True, kw_only=True, tag_field="kind", tag="membership_year"):
    """The year that began on the day of the customer's first order, or on its last anniversary, at midnight."""


class Lifetime(_Part, frozen=True, kw_only=True, tag_field="kind", tag="lifetime"):
    """All that the customer ever bought."""


Window = Rolling | CalendarPeriod | MembershipYear | Lifetime


class AtOnce(_Part, frozen=True, kw_only=True, tag_field="kind", tag="at_once"):
    """A tier ends as soon as the figure does not reach it."""


class Never(_Part, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """No tier that was reached is taken away."""


class Grace(_Part, frozen=True, kw_only=True, tag_field="kind", tag="grace"):
    """A tier is kept for so many days of 24 hours after the figure last reached it.

    `one_step`: then it falls by one tier, and by another each time that so many days have passed again.
    """

    days: Days
    one_step: bool = False


class AtAnniversary(_Part, frozen=True, kw_only=True, tag_field="kind", tag="anniversary"):
    """A tier is kept until a year ends: then it is what the figure at the end of that year reaches.

    `of` says which year: the customer's, from the day of the first order, or the calendar's. `one_step`: it falls by
    one tier a year at most.
    """

    of: Literal["membership", "calendar"] = "membership"
    one_step: bool = False


Downgrade = AtOnce | Never | Grace | AtAnniversary


class Benefit(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """What a tier gives. `details` are for whoever grants it; the cost is of one customer for a year."""

    name: Name
    description: Annotated[str, Meta(max_length=1_000)] = ""
    details: Annotated[dict[Name, str | int | float | bool | None], Meta(max_length=50)] = {}
    cost_minor_per_year: Amount | None = None


class ProgrammeTier(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """A tier, and the least figure that reaches it: minor units of the currency, or a number of orders."""

    name: Name
    at_least: Amount
    benefits: Annotated[tuple[Benefit, ...], Meta(max_length=50)] = ()

    @property
    def cost_minor_per_year(self) -> int:
        """What a customer of this tier costs in a year, as far as its benefits say."""
        return sum(one.cost_minor_per_year or 0 for one in self.benefits)


class Programme(_Part, frozen=True, kw_only=True):
    """A programme of tiers. `tiers` rise by `at_least` and begin at 0.

    A customer rises at once; `downgrade` says how a tier ends. `warn_days` before it ends by time alone the standing
    has a warning. Amounts in other currencies are converted at the rate of the order's day; without one they are not
    counted.
    """

    title: Annotated[str, Meta(max_length=200)] = ""
    basis: Literal["spend", "orders", "margin"] = "spend"
    currency: Currency = "USD"
    zone: Annotated[str, Meta(max_length=100, description="IANA")] = "UTC"
    window: Window
    tiers: Annotated[tuple[ProgrammeTier, ...], Meta(min_length=1, max_length=MAX_TIERS)]
    downgrade: Downgrade = msgspec.field(default_factory=AtOnce)
    warn_days: Annotated[int, Meta(ge=0, le=MAX_DAYS)] = 0

    def rank(self, tier: str | None) -> int:
        """Returns a tier's place, from 0; -1 for one that the programme does not have (any more)."""
        return next((n for n, one in enumerate(self.tiers) if one.name == tier), -1)

    @property
    def lowest(self) -> str:
        """The tier of everybody."""
        return self.tiers[0].name


DEFAULT: Final = "default"  # the programme whose tier is in `standings`; it comes with the service
DEFAULT_PROGRAMME: Final = Programme(
    window=Rolling(days=365),
    tiers=(
        ProgrammeTier(name="bronze", at_least=0),
        ProgrammeTier(name="silver", at_least=100_00),
        ProgrammeTier(name="gold", at_least=250_00),
        ProgrammeTier(name="diamond", at_least=1_000_00),
    ),
)


def parse(document: object, *, at: str = "") -> Programme:
    """Returns the programme that a decoded JSON document defines, which stands at a JSON pointer.

    Raises `InvalidDefinition` with all that is wrong.
    """
    problems = [*problems_of(document, Programme, at=at), *_not_meant(document, at)]
    if problems:
        raise InvalidDefinition(problems)
    try:
        return msgspec.convert(document, Programme)
    except msgspec.ValidationError as error:  # whatever the two don't judge alike
        raise InvalidDefinition([DefinitionProblem(at, str(error))]) from error


def schema() -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) of a definition."""
    return msgspec.json.schema(Programme)


def _not_meant(document: Any, at: str) -> Iterator[DefinitionProblem]:
    """What no type says: zones that exist, tiers that rise. Members of the wrong type are passed over here."""
    if not isinstance(document, dict):
        return
    zone = document.get("zone")
    if isinstance(zone, str) and not _is_zone(zone):
        yield not_among(f"{at}/zone", "there is no such time zone", zone, sorted(available_timezones()))
    if document.get("basis") == "points":
        yield DefinitionProblem(f"{at}/basis", "there are no points yet")
    tiers = document.get("tiers")
    if isinstance(tiers, list):
        yield from _not_rising([one for one in tiers if isinstance(one, dict)], f"{at}/tiers")


def _not_rising(tiers: list[dict[str, Any]], at: str) -> Iterator[DefinitionProblem]:
    seen: dict[str, int] = {}
    before: int | None = None
    for place, one in enumerate(tiers):
        name, amount = one.get("name"), one.get("at_least")
        if isinstance(name, str) and seen.setdefault(name, place) != place:
            yield DefinitionProblem(f"{at}/{place}/name", f"is the name of tier {seen[name]}, too")
        if type(amount) is not int:
            continue
        if place == 0 and amount != 0:
            yield DefinitionProblem(f"{at}/0/at_least", "must be 0: the lowest tier is everybody's")
        if before is not None and amount <= before:
            yield DefinitionProblem(f"{at}/{place}/at_least", f"must be more than {before}, of the tier before it")
        before = amount


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there, no path, a folder
        return False
    return True
