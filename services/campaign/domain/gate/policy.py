"""The gate's policy: quiet hours, frequency, holdouts, same content and priorities, as data that a marketer writes."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from services.campaign.domain.journey.document import problem_of
from services.campaign.domain.journey.local_time import problems_of_time
from services.campaign.domain.journey.problems import Problem, nearest
from services.campaign.domain.message_definition import Positive, Purpose, Slug
from shared.calendars.zones import zone_names

Hours = Annotated[int, Meta(ge=1, le=8_760)]
Days = Annotated[int, Meta(ge=1, le=365)]
Words = Annotated[tuple[Purpose, ...], Meta(max_length=20)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Salt = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$", max_length=80)]
Priority = Annotated[int, Meta(ge=-100, le=100)]
NEVER: Final = "never"


class QuietHours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Times of day, in the customer's zone, at which nothing leaves: from `start` on until `end`, over midnight too.

    `channels`: by these; by any if empty. A message then waits for the end (`hold`), or is never sent (`skip`).
    """

    start: str
    end: str
    channels: Words = ()
    then: Literal["hold", "skip"] = "hold"


class FrequencyRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """At most so many messages to one customer within any so many `hours`, or within so many `days` of the calendar in
    the customer's zone, today being the last.

    It counts and bounds what goes by these `channels`, for these `purposes`, of these `definitions` (journeys and
    broadcasts): any, where it names none; but transactional messages only where `purposes` names them. A message that
    finds it full is never sent (`lose`), or waits until there is room (`hold`).
    """

    name: Slug
    messages: Positive
    hours: Hours | None = None
    days: Days | None = None
    channels: Words = ()
    purposes: Words = ()
    definitions: Annotated[tuple[Slug, ...], Meta(max_length=50)] = ()
    when_full: Literal["lose", "hold"] = "lose"


class Holdout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A share of customers who get nothing of a definition, so that its effect can be measured."""

    percent: Percent
    salt: Salt


class GlobalHoldout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A share of customers who get nothing but transactional messages; drawn anew when the period ends (in UTC)."""

    percent: Percent
    salt: Salt
    rotates: Literal["never", "month", "quarter", "year"] = "quarter"

    def salt_at(self, now: datetime) -> str:
        """Returns the salt of the period that an instant is in."""
        match self.rotates:
            case "month":
                return f"{self.salt}/{now:%Y-%m}"
            case "quarter":
                return f"{self.salt}/{now:%Y}-Q{(now.month + 2) // 3}"
            case "year":
                return f"{self.salt}/{now:%Y}"
            case "never":
                return self.salt


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a marketer bounds all messages by. The empty one leaves the settings' cap alone.

    `time_zone` is of customers whose own is not known. Without `frequency` the settings' cap holds; with none in it no
    rule does. `same_content_days`: who was handed a template gets it again only that many days later. Of messages of
    one customer that are due at once those of a higher priority come first; a definition without one has 0.
    """

    time_zone: str = "UTC"
    quiet_hours: Annotated[tuple[QuietHours, ...], Meta(max_length=10)] = ()
    frequency: Annotated[tuple[FrequencyRule, ...], Meta(max_length=20)] | None = None
    global_holdout: GlobalHoldout | None = None
    holdouts: Annotated[dict[Slug, Holdout], Meta(max_length=200)] = {}
    same_content_days: Days | None = None
    priorities: Annotated[dict[Slug, Priority], Meta(max_length=500)] = {}

    def priority(self, definition_id: str) -> int:
        """Returns a definition's priority."""
        return self.priorities.get(definition_id, 0)


class PolicyInForce(msgspec.Struct, frozen=True):
    """A policy and its version; 0 is the one that holds while nobody has written any."""

    version: int
    policy: Policy


DEFAULT: Final = PolicyInForce(0, Policy())


def read(document: Mapping[str, Any]) -> Policy | list[Problem]:
    """Returns the policy that a document writes, or what is wrong with it."""
    found = [*_of_entries(document, "holdouts", Holdout), *_of_entries(document, "priorities", Priority)]
    if found:
        return found
    try:
        policy = msgspec.convert(document, Policy)
    except msgspec.ValidationError as error:
        return [problem_of(error, "")]
    return list(_problems(policy)) or policy


def _of_entries(document: Mapping[str, Any], field: str, kind: Any) -> Iterator[Problem]:
    """Yields what is wrong with the entries of an object: a decoder of the whole does not say in which one it is."""
    entries = document.get(field)
    if isinstance(entries, Mapping):
        for name, entry in entries.items():
            try:
                msgspec.convert(entry, kind)
            except msgspec.ValidationError as error:
                yield problem_of(error, f"/{field}/{name.replace('~', '~0').replace('/', '~1')}")


def _problems(policy: Policy) -> Iterator[Problem]:
    if policy.time_zone not in zone_names():
        known = nearest(policy.time_zone, zone_names())
        yield Problem("/time_zone", f"{policy.time_zone[:40]!r} is no IANA time zone{known}")
    for n, quiet in enumerate(policy.quiet_hours):
        yield from problems_of_time(quiet.start, f"/quiet_hours/{n}/start")
        yield from problems_of_time(quiet.end, f"/quiet_hours/{n}/end")
        if quiet.start == quiet.end:
            yield Problem(f"/quiet_hours/{n}/end", "must differ from start: nothing would ever leave, or all would")
    names: set[str] = set()
    for n, rule in enumerate(policy.frequency or ()):
        if rule.name in names:
            yield Problem(f"/frequency/{n}/name", f"there is a rule {rule.name} before it")
        names.add(rule.name)
        if (rule.hours is None) == (rule.days is None):
            yield Problem(f"/frequency/{n}", "must have either hours, for any such time, or days of the calendar")
