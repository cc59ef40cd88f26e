"""What a channel's provider takes from us: while it takes nothing, one message at a time finds out whether it does."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from services.campaign.domain.channels.registry import CAPABILITIES
from services.campaign.domain.delivery import WITHHELD_LOOK_AGAIN, Reply, Withheld
from services.campaign.domain.provider import ProviderStop, pause, takes_mail_again
from services.campaign.repository import attempts
from services.campaign.repository import providers as repository
from services.campaign.repository.attempts import Table
from shared import audit
from shared.audit import Actor
from shared.database.database import Work
from shared.errors import NotFound
from shared.service import metrics
from shared.service.logging import get_logger

_WAITING: Final[tuple[Table, ...]] = ("messages", "confirmations")

log = get_logger(__name__)


class UnknownProvider(NotFound):
    """There is no such channel."""


class Provider:
    """How a channel's provider stands while one claim is decided. Of a stopped one at most one message leaves."""

    def __init__(self, stop: ProviderStop | None) -> None:
        self.stop = stop
        self._may_probe = False
        self.probed = False

    @property
    def closed(self) -> bool:
        """Whether nothing may leave."""
        return self.stop is not None and (self.probed or not self._may_probe)

    async def acquire_probe(self, work: Work) -> None:
        """Acquires the next probe, if one is due: nobody else sends one until this is committed.

        For whoever holds messages that could be it; else the messages would be in one hand and the probe in another.
        """
        if self.stop is None or self.stop.probe_at > work.now:
            return
        acquired = await repository.acquire_probe(work, self.stop.channel)
        self.stop, self._may_probe = acquired or self.stop, acquired is not None

    def leaves(self) -> bool:
        """Notes that a message leaves. Returns whether it is a probe."""
        self.probed = self.stop is not None
        return self.probed


class Providers:
    """How each channel's provider stands while one claim is decided: one that is stopped holds up no other channel."""

    def __init__(self, stops: Sequence[ProviderStop]) -> None:
        self.stopped = {one.channel: Provider(one) for one in stops}

    def of(self, channel: str) -> Provider:
        """Returns how a channel's provider stands."""
        return self.stopped.get(channel) or Provider(None)

    async def acquire_probes(self, work: Work, channels: Collection[str]) -> None:
        """Acquires the next probe of each of these channels, if one is due."""
        for channel in sorted(self.stopped.keys() & set(channels)):
            await self.stopped[channel].acquire_probe(work)

    async def note_probes(self, work: Work) -> None:
        """Notes the probes that leave."""
        for _, provider in sorted(self.stopped.items()):
            await note_probe(work, provider)


async def look(work: Work) -> Providers:
    """Returns how the channels' providers stand."""
    stops = await repository.stops(work)
    metrics.sending_paused.labels("provider_stop").set(bool(stops))
    return Providers(stops)


async def note_probe(work: Work, provider: Provider) -> None:
    """Notes that a probe leaves, if one does: the next one has to wait longer."""
    stop = provider.stop
    if stop is not None and provider.probed:
        probes = stop.probes + 1
        await repository.set_probe(work, stop.channel, probes=probes, probe_at=work.now + pause(probes))


async def withheld(work: Work, channel: str, reply: Withheld, *, probe: bool, replied_at: datetime) -> datetime:
    """Stops sending by a channel whose provider takes nothing from us. Returns when the refused message is due again.

    That is after the next probe, so that another message tries: were the refusal about this one, it would hold up all.
    """
    stop, is_new = await repository.stop(
        work, channel, reply.reply, replied_at=replied_at, probe_at=replied_at + pause(0)
    )
    if is_new or probe:
        work.afterwards.append(partial(_alarm, stop, "provider.stopped" if is_new else "provider.still_stopped"))
    return max(stop.probe_at, replied_at) + WITHHELD_LOOK_AGAIN


async def note_reply(work: Work, channel: str, reply: Reply, *, probe: bool) -> None:
    """Lets messages leave again if the reply to a probe shows that the provider takes them."""
    if not probe:
        return
    stop = await repository.lock(work, channel)
    if stop is None or not takes_mail_again(stop, reply):
        return
    await repository.end(work, channel)
    await _bring_forward(work)
    others = bool(await repository.stops(work))
    work.afterwards.append(partial(metrics.sending_paused.labels("provider_stop").set, others))
    work.afterwards.append(partial(log.info, "provider.takes_mail_again", channel=channel, probes=stop.probes))


async def _bring_forward(work: Work) -> None:
    """Makes due now what waits for a provider."""
    for table in _WAITING:
        await attempts.bring_forward(work, table)
    work.wakes = True


async def stops(work: Work) -> Sequence[ProviderStop]:
    """Returns the channels by which nothing leaves."""
    return await repository.stops(work)


async def try_again(work: Work, channel: str, *, by: Actor) -> None:
    """Lets one message try at once, on an operator's word. Raises `UnknownProvider`."""
    if channel not in CAPABILITIES:
        raise UnknownProvider(f"channel {channel}; the channels are {', '.join(CAPABILITIES)}")
    stop = await repository.lock(work, channel)
    if stop is None:
        return
    await repository.set_probe(work, channel, probes=0, probe_at=work.now)
    await _bring_forward(work)
    await audit.record(work, by, "provider.tried", "channel", channel, {"stopped_at": [stop.stopped_at, None]})


async def alarms(work: Work) -> Sequence[Mapping[str, Any]]:
    """Returns what an operator must see to, for the health routes."""
    return [
        {
            "what": "provider_stop",
            "channel": one.channel,
            "since": one.stopped_at,
            "reply": str(one.reply),
            "advice": one.advice,
            "tries_again_at": one.probe_at,
        }
        for one in await repository.stops(work)
    ]


def _alarm(stop: ProviderStop, event: str) -> None:
    metrics.sending_paused.labels("provider_stop").set(1)
    log.error(
        event,
        channel=stop.channel,
        stage=stop.reply.stage.value,
        code=stop.reply.code,
        status=stop.reply.status,
        trouble=stop.trouble.value,
        advice=stop.advice,
        probes=stop.probes,
    )
