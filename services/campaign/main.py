"""The composition root of campaign."""

from datetime import timedelta
from functools import partial
from typing import Final

from services.campaign import commands, consumer, content
from services.campaign.api import broadcasts as broadcast_routes
from services.campaign.api import coupons as coupon_routes
from services.campaign.api import gate as gate_routes
from services.campaign.api import inbox as inbox_routes
from services.campaign.api import journeys as journey_routes
from services.campaign.api import links as link_routes
from services.campaign.api import messages as message_routes
from services.campaign.api import operations as operation_routes
from services.campaign.api import templates as template_routes
from services.campaign.channels import channels
from services.campaign.channels.email import EmailChannel
from services.campaign.domain.links import Links
from services.campaign.domain.message_definition import Cap
from services.campaign.service import inbox, providers, publishing
from services.campaign.service.rules import Rules
from services.campaign.service.send_cutoff import note_rewound
from services.campaign.settings import CampaignSettings
from services.campaign.worker import Broadcaster, Housekeeper, Sender, Walker, send_once
from shared.customer_data import Kept
from shared.rebuild import command
from shared.service import process
from shared.service.clock import Clock, SystemClock
from shared.service.command_line import Command

DESCRIPTION = "Talks to customers: journeys that changes set off, one gate before every message, every decision kept."

KEPT: Final = Kept(parts={"run_steps": ("run_id", "runs"), "sent_copies": ("message_id", "messages")})


def build(settings: CampaignSettings, clock: Clock | None = None) -> process.Service:
    """Returns a campaign service, wired but not started. Raises `InvalidContent` if a journey or template is wrong."""
    journeys = content.journeys()
    content.pages()
    partition_secret = settings.partition_secret.get_secret_value().encode()
    service = process.assemble(
        "campaign",
        settings,
        clock or SystemClock(timedelta(seconds=settings.clock_offset_seconds)),
        reads=consumer.TOPICS,
        handlers=consumer.handlers(partition_secret),
        on_rewound=note_rewound,
    )
    assert service.consumer is not None
    reader = service.consumer
    made = channels(settings, deliver=partial(inbox.deliver, service.database))
    rules = Rules(
        templates=content.templates(),
        customer_cap=Cap(settings.frequency_cap_messages, settings.frequency_cap_hours),
        unsubscribe=settings.mail_address,
        partition_secret=partition_secret,
        lease=timedelta(seconds=settings.sender_lease_seconds),
        links=Links(settings.public_url, settings.links_key) if settings.public_url else None,
        confirmations_per_hour=settings.confirmations_per_hour,
        channels=frozenset(made),
    )
    sender = Sender(
        service.database,
        service.clock,
        made,
        rules,
        concurrency=settings.sender_concurrency,
        compared=lambda: reader.assignment.compared,
        tick=service.heartbeat.loop("sender"),
    )
    walker = Walker(service.database, reader, partition_secret, tick=service.heartbeat.loop("walker"))
    service.loops["walker"] = walker.run
    housekeeper = Housekeeper(service.database, tick=service.heartbeat.loop("housekeeper"))
    service.loops["housekeeper"] = housekeeper.run
    service.database.listeners.append(walker.wake)
    broadcaster = Broadcaster(service.database, tick=service.heartbeat.loop("broadcaster"))
    service.loops["broadcaster"] = broadcaster.run
    service.database.listeners.append(broadcaster.wake)
    service.at_start.append(partial(publishing.publish, journeys=journeys))
    service.at_start.append(partial(publishing.publish_templates, templates=content.documents()))
    service.loops["sender"] = sender.run
    service.database.listeners.append(sender.wake)
    routers = [
        *(journey_routes.router, broadcast_routes.router, coupon_routes.router, template_routes.router),
        # What operators ask of all messages stands before a message by its id.
        *(gate_routes.router, operation_routes.router, message_routes.router, link_routes.router),
        inbox_routes.router,
    ]
    process.add_api(service, description=DESCRIPTION, routers=routers, customer_data=KEPT)
    assert service.app is not None
    assert service.health is not None
    service.health.alarms = providers.alarms
    service.app.state.send_test = partial(send_once, partial(EmailChannel, settings))
    service.app.state.rules, service.app.state.clock = rules, service.clock
    return service


COMMANDS: Final = {
    "send-cutoff": Command(commands.send_cutoff_parser, commands.send_cutoff, former_name="floor"),
    "rebuild": Command(partial(command.parser, "campaign", topics=True), commands.rebuild),
}


def main() -> int:
    """Runs the command line. Returns the exit status."""
    return process.main("campaign", CampaignSettings, build, commands=COMMANDS)
