"""The commands of profile.

`python -m services.profile rebuild`: identities, aliases, profiles, orders and counts from timeline and log.
`python -m services.profile identity suspects`: customers whom a public key made one before it was kept who says so.
`python -m services.profile rates publish`: all exchange rates once more, for readers that have lost them.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

from services.profile.service import rates as stated_rates
from services.profile.service import rebuild as rebuilding
from services.profile.service import suspects as looking
from services.profile.settings import ProfileSettings
from shared.database.database import Database, Work
from shared.database.patience import patiently
from shared.rebuild import command
from shared.rebuild.topics import Report
from shared.service.clock import Clock
from shared.service.failpoints import failpoint

MAX_SUSPECTS: Final = 10_000  # of each kind, unless the command line says otherwise
SUSPECTS_HEADER: Final = "kind\tprofile_id\tother_id\tnamespace\tvalue\tevent_id\tat"

_T = TypeVar("_T")


def identity_parser() -> argparse.ArgumentParser:
    """Returns the parser of what may stand after `identity`."""
    parser = argparse.ArgumentParser(prog="python -m services.profile identity")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser(
        "suspects", help="list what public keys joined before it was kept who says so, as tab-separated lines"
    )
    listing.add_argument("--limit", type=int, default=MAX_SUSPECTS, help="lines of each kind at most")
    return parser


async def identity(settings: ProfileSettings, arguments: Sequence[str]) -> int:
    """Runs one command on identities; returns the exit status."""
    chosen = identity_parser().parse_args(arguments)
    database = command.patient_database(settings, "rapport-profile-identity")
    try:
        async with database.work() as work:
            found = await looking.suspects(work, limit=chosen.limit)
    finally:
        await database.close()
    print(SUSPECTS_HEADER)
    for one in found:
        told = (one.kind, one.profile_id, one.other_id, one.namespace, one.value, one.event_id, one.at)
        print("\t".join("" if part is None else _line(str(part)) for part in told))
    for kind, count in Counter(one.kind for one in found).items():
        more = ", and perhaps more" if count == chosen.limit else ""
        print(f"{kind}: {count}{more} ({looking.MEANINGS[kind]})", file=sys.stderr)
    if not found:
        print("nothing to part", file=sys.stderr)
    return 0


def rates_parser() -> argparse.ArgumentParser:
    """Returns the parser of what may stand after `rates`."""
    parser = argparse.ArgumentParser(prog="python -m services.profile rates")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("publish", help="publish all exchange rates once more, for readers that have lost them")
    return parser


async def rates(settings: ProfileSettings, arguments: Sequence[str]) -> int:
    """Runs one command on exchange rates; returns the exit status."""
    rates_parser().parse_args(arguments)
    database = command.patient_database(settings, "rapport-profile-rates")
    try:
        async with database.work() as work:
            keys = await stated_rates.publish_all(work)
    finally:
        await database.close()
    print(f"{keys} keys go out with the running service", file=sys.stderr)
    return 0


def _line(text: str) -> str:
    """On one line and in one column, whatever a sender wrote."""
    return "".join(one if one.isprintable() else "?" for one in text)


async def rebuild(settings: ProfileSettings, arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Refills the projections; returns the exit status."""
    return await command.from_database("profile", settings, arguments, clock, _rebuild)


async def _rebuild(database: Database, report: Report) -> Counter[str]:
    """Aliases and identities first: they say which profiles there are."""

    async def step(mend: Callable[[Work], Awaitable[_T]]) -> _T:
        async def once() -> _T:
            async with database.work() as work:
                return await mend(work)

        return await patiently(once)

    changed = Counter(profile_aliases=await step(rebuilding.mend_aliases))
    changed["identities"] = await step(rebuilding.fill_identities)
    while corrected := await step(rebuilding.correct_identities):
        changed["identities"] += corrected
    failpoint("rebuild.after_identities")
    changed.update(profiles=0, orders=0, counts=0)
    total, done = await step(rebuilding.count), 0
    after: UUID | None = rebuilding.NOBODY
    while after is not None:
        after, seen, found = await step(partial(rebuilding.mend_profiles, after=after))
        failpoint("rebuild.after_profiles")
        changed.update(found)
        done += seen
        report(done, max(done, total))
    return changed
