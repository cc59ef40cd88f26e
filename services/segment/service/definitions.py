"""The definitions in force, read again only after they have changed."""

from collections import OrderedDict
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

import msgspec

from services.segment.domain.conditions.base import Limits
from services.segment.domain.conditions.document import InvalidCondition, read
from services.segment.domain.definitions import Definition, Definitions, definitions, ready
from services.segment.repository import segments as repository
from services.segment.repository.segments import VersionRow
from shared.database.database import Work
from shared.service.logging import get_logger

log: Final = get_logger(__name__)

HISTORY_DAYS: Final = 730
LIMITS: Final = Limits(history=timedelta(days=HISTORY_DAYS))
# What was stored is compiled whatever the limits are now: a definition in force must not stop because of a setting.
_ANY: Final = Limits(history=timedelta(days=100_000))
REMEMBERED: Final = 8


class Remembered:
    """Compiled definitions by the revision that they are of: a revision is a random id, so it means one thing alone."""

    def __init__(self) -> None:
        self._by_revision: OrderedDict[UUID, Definitions] = OrderedDict()

    async def in_force(self, work: Work) -> Definitions:
        """Returns the definitions in force."""
        revision = await repository.revision(work)
        found = self._by_revision.get(revision)
        if found is None:
            found = definitions([one for row in await repository.in_force(work) if (one := _ready(work, row))])
            self._by_revision[revision] = found
            if len(self._by_revision) > REMEMBERED:
                self._by_revision.popitem(last=False)
        return found


_remembered: Final = Remembered()


async def in_force(work: Work) -> Definitions:
    """Returns the definitions in force, compiled: one small read, unless they have changed."""
    return await _remembered.in_force(work)


def _ready(work: Work, row: VersionRow) -> Definition | None:
    """Returns a stored version made ready; None, with a word in the log, for one that this code can't read."""
    try:
        condition = read(msgspec.json.decode(row.condition), _ANY)
    except InvalidCondition as error:
        work.afterwards.append(
            partial(log.error, "segment.unreadable", segment=row.segment_id, version=row.version, reason=error.detail)
        )
        return None
    backfilling = row.backfilled_at is None
    return ready(row.segment_id, row.version, row.name, condition, row.effective_at, backfilling=backfilling)
