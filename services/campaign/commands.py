"""`python -m services.campaign send-cutoff [show | set AT | set now]`: the cutoff after a restore, by hand.

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
from services.campaign.service import send_cutoff as cutoffs
from services.campaign.settings import CampaignSettings
from shared.audit.command import user
from shared.contracts.changes import (
    ProfileChanged,
    ProfileMerged,
    ProfileSplit,
    SegmentEntered,
    SegmentExited,
    StageChanged,
    TierChanged,
)
from shared.contracts.envelope import Event
from shared.contracts.topics import PROFILES, SEGMENTS
from shared.database.database import Database, Work
from shared.errors import AppError
from shared.rebuild import command
from shared.rebuild.topics import Plan
from shared.service.clock import Clock, SystemClock
from shared.service.failpoints import failpoint


async def _note(work: Work, events: Sequence[Event]) -> None:
    await contacts.note(work, events)


PLAN: Final = Plan(
    service="campaign",
    tables=("contacts", "standings", "memberships", "profile_aliases"),
    topics=(PROFILES, SEGMENTS),
    handlers={
        ProfileChanged: _note,
        ProfileMerged: _note,
        ProfileSplit: contacts.part,
        **dict.fromkeys((TierChanged, StageChanged, SegmentEntered, SegmentExited), changes.note),
    },
)


def send_cutoff_parser() -> argparse.ArgumentParser:
    """Returns the parser of what may stand after `send-cutoff`."""
    parser = argparse.ArgumentParser(prog="python -m services.campaign send-cutoff")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("show", help="print the send cutoff, and whether one is awaited and why; the default")
    setting = commands.add_parser("set", help="set the send cutoff, which ends the wait for it")
    setting.add_argument("at", type=_moment, help="ISO 8601 with a time zone, such as 2026-03-01T12:00:00Z, or now")
    return parser


async def send_cutoff(settings: CampaignSettings, arguments: Sequence[str]) -> int:
    """Runs one command on the send cutoff. Returns the exit status."""
    chosen = send_cutoff_parser().parse_args(arguments)
    clock = SystemClock(timedelta(seconds=settings.clock_offset_seconds))
    url = settings.database_url.get_secret_value()
    database = Database(url, application="rapport-campaign-send-cutoff", clock=clock, pool_size=1)
    try:
        found = await _set(database, chosen.at) if chosen.command == "set" else await _look(database)
    except AppError as error:
        print(f"{error.title()} {error.detail}", file=sys.stderr)
        return 1
    finally:
        await database.close()
    print(_text(found))
    return 0


async def _look(database: Database) -> Ledger:
    async with database.work() as work:
        return await cutoffs.look(work)


async def _set(database: Database, at: datetime | None) -> Ledger:
    async with database.work() as work:
        found = await cutoffs.set_send_cutoff(work, at or work.now, by=user())
    failpoint("send_cutoff.after_command")
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
    stands = f"send cutoff: {ledger.send_cutoff.isoformat() if ledger.send_cutoff else 'none'}"
    if ledger.awaiting_since is None:
        return stands
    since = ledger.awaiting_since.isoformat()
    return f"{stands}\nnothing is sent since {since}, until a send cutoff is set: {ledger.reason}"


async def rebuild(settings: CampaignSettings, arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Refills the projections. Returns the exit status."""
    return await command.from_topics(PLAN, settings, arguments, clock)
