"""The composition root of feedback."""

from datetime import timedelta
from functools import partial
from typing import Final

from services.feedback import commands, consumer
from services.feedback.api import router
from services.feedback.settings import FeedbackSettings
from shared.customer_data import Kept
from shared.rebuild import command
from shared.service import process
from shared.service.clock import Clock, SystemClock
from shared.service.command_line import Command

DESCRIPTION = "Hears what customers say: surveys and their figures, cases for those who are unhappy."

KEPT: Final = Kept(parts={"cases": ("id", "responses")})


def build(settings: FeedbackSettings, clock: Clock | None = None) -> process.Service:
    """Returns a feedback service, wired but not started."""
    service = process.assemble(
        "feedback",
        settings,
        clock or SystemClock(timedelta(seconds=settings.clock_offset_seconds)),
        reads=consumer.TOPICS,
        handlers=consumer.HANDLERS,
    )
    app = process.add_api(service, description=DESCRIPTION, routers=[router], customer_data=KEPT)
    app.state.partition_secret = settings.partition_secret.get_secret_value().encode()
    return service


COMMANDS: Final = {"rebuild": Command(partial(command.parser, "feedback", topics=True), commands.rebuild)}


def main() -> int:
    """Runs the command line. Returns the exit status."""
    return process.main("feedback", FeedbackSettings, build, commands=COMMANDS)
