"""Answers that must not be older than an event: how far this service has read, by the positions that profile gives."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec

from services.segment.repository import evaluation
from shared.contracts.topics import PARTITIONS, PROFILE_EVENTS
from shared.database.database import Work
from shared.errors import AppError, Invalid
from shared.kafka.producer import key_place

RETRY_AFTER: Final = "1"  # seconds


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where an event of a customer lies: what profile stamped it with, and the id that the customer has in it."""

    origin: int
    sequence: int
    profile_id: UUID | None = None


class NotReadYet(AppError):
    """Segment has not read as far as that; try again later."""

    status = HTTPStatus.TOO_EARLY


class NobodysPosition(Invalid):
    """It is not clear whose event a position is."""


async def require_read(work: Work, positions: Sequence[Position], profile_ids: Sequence[UUID]) -> None:
    """Raises `NotReadYet` unless the events at these positions have been read, or `NobodysPosition`.

    Sequences of an origin grow within a partition, and a customer's events lie in one: so whose event it is must be
    known, and is where one customer alone is asked about.
    """
    wanted: dict[tuple[int, int], int] = {}
    for n, one in enumerate(positions):
        owner = one.profile_id or (profile_ids[0] if len(set(profile_ids)) == 1 else None)
        if owner is None:
            raise NobodysPosition(f"after/{n}/profile_id: must be given where several customers are asked about")
        place = key_place(owner.bytes, PARTITIONS).partition, one.origin
        wanted[place] = max(one.sequence, wanted.get(place, one.sequence))
    marks = await evaluation.marks(work, PROFILE_EVENTS, wanted) if wanted else {}
    behind = [
        origin for (partition, origin), sequence in wanted.items() if marks.get((partition, origin), -1) < sequence
    ]
    if behind:
        raise NotReadYet(
            f"not all events of origin {behind[0]} have been read up to there", headers={"Retry-After": RETRY_AFTER}
        )
