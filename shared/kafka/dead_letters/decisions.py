"""What became of each dead letter: RECORD, in the service's own database.

The topic of the dead letters can only grow. So the refusal itself is written in the transaction that moves the offset
behind the record, and is then decided here. A letter in the topic without a row is that of a batch that was rolled
back: its record was, or will be, read again, and applying the letter would apply the record twice.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.database.database import Work
from shared.kafka.dead_letters.dead_letter import reason_text

READER: Final = "consumer"  # who refuses; the other decisions are people's


class Verdict(StrEnum):
    """Refused is open; the others are final, but that a dropped letter may still be retried."""

    REFUSED = "refused"
    RETRIED = "retried"
    DROPPED = "dropped"


class Decision(msgspec.Struct, frozen=True):
    """The last word on one letter. `note` is the reason of a refusal."""

    place: str
    verdict: Verdict
    at: datetime
    by: str
    note: str


_COLUMNS: Final = "place, decision, at, by, note"


async def refuse(work: Work, reasons: Mapping[str, str]) -> None:
    """Notes that these records (by place) are dead, and why. Idempotent; what is decided stays decided."""
    places = sorted(reasons)
    await work.run(
        "INSERT INTO dead_letter_decisions AS d (place, decision, at, by, note) "
        "SELECT place, 'refused', :now, :by, note FROM unnest(CAST(:places AS text[]), CAST(:notes AS text[])) "
        "AS t(place, note) ON CONFLICT (place) DO UPDATE SET at = excluded.at, by = excluded.by, note = excluded.note "
        "WHERE d.decision = 'refused'",
        places=places,
        notes=[reason_text(reasons[place]) for place in places],
        now=work.now,
        by=READER,
    )


async def decide(
    work: Work, place: str, verdict: Verdict, *, by: str, note: str = "", event_id: UUID | None = None
) -> None:
    """Notes what became of a letter. `event_id` is what a retry applied, and goes with one letter only."""
    await work.run(
        "UPDATE dead_letter_decisions SET decision = :decision, at = :now, by = :by, note = :note, "
        "event_id = :event_id WHERE place = :place",
        place=place,
        decision=verdict.value,
        now=work.now,
        by=by,
        note=reason_text(note),
        event_id=event_id,
    )


async def every(work: Work) -> Mapping[str, Decision]:
    """Returns all decisions, by place."""
    rows = await work.rows(f"SELECT {_COLUMNS} FROM dead_letter_decisions")
    return {row.place: _decision(row) for row in rows}


async def lock(work: Work, place: str) -> Decision | None:
    """Returns the decision on one letter, locked until the transaction ends."""
    row = await work.row(f"SELECT {_COLUMNS} FROM dead_letter_decisions WHERE place = :place FOR UPDATE", place=place)
    return None if row is None else _decision(row)


async def applied(work: Work, event_id: UUID) -> str | None:
    """Returns the place of the letter by which this event was applied, if one was."""
    row = await work.row("SELECT place FROM dead_letter_decisions WHERE event_id = :id", id=event_id)
    return None if row is None else str(row.place)


def _decision(row: Any) -> Decision:
    return Decision(row.place, Verdict(row.decision), row.at, row.by, row.note)
