"""Who is to blame when records are refused: one source, or the reader. Pure: counts in, a verdict out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from shared.kafka.dead_letters.sources import OURS

# A bad deploy must stop, not drain a topic into its dead letters.
MAX_DEAD_RATIO: Final = 0.1
MIN_SAMPLE: Final = 200  # records; below this a ratio says little
WINDOW: Final = 10_000  # records that the ratio speaks of
SOURCE_SAMPLE: Final = 20  # records of one source; with fewer it is neither ill nor well
MANY_SOURCES: Final = 3  # that are refused at once, and more than half of all: then it is the reader


class Verdict(msgspec.Struct, frozen=True):
    """What is to be done: stop the partition for this reason, or block these sources, or neither."""

    stop: str | None = None
    block: tuple[str, ...] = ()


@dataclass(slots=True)
class Recent:
    """What one holder of a partition has seen lately: records applied, by source, and faults with none between.

    In memory: who takes the partition next begins anew, and needs a sample of its own before it judges.
    """

    applied: Counter[str] = field(default_factory=Counter)
    faults_in_a_row: int = 0

    def note(self, applied: Mapping[str, int], faults_in_a_row: int) -> None:
        """Notes that a batch was committed."""
        self.applied.update(applied)
        self.faults_in_a_row = faults_in_a_row
        if self.applied.total() > WINDOW:
            self.applied = Counter({source: count // 2 for source, count in self.applied.items() if count > 1})


def too_many(*, seen: int, dead: int) -> bool:
    """Returns whether this many dead letters are more than a few wrong records."""
    return seen >= MIN_SAMPLE and dead / seen > MAX_DEAD_RATIO


def longest_run(before: int, faulted: Iterable[bool]) -> tuple[int, int]:
    """Returns how many faults came one after the other at most, and at the end, after `before` of them."""
    longest = run = before
    for fault in faulted:
        run = run + 1 if fault else 0
        longest = max(longest, run)
    return longest, run


def judge(*, seen: int, dead: int, refused: Mapping[str, int], applied: Mapping[str, int]) -> Verdict:
    """Decides who is to blame for `dead` of `seen` records.

    `refused` and `applied` are by source. A source is ill if more than `MAX_DEAD_RATIO` of its own records are
    refused. Blocked are those that are ill, unless they are the greater part of all sources, or our own services are
    among them, or none is ill alone: then something is wrong with this reader.
    """
    if not too_many(seen=seen, dead=dead):
        return Verdict()
    known = {source for source in refused.keys() | applied if _total(source, refused, applied) >= SOURCE_SAMPLE}
    ill = sorted(
        source for source in known if refused.get(source, 0) > MAX_DEAD_RATIO * _total(source, refused, applied)
    )
    if OURS in ill:
        return Verdict(stop="of what our own services say")
    if not ill or (len(ill) >= MANY_SOURCES and 2 * len(ill) > len(known)):
        return Verdict(stop=f"of {len(refused)} sources")
    return Verdict(block=tuple(ill))


def _total(source: str, refused: Mapping[str, int], applied: Mapping[str, int]) -> int:
    return refused.get(source, 0) + applied.get(source, 0)
