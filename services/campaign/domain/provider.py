"""A provider that takes nothing from us: sending by it stops, and one message at a time finds out when it goes on."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.campaign.domain.delivery import Accepted, Deferred, Rejected, Reply, Undeliverable
from services.campaign.domain.replies import ADVICE, HTTP_ADVICE, STAGES, ProviderReply, Stage, Trouble, trouble

FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(minutes=30)


class ProviderStop(msgspec.Struct, frozen=True, kw_only=True):
    """Since when nothing leaves by a channel's provider, what it replied last, and when it is tried again.

    `probes` counts the messages that have tried since.
    """

    channel: str
    stopped_at: datetime
    reply: ProviderReply
    replied_at: datetime
    probes: int
    probe_at: datetime

    @property
    def trouble(self) -> Trouble:
        """What is wrong."""
        return trouble(self.reply)

    @property
    def advice(self) -> str:
        """What to do."""
        of_http = self.reply.stage in (Stage.REQUEST, Stage.MESSAGE)
        return HTTP_ADVICE[self.trouble] if of_http else ADVICE[self.trouble]


def pause(probes: int) -> timedelta:
    """Returns how long to wait after so many probes: 30 s, then twice as long each time, up to 30 minutes."""
    return min(FIRST_PAUSE * (1 << min(probes, 10)), LONGEST_PAUSE)


def takes_mail_again(stop: ProviderStop, reply: Reply) -> bool:
    """Returns whether the reply to a probe shows that the provider takes mail from us again.

    It does if it took the probe, or came further with it than to where it had refused us.
    """
    match reply:
        case Accepted():
            return True
        case Undeliverable(refused):
            reached = refused.stage
        case Rejected(_, Stage() as reached) | Deferred(_, _, Stage() as reached):
            pass
        case _:
            return False
    return STAGES.index(reached) > STAGES.index(stop.reply.stage)
