"""Lengths of time in definitions: ISO 8601 with their unit, so that no number is ever taken for another unit."""

from collections.abc import Iterator
from datetime import timedelta

from services.campaign.domain.journey.problems import Problem
from shared.calendars.durations import InvalidDuration, parse


def length(text: str) -> timedelta:
    """Returns the length that a valid text states, such as `P3D` or `PT30M`."""
    return parse(text)


def problems_of_length(text: str, at: str) -> Iterator[Problem]:
    """Yields what is wrong with the text of a length."""
    try:
        parse(text)
    except InvalidDuration as error:
        yield Problem(at, str(error))
