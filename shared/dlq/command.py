"""`python -m services.<name> dlq list|show|retry|drop|unblock`."""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress
from sqlalchemy.exc import DBAPIError

from shared.audit.command import user
from shared.database.database import DATABASE_ERRORS
from shared.dlq import decide, view
from shared.dlq.decide import Outcome
from shared.dlq.letters import Entry, Letters, read
from shared.errors import AppError
from shared.kafka.consumer.subscription import Subscription
from shared.kafka.dead_letters import sources
from shared.kafka.producer import BrokerAway

MANY: Final = 10  # letters; from here on a bar shows how far it has got

Act = Callable[[Entry], Awaitable[Outcome]]


async def run(subscription: Subscription, arguments: Sequence[str]) -> int:
    """Runs one command on a service's dead letters.

    Returns the exit status: 1 if a letter stays as it was, or if something does not answer; wrong usage exits with 2.
    After any failure it may be run again, also where a commit's fate is unknown.
    """
    chosen = parser(subscription.service).parse_args(arguments)
    out = view.console()
    try:
        if chosen.command == "unblock":
            return await _unblock(subscription, chosen.source, out)
        return await _dispatch(subscription, chosen, await read(subscription), out)
    except AppError as error:
        problem = f"{error.title()} {error.detail}"
    except BrokerAway as error:
        problem = f"The broker does not answer: {error}"
    except DBAPIError as error:  # of which only this: the rest quotes the letter
        problem = f"PostgreSQL does not do it: {error.orig}"
    except DATABASE_ERRORS as error:
        problem = f"PostgreSQL does not answer: {error!r}"
    print(view.printable(problem), file=sys.stderr)
    return 1


async def _dispatch(subscription: Subscription, chosen: argparse.Namespace, letters: Letters, out: Console) -> int:
    match chosen.command:
        case "list":
            view.show_list(out, letters.chosen(lambda entry: _listed(entry, chosen)))
            async with subscription.database.work() as work:
                view.show_blocked(out, await sources.blocked_sources(work))
            return 0
        case "show":
            view.show_one(out, letters.find(chosen.place))
            return 0
        case "retry":
            return await _each(
                out,
                _selected(letters, chosen),
                lambda entry: decide.retry(
                    subscription, entry, by=user(), dry_run=chosen.dry_run, as_new=chosen.as_new
                ),
            )
        case _:
            return await _each(
                out,
                _selected(letters, chosen),
                lambda entry: decide.drop(
                    subscription.database, entry, by=user(), note=chosen.note, dry_run=chosen.dry_run
                ),
            )


async def _unblock(subscription: Subscription, source: str, out: Console) -> int:
    """Takes a source in again; what lies in the dead letters meanwhile stays there, to be retried."""
    async with subscription.database.work() as work:
        known = await sources.unblock(work, source)
        left = await sources.blocked_sources(work)
    if known:
        text = f"{source} is taken in again from its next record; retry what came meanwhile, with --reason {source}"
        out.print(view.printable(text), markup=False, soft_wrap=True)
        return 0
    out.print(view.printable(f"{source} is not blocked"), markup=False, soft_wrap=True)
    view.show_blocked(out, left)
    return 1


async def _each(out: Console, entries: Sequence[Entry], act: Act) -> int:
    """Acts on one letter after the other and says what became of each."""
    failed = 0
    with Progress(console=out, transient=True, disable=len(entries) < MANY or not out.is_terminal) as progress:
        for entry in progress.track(entries):
            outcome = await act(entry)
            failed += not outcome.ok
            progress.console.print(view.printable(f"{entry.short} {outcome.text}"), markup=False, soft_wrap=True)
    out.print(f"{len(entries) - failed} of {len(entries)} done" if entries else "no such dead letters")
    return 1 if failed else 0


def _selected(letters: Letters, chosen: argparse.Namespace) -> Sequence[Entry]:
    """The letters to act on: those named, each once; otherwise only open ones."""
    if chosen.places:
        named = {entry.name: entry for entry in map(letters.find, chosen.places)}
        return list(named.values())
    return letters.chosen(lambda entry: entry.open and (chosen.every or chosen.reason in entry.reason))


def _listed(entry: Entry, chosen: argparse.Namespace) -> bool:
    return (
        (chosen.all or entry.open)
        and chosen.reason in entry.reason
        and (not chosen.topic or entry.place.topic == chosen.topic)
    )


class _Parser(argparse.ArgumentParser):
    """`retry` and `drop` want to know which letters, in one of three ways."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Returns what was chosen; wrong usage exits with 2."""
        chosen = super().parse_args(args, namespace)
        if chosen.command in ("retry", "drop") and sum(map(bool, (chosen.places, chosen.reason, chosen.every))) != 1:
            self.error(f"{chosen.command}: give places, or --reason, or --every")
        return chosen


def parser(service: str) -> argparse.ArgumentParser:
    """Returns the parser of what may stand after `dlq`."""
    parser = _Parser(prog=f"python -m services.{service} dlq")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=argparse.ArgumentParser)
    listing = commands.add_parser("list", help="print the open letters, and how many have which reason")
    listing.add_argument("--reason", default="", metavar="TEXT", help="only those whose reason holds this text")
    listing.add_argument("--topic", default="", help="only those of this topic")
    listing.add_argument("--all", action="store_true", help="decided ones, too, and those of batches rolled back")
    showing = commands.add_parser("show", help="print everything that is known of one letter")
    showing.add_argument("place", metavar="PLACE", help=_PLACE)
    unblocking = commands.add_parser("unblock", help="take a source in again that was blocked for its refusals")
    unblocking.add_argument("source", metavar="SOURCE", help="as `dlq list` and /health/lag name it")
    retrying = commands.add_parser("retry", help="apply letters again, here, with this release's code")
    retrying.add_argument(
        "--as-new", action="store_true", help="give events ids of their own: others came with the ids that they have"
    )
    dropping = commands.add_parser("drop", help="give letters up")
    dropping.add_argument("--note", required=True, metavar="TEXT", help="why; kept with the decision")
    for deciding in (retrying, dropping):
        deciding.add_argument("places", nargs="*", metavar="PLACE", help=_PLACE)
        deciding.add_argument("--reason", default="", metavar="TEXT", help="all open ones whose reason holds this text")
        deciding.add_argument("--every", action="store_true", help="all open ones")
        deciding.add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")
    return parser


_PLACE: Final = "topic/partition/offset, or with the cluster's id and a / before it"
