"""`python -m services.ingest source create NAME | list | rotate NAME | enable NAME | disable NAME`: sources by hand."""

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta

from services.ingest.domain.definitions.consent import MaySay
from services.ingest.domain.formats.webhooks.registry import FORMATS
from services.ingest.service import sources
from services.ingest.service.vault import Vault
from shared.audit.command import user
from shared.database.database import Database
from shared.errors import AppError
from shared.service.failpoints import failpoint


async def run(database: Database, vault: Vault, arguments: Sequence[str]) -> int:
    """Runs one command on sources; returns the exit status."""
    chosen = parser().parse_args(arguments)
    try:
        match chosen.command:
            case "create":
                await _create(database, vault, chosen)
            case "rotate":
                await _rotate(database, chosen.name, timedelta(hours=chosen.grace_hours))
            case "enable" | "disable":
                await _set_disabled(database, chosen.name, disabled=chosen.command == "disable")
            case _:
                await _list(database)
    except AppError as error:
        print(f"{error.title()} {error.detail}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the arguments that follow `source`."""
    parser = argparse.ArgumentParser(prog="python -m services.ingest source")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a source and print its write key, which is not shown again")
    create.add_argument("name")
    create.add_argument("--kind", choices=["public", "server"], default="server")
    create.add_argument("--allow-orders", action="store_true", help="believe a public key when it speaks of orders")
    create.add_argument(
        "--may-say", nargs="*", choices=list(MaySay), default=[], help="what a public key may say, to be confirmed"
    )
    create.add_argument("--consent-words", choices=["usual"], help="read the usual words among traits as consent")
    create.add_argument("--format", choices=FORMATS, default="tracking", help="how its payloads are written")
    create.add_argument(
        "--country", help="of customers without a country, to read phone numbers by: ISO 3166, such as DE"
    )
    create.add_argument(
        "--id-space", help="the space of its ids of customers and orders; sources share one by its name"
    )
    create.add_argument("--ce-source", help="the CloudEvents source of its events on rapport.inbound.v1")
    commands.add_parser("list", help="print every source: name, kind, id, whether it may order, whether it is disabled")
    rotate = commands.add_parser("rotate", help="print a new write key; the earlier ones expire after a while")
    rotate.add_argument("name")
    rotate.add_argument("--grace-hours", type=float, default=24)
    for name, help_ in (("enable", "let a source's keys work again"), ("disable", "stop a source's keys from working")):
        commands.add_parser(name, help=help_).add_argument("name")
    return parser


async def _create(database: Database, vault: Vault, chosen: argparse.Namespace) -> None:
    names = ("name", "kind", "allow_orders", "format", "may_say", "consent_words", "country", "id_space", "ce_source")
    definition = {name: getattr(chosen, name) for name in names}
    async with database.work() as work:
        _, key = await sources.create(work, vault, definition, by=user())
    failpoint("source.after_create")
    print(key)


async def _rotate(database: Database, name: str, grace: timedelta) -> None:
    async with database.work() as work:
        key = await sources.rotate(work, await sources.named(work, name), grace=grace, by=user())
    print(key)


async def _set_disabled(database: Database, name: str, *, disabled: bool) -> None:
    async with database.work() as work:
        await sources.set_disabled(work, await sources.named(work, name), disabled=disabled, by=user())


async def _list(database: Database) -> None:
    async with database.work() as work:
        for one in await sources.every(work):
            orders = "orders" if one.allow_orders else "-"
            state = "disabled" if one.disabled_at else "enabled"
            print(one.name, one.kind, one.id, orders, state, sep="\t")
