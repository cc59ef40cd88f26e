"""Reports about all customers: what is counted, and what a picture or a document of it shows.

Shares are no part of a report: they follow exactly from its whole numbers.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

ABC_BOUNDS: Final = (("A", 80), ("B", 95), ("C", 100))
"""The classes, and the share of revenue in percent below which a class begins for the next customer in order."""

MAX_SIZE_POINTS: Final = 200  # a segment and picture: more than a step for every third pixel can't be seen
SIZE_STEPS_SECONDS: Final = (60, 300, 900, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, 86_400, 7 * 86_400)


class ReportName(StrEnum):
    """The reports that there are."""

    TIERS = "tiers"
    STAGES = "stages"
    RFM = "rfm"
    ABC = "abc"
    SIZES = "sizes"


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A tier or a stage, and how many customers stand there."""

    name: str
    customers: int


class GroupsReport(msgspec.Struct, frozen=True, kw_only=True):
    """Customers by tier, the highest first, or by stage, as a customer's life runs; also those without customers."""

    by: ReportName
    at: datetime
    groups: tuple[Group, ...]

    @property
    def customers(self) -> int:
        """How many customers there are."""
        return sum(one.customers for one in self.groups)


class RfmCell(msgspec.Struct, frozen=True, kw_only=True):
    """Customers with one recency and one frequency score, and what they spent."""

    recency: int
    frequency: int
    customers: int
    spend_minor: int


class RfmReport(msgspec.Struct, frozen=True, kw_only=True):
    """Customers by recency and frequency score, each from 1 to `levels` (best); spend in the policy's currency.

    Cells without customers are there, too: `levels` × `levels`, the highest recency first, the lowest frequency first.
    """

    at: datetime
    currency: str
    levels: int
    cells: tuple[RfmCell, ...]

    @property
    def customers(self) -> int:
        """How many customers have scores."""
        return sum(one.customers for one in self.cells)

    @property
    def spend_minor(self) -> int:
        """What they spent, in minor units."""
        return sum(one.spend_minor for one in self.cells)


class AbcPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What the first so many customers, by revenue, paid together, in minor units."""

    customers: int
    revenue_minor: int


class AbcClass(msgspec.Struct, frozen=True, kw_only=True):
    """A class of customers, by revenue, and what they paid together, in minor units."""

    name: str
    customers: int
    revenue_minor: int


class AbcReport(msgspec.Struct, frozen=True, kw_only=True):
    """How revenue is spread over those who paid anything; `points` are a part of the exact curve, with both ends."""

    at: datetime
    currency: str
    points: tuple[AbcPoint, ...]
    classes: tuple[AbcClass, ...]

    @property
    def customers(self) -> int:
        """How many customers paid anything."""
        return sum(one.customers for one in self.classes)

    @property
    def revenue_minor(self) -> int:
        """What they paid together, in minor units."""
        return sum(one.revenue_minor for one in self.classes)


class SizePoint(msgspec.Struct, frozen=True, kw_only=True):
    """How many members a segment has from a moment on, and how many entered and exited since the point before.

    The last two are null where nobody noted them.
    """

    at: datetime
    members: int
    entered: int | None = None
    exited: int | None = None


class SegmentSizes(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of one segment, in order of time."""

    segment_id: str
    name: str
    points: tuple[SizePoint, ...]


class SizesReport(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of segments between two moments. A segment keeps a size until its next point."""

    since: datetime
    at: datetime
    segments: tuple[SegmentSizes, ...]


def full_grid(cells: Sequence[RfmCell], *, levels: int) -> tuple[RfmCell, ...]:
    """Returns every cell of a grid, those without customers too, in the order of `RfmReport`."""
    known = {(one.recency, one.frequency): one for one in cells}
    return tuple(
        known.get(key, RfmCell(recency=key[0], frequency=key[1], customers=0, spend_minor=0))
        for key in ((recency, frequency) for recency in range(levels, 0, -1) for frequency in range(1, levels + 1))
    )


def size_step_seconds(seconds: float) -> int:
    """Returns the shortest step that cuts a time of this length into no more than `MAX_SIZE_POINTS` parts."""
    return next((one for one in SIZE_STEPS_SECONDS if seconds <= one * MAX_SIZE_POINTS), SIZE_STEPS_SECONDS[-1])
