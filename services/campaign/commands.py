"""`python -m services.campaign floor [show | set AT | set now]`: the floor after a restore, from the command line.

`set` ends the wait for it. `rebuild` refills contacts, standings and aliases from the topics; nobody enters a journey
by it.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from services.campaign.domain.ledger import Ledger
from services.campaign.service import changes, contacts
from services.campaign.service import floor as floors
from services.campaign.settings import CampaignSettings
from shared.audit.command import user
from shared.contracts.changes import ProfileChanged, ProfileMerged, StageChanged, TierChanged
from shared.contracts.topics import PROFILES, SEGMENTS
from shared.database.database import Database
from shared.errors import AppError
from shared.rebuild import command
from shared.rebuild.topics import Plan
from shared.service.clock import Clock, SystemClock
from shared.service.failpoints import failpoint

PLAN: Final = Plan(
    service="campaign",
    tables=("contacts", "standings", "profile_aliases"),
    topics=(PROFILES, SEGMENTS),
    handlers={
        ProfileChanged: contacts.follow,
        ProfileMerged: contacts.follow,
        TierChanged: changes.note,
        StageChanged: changes.note,
    },
)


def floor_parser() -> argparse.ArgumentParser:
    """What may stand behind `floor`."""
    parser = argparse.ArgumentParser(prog="python -m services.campaign floor")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("show", help="print the floor, and whether one is awaited and why; the default")
    setting = commands.add_parser("set", help="set the floor, which ends the wait for it")
    setting.add_argument("at", type=_moment, help="ISO 8601 with a time zone, such as 2026-03-01T12:00:00Z, or now")
    return parser


async def floor(settings: CampaignSettings, arguments: Sequence[str]) -> int:
    """Runs one command on the floor; returns the exit status."""
    chosen = floor_parser().parse_args(arguments)
    clock = SystemClock(timedelta(seconds=settings.clock_offset_seconds))
    url = settings.database_url.get_secret_value()
    database = Database(url, application="rapport-campaign-floor", clock=clock, pool_size=1)
    try:
        found = await _set_floor(database, chosen.at) if chosen.command == "set" else await _look(database)
    except AppError as error:
        print(f"{error.title()} {error.detail}", file=sys.stderr)
        return 1
    finally:
        await database.close()
    print(_text(found))
    return 0


async def _look(database: Database) -> Ledger:
    async with database.work() as work:
        return await floors.look(work)


async def _set_floor(database: Database, at: datetime | None) -> Ledger:
    async with database.work() as work:
        found = await floors.set_floor(work, at or work.now, by=user())
    failpoint("floor.after_command")
    return found


def _moment(text: str) -> datetime | None:
    """The moment; None stands for now."""
    if text == "now":
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text}: has no time zone; add Z or an offset")
    return moment.astimezone(UTC)


def _text(ledger: Ledger) -> str:
    floor = f"floor: {ledger.floor.isoformat() if ledger.floor else 'none'}"
    if ledger.awaiting_since is None:
        return floor
    return f"{floor}\nnothing is sent since {ledger.awaiting_since.isoformat()}, until a floor is set: {ledger.reason}"


async def rebuild(settings: CampaignSettings, arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Refills the projections; returns the exit status."""
    return await command.from_topics(PLAN, settings, arguments, clock)
