"""A customer's way through the tiers, as a function of orders: which tier is reached, and which is kept, since when.

A path is a list of points, each a moment and the rank of the tier from then on. It begins at the start of time with
the lowest, and ends with what is so for ever if nothing more is bought. What is kept follows from what was reached,
replayed from the beginning: it does not matter who looked, or when.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from services.segment.domain.programmes.definition import AtAnniversary, Grace, Never, Programme
from services.segment.domain.programmes.windows import END_OF_TIME, START_OF_TIME, later


class Point(NamedTuple):
    """From this moment on, the tier of this rank."""

    at: datetime
    rank: int


Path = list[Point]
Review = Callable[[datetime], datetime]
"""Returns the first instant after one at which tiers are reviewed."""


def path_of(points: Iterable[Point]) -> Path:
    """Returns the path with these points, which are in order of time: of one moment the last counts.

    What would come at the end of time never does.
    """
    found: Path = []
    for one in points:
        if one.at >= END_OF_TIME:
            break
        if found and found[-1].at == one.at:
            found.pop()
        if not found or found[-1].rank != one.rank:
            found.append(one)
    return found


def reached(programme: Programme, counted: Iterable[tuple[datetime, datetime, int | None, object]]) -> Path:
    """Returns which tier the figure reaches, by (from, until, value, …) of what counts towards it."""
    changes: list[tuple[datetime, int]] = []
    for since, until, value, _ in counted:
        if value is not None:
            changes += (since, value), (until, -value)
    changes.sort()
    thresholds = [one.at_least for one in programme.tiers]
    points = [Point(START_OF_TIME, 0)]
    figure = 0
    for at, value in changes:
        figure += value
        points.append(Point(at, max(0, bisect_right(thresholds, figure) - 1)))
    return path_of(points)


def kept(programme: Programme, path: Path, review: Review) -> Path:
    """Returns which tier the customer has, by what the programme says of how a tier ends."""
    match programme.downgrade:
        case Never():
            return path_of(_highest_so_far(path))
        case Grace(days=days, one_step=False):
            return path_of(_highest_within(path, days))
        case Grace(days=days):
            return path_of(_falling_by_steps(path, days))
        case AtAnniversary(one_step=one_step):
            return path_of(_reviewed(path, review, one_step=one_step))
    return path


def _highest_so_far(path: Path) -> Iterable[Point]:
    rank = 0
    for one in path:
        rank = max(rank, one.rank)
        yield Point(one.at, rank)


def _highest_within(path: Path, days: int) -> Iterable[Point]:
    """At t, the highest tier that was reached at any moment in (t - days, t]."""
    ends = [later(end, days) for end in _ends(path)]
    moments = sorted({one.at for one in path} | {end for end in ends if end < END_OF_TIME})
    highest: deque[int] = deque()  # places in the path whose ranks fall: what is behind a higher one never shows
    begun = 0
    for moment in moments:
        while begun < len(path) and path[begun].at <= moment:
            while highest and path[highest[-1]].rank <= path[begun].rank:
                highest.pop()
            highest.append(begun)
            begun += 1
        while ends[highest[0]] <= moment < END_OF_TIME:
            highest.popleft()
        yield Point(moment, path[highest[0]].rank)


def _falling_by_steps(path: Path, days: int) -> Iterable[Point]:
    rank, below = 0, None
    for (at, now_reached), until in zip(path, _ends(path), strict=True):
        if now_reached >= rank:
            rank, below = now_reached, None
        elif below is None:
            below = at
        yield Point(at, rank)
        while below is not None and (fall := later(below, days)) < until:
            rank -= 1
            below = fall if rank > now_reached else None
            yield Point(max(fall, at), rank)


def _reviewed(path: Path, review: Review, *, one_step: bool) -> Iterable[Point]:
    rank = 0
    for (at, now_reached), until in zip(path, _ends(path), strict=True):
        rank = max(rank, now_reached)
        yield Point(at, rank)
        reviewed_at = at
        # A review at the very moment at which the figure changes goes by what it was until then: a year's figure.
        while rank > now_reached and (reviewed_at := review(reviewed_at)) <= until and reviewed_at < END_OF_TIME:
            rank = max(now_reached, rank - 1) if one_step else now_reached
            yield Point(reviewed_at, rank)


def _ends(path: Path) -> Sequence[datetime]:
    return [*(one.at for one in path[1:]), END_OF_TIME]
