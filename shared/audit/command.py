"""`python -m services.<name> audit verify`."""

import argparse
import os
import pwd
import sys
from collections.abc import Sequence

from shared.audit import log
from shared.audit.chain import BEGINNING, Actor, Head
from shared.database.database import DATABASE_ERRORS, Database


def user() -> Actor:
    """Returns who runs this command, for the record: the operating system's word."""
    try:
        return Actor.at_command_line(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:  # in a container, a number need not have a name
        return Actor.at_command_line(f"uid {os.getuid()}")


def parser(service: str) -> argparse.ArgumentParser:
    """Returns the parser of what may stand after `audit`."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{service} audit")
    commands = parser.add_subparsers(dest="command", required=True)
    verifying = commands.add_parser("verify", help="read the whole chain, and print its head or where it is broken")
    verifying.add_argument("--head", type=_head, metavar="N:HASH", help="a head printed before, which must still hold")
    return parser


async def run(service: str, database: Database, arguments: Sequence[str]) -> int:
    """Verifies the audit log. Returns the exit status: 1 if the chain does not hold or can't be read."""
    chosen = parser(service).parse_args(arguments)
    try:
        async with database.work() as work:
            head, found = await log.verify(work, known=chosen.head)
    except DATABASE_ERRORS as error:
        print(f"PostgreSQL does not answer: {error!r}", file=sys.stderr)
        return 1
    for one in found:
        print(f"entry {one.sequence} {one.reason}", file=sys.stderr)
    if found:
        return 1
    print(f"{head.sequence} entries, head {head}")
    return 0


def _head(text: str) -> Head:
    sequence, _, digest = text.partition(":")
    try:
        head = Head(int(sequence), bytes.fromhex(digest))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: not a head that `audit verify` prints") from None
    if len(head.hash) != len(BEGINNING):
        raise argparse.ArgumentTypeError(f"{text}: not a head that `audit verify` prints")
    return head
