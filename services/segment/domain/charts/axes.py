"""Where the marks of an axis stand, and what is written there."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from services.segment.domain.charts import formats
from services.segment.domain.charts.formats import Language

_HOUR: Final = 3_600
_DAY: Final = 86_400
_STEPS_SECONDS: Final = (
    *(_HOUR // 4, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY, 91 * _DAY, 182 * _DAY, 364 * _DAY),
)
_MONTHS_FROM: Final = 300 * _DAY  # a picture of so much time names months and years
_EPOCH: Final = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday: steps of weeks begin on it


def counts(highest: int, *, marks: int = 5) -> Sequence[int]:
    """Returns round numbers from 0 to one that is `highest` or more, about `marks` of them."""
    step = _round_step(max(highest, 1), marks)
    return range(0, -(-max(highest, 1) // step) * step + 1, step)


def _round_step(highest: int, marks: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, … that needs no more marks."""
    tens = 1
    while True:
        for step in (tens, 2 * tens, 5 * tens):
            if step * marks >= highest:
                return step
        tens *= 10


def moments(since: datetime, until: datetime, language: Language, *, marks: int = 6) -> list[tuple[datetime, str]]:
    """Returns round moments in UTC between two moments, no more than `marks` and one, and what is written there."""
    span = (until - since).total_seconds()
    seconds = next((one for one in _STEPS_SECONDS if one * marks >= span), None)
    if seconds is None:
        seconds = -(-int(span) // (marks * _STEPS_SECONDS[-1])) * _STEPS_SECONDS[-1]
    step = timedelta(seconds=seconds)
    at = _EPOCH + -((_EPOCH - since) // step) * step
    found = []
    while at <= until:
        found.append((at, _written(at, seconds, span, language)))
        at += step
    return found


def _written(at: datetime, step: int, span: float, language: Language) -> str:
    if step < _DAY and (at.hour, at.minute) != (0, 0):
        return formats.clock(at)
    return formats.month(at, language) if span >= _MONTHS_FROM else formats.day_of_year(at, language)
