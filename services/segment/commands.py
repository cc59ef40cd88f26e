"""The commands of segment.

`python -m services.segment rebuild`: all that segment derives, from profile's history and the topics.
`python -m services.segment verify`: memberships compared with what SQL says of the whole base.
"""

import argparse
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from services.segment.service import rebuild as rebuilding
from services.segment.service import verifying
from services.segment.service.membership_rebuild import HANDLERS
from services.segment.settings import SegmentSettings
from shared.contracts.changes import SegmentEntered, SegmentExited, StageChanged, TierChanged
from shared.contracts.topics import PROFILE_EVENTS, PROFILES, SEGMENTS
from shared.rebuild import command
from shared.rebuild.topics import Plan
from shared.service.clock import Clock

PLAN: Final = Plan(
    service="segment",
    tables=(
        *("standings", "programme_standings", "orders", "profile_aliases"),
        *("customers", "history", "occurrences", "customer_tags", "list_members", "memberships", "customer_segments"),
        "rereads",
    ),
    topics=(PROFILE_EVENTS, PROFILES),
    own_topics=(SEGMENTS,),
    handlers={
        **HANDLERS,
        TierChanged: rebuilding.note_published,
        StageChanged: rebuilding.note_published,
        SegmentEntered: rebuilding.note_published,
        SegmentExited: rebuilding.note_published,
    },
    prepare=rebuilding.prepare,
    settle=rebuilding.settle,
    finish=rebuilding.finish,
)


async def rebuild(settings: SegmentSettings, arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Refills the projections. Returns the exit status."""
    return await command.from_topics(PLAN, settings, arguments, clock, profile=settings.profile)


def verify_parser() -> argparse.ArgumentParser:
    """Returns the parser of what may stand after `verify`."""
    parser = argparse.ArgumentParser(prog="python -m services.segment verify")
    parser.add_argument("--mend", action="store_true", help="look at those whose membership differs again")
    return parser


async def verify(settings: SegmentSettings, arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Compares memberships with what SQL says of the base, as of one moment. Returns 1 if any differs, else 0."""
    chosen = verify_parser().parse_args(arguments)
    database = command.patient_database(settings, "rapport-segment-verify", clock)
    try:
        async with database.work() as work:
            found = await verifying.verify(work, await verifying.live(work))
        differing = sorted({one for segment in found for one in segment.differing})
        for start in range(0, len(differing) if chosen.mend else 0, verifying.MEND_BATCH):
            async with database.work() as work:
                await verifying.mend(work, differing[start : start + verifying.MEND_BATCH])
    finally:
        await database.close()
    table = Table("segment", "name", "memberships that differ")
    for segment in found:
        table.add_row(segment.segment_id, segment.name, f"{len(segment.differing):,}")
    Console().print(table)
    if differing and chosen.mend:
        Console(stderr=True).print(f"looked at {len(differing):,} customers again")
    return 1 if differing else 0
