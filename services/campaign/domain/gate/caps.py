"""Counting what was handed over against rules of frequency."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from services.campaign.domain.gate.policy import FrequencyRule, Policy
from services.campaign.domain.gate.situation import Candidate, Handed
from shared.calendars.zones import local_date, next_local_midnight, start_of_local_day
from shared.contracts.consent import TRANSACTIONAL

_DAY = timedelta(days=1)


def concerns(rule: FrequencyRule, *, channel: str, purpose: str, definition_id: str) -> bool:
    """Returns whether a rule counts, and bounds, such messages."""
    return (
        (purpose in rule.purposes if rule.purposes else purpose != TRANSACTIONAL)
        and (not rule.channels or channel in rule.channels)
        and (not rule.definitions or definition_id in rule.definitions)
    )


def bounds(rule: FrequencyRule, candidate: Candidate) -> bool:
    """Returns whether a rule bounds this message."""
    definition = candidate.definition
    return concerns(rule, channel=definition.channel, purpose=definition.purpose, definition_id=definition.id)


def counted(rule: FrequencyRule, history: Iterable[Handed], *, now: datetime, zone: str) -> list[Handed]:
    """Returns what a rule counts, the earliest first.

    What is later than now counts, too: then no order of clocks lets more through than the rule allows.
    """
    if rule.hours is not None:
        start = now - timedelta(hours=rule.hours)
        within = [one for one in history if one.at > start]
    else:
        assert rule.days is not None, "a policy with a rule of neither is refused"
        first = start_of_local_day(local_date(now, zone) - (rule.days - 1) * _DAY, zone)
        within = [one for one in history if one.at >= first]
    found = [
        one for one in within if concerns(rule, channel=one.channel, purpose=one.purpose, definition_id=one.journey_id)
    ]
    return sorted(found, key=lambda one: one.at)


def room_at(rule: FrequencyRule, found: Sequence[Handed], *, now: datetime, zone: str) -> datetime:
    """Returns when a full rule may have room again: for calendar days the next midnight of the customer's."""
    if rule.hours is None:
        return next_local_midnight(now, zone)
    return found[len(found) - rule.messages].at + timedelta(hours=rule.hours)


def reach(policy: Policy, *more: FrequencyRule) -> timedelta:
    """Returns how far back the history must go for a policy and other rules."""
    rules = (*(policy.frequency or ()), *more)
    reaches = [timedelta(hours=rule.hours) if rule.hours else (rule.days or 0) * _DAY + 2 * _DAY for rule in rules]
    return max([*reaches, (policy.same_content_days or 0) * _DAY])
