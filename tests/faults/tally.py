"""A reader of `profile-events` whose effects add up.

The five services hold their own effects idempotent, so that a reader which applied a record twice would go unseen in
them. Here it shows: each event adds one to its row, and nothing but the consumer runtime keeps it at one.
"""

import os
from collections.abc import Sequence
from datetime import timedelta

from shared.contracts.envelope import Event
from shared.contracts.events import FACTS, CustomEvent
from shared.contracts.topics import PROFILE_EVENTS
from shared.database.database import Work
from shared.errors import Refused
from shared.service import process
from shared.service.clock import Clock, SystemClock
from shared.service.settings import Settings

TABLE = "CREATE TABLE IF NOT EXISTS tally (event_id uuid PRIMARY KEY, times integer NOT NULL)"


class TallySettings(Settings):
    """Environment variables of the reader."""


async def add(work: Work, events: Sequence[Event]) -> None:
    """Adds one for each event; refuses the custom event that `FAULTS_REFUSE` names, as a release with a bug would."""
    for event in events:
        if isinstance(event.body, CustomEvent) and event.body.name == os.environ.get("FAULTS_REFUSE"):
            raise Refused(f"{event.body.name}: asked to be refused")
    await work.run(
        "INSERT INTO tally (event_id, times) SELECT id, 1 FROM unnest(CAST(:ids AS uuid[])) AS n(id) ORDER BY id "
        "ON CONFLICT (event_id) DO UPDATE SET times = tally.times + 1",
        ids=[event.event_id for event in events],
    )


def build(settings: TallySettings, clock: Clock | None = None) -> process.Service:
    """The reader, wired but not started."""
    service = process.assemble(
        "tally",
        settings,
        clock or SystemClock(timedelta(seconds=settings.clock_offset_seconds)),
        reads=(PROFILE_EVENTS,),
        handlers=dict.fromkeys(FACTS, add),
    )
    process.add_api(service, description="Counts how often each event is applied.", routers=[])
    return service
