"""The composition root of profile."""

from datetime import timedelta
from functools import partial
from typing import Final

from services.profile import commands, consumer
from services.profile.api import history, identity, profiles, rates
from services.profile.settings import ProfileSettings
from shared.customer_data import Kept
from shared.rebuild import command
from shared.service import process
from shared.service.clock import Clock, SystemClock
from shared.service.command_line import Command

DESCRIPTION = "One view of each customer: identity, traits, consent, orders, timeline."

KEPT: Final = Kept(columns={"profiles": "id"})


def build(settings: ProfileSettings, clock: Clock | None = None, *, swaps: bool = True) -> process.Service:
    """Returns a profile service, wired but not started.

    `swaps` is False only in the test that shows what the swap is for.
    """
    service = process.assemble(
        "profile",
        settings,
        clock or SystemClock(timedelta(seconds=settings.clock_offset_seconds)),
        reads=consumer.TOPICS,
        handlers=consumer.handlers(settings.identity_limits, settings.company_time_zone),
        swaps=swaps,
    )
    routers = [history.router, rates.router, identity.router, profiles.router]  # profiles last: it matches any path
    app = process.add_api(service, description=DESCRIPTION, routers=routers, customer_data=KEPT)
    app.state.company_time_zone = settings.company_time_zone
    return service


COMMANDS: Final = {
    "rebuild": Command(partial(command.parser, "profile", topics=False), commands.rebuild),
    "identity": Command(commands.identity_parser, commands.identity),
    "rates": Command(commands.rates_parser, commands.rates),
}


def main() -> int:
    """Runs the command line. Returns the exit status."""
    return process.main("profile", ProfileSettings, build, commands=COMMANDS)
