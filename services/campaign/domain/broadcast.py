"""Broadcasts: one message to everybody in a segment, at once, at a time, or at a time where each customer is."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from services.campaign.domain.journey.lengths import length, problems_of_length
from services.campaign.domain.journey.local_time import at_local, problems_of_time
from services.campaign.domain.journey.nodes.node import Known
from services.campaign.domain.journey.problems import Problem, nearest
from services.campaign.domain.message_definition import Cap, MessageDefinition, Purpose, Slug
from shared.contracts.events import MARKETING

EARLIEST_ZONE: Final = timedelta(hours=14)  # of all zones none is further ahead: there a day begins first
MINUTE: Final = timedelta(minutes=1)
BREAKER_SAMPLE: Final = 100  # messages that were handed over or failed, before the breaker judges
BREAKER_SHARE: Final = 0.1  # of them that failed for their address or came back: the list is not what it should be


class BroadcastState(StrEnum):
    """Where a broadcast stands. `scheduled` waits for its time; a paused one goes on where it was."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class Title(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A broadcast's name for people."""

    en: str
    zh: str


class LocalMoment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time on a day, in each customer's own zone."""

    date: date
    time: str

    def instant(self, zone_name: str) -> datetime:
        """Returns the instant (UTC) at which it is then in a zone."""
        return at_local(self.date, time.fromisoformat(self.time), zone_name)

    def first(self) -> datetime:
        """Returns the instant (UTC) at which it is then in the zone that is furthest ahead."""
        return self.instant("UTC") - EARLIEST_ZONE


class Broadcast(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A definition. It goes to the members that `segment` has when it starts, and first to `seeds`, profiles of the
    shop's own people.

    At most one of `at` and `local` says when; with neither it starts when it is told to. `per_minute` bounds how many
    messages are made ready in a minute. `max_age`: who was not reached so long after their time is not written to.
    """

    id: Slug
    name: Title
    segment: Annotated[str, Meta(min_length=1, max_length=64)]
    seeds: Annotated[tuple[UUID, ...], Meta(max_length=100)] = ()
    channel: str = "email"
    template: Slug
    purpose: Purpose = MARKETING
    at: datetime | None = None
    local: LocalMoment | None = None
    per_minute: Annotated[int, Meta(ge=1)] | None = None
    max_age: str = "P1D"
    cap: Cap | None = None

    @property
    def message(self) -> MessageDefinition:
        """How its messages are made."""
        return MessageDefinition(
            id=self.id,
            version=1,
            channel=self.channel,
            purpose=self.purpose,
            template=self.template,
            max_age=length(self.max_age),
            cap=self.cap,
        )

    def starts_at(self, now: datetime) -> datetime:
        """Returns when it starts, once it is told to: the earliest moment at which it is due somewhere."""
        first = self.at or (self.local.first() if self.local else now)
        return max(first, now)

    def due_at(self, now: datetime, zone_name: str) -> datetime:
        """Returns when a customer's message is due."""
        return max(self.local.instant(zone_name or "UTC"), now) if self.local else now


def problems(broadcast: Broadcast, known: Known, now: datetime) -> Iterator[Problem]:
    """Yields what is wrong with a definition."""
    if broadcast.channel not in known.channels:
        channels = ", ".join(sorted(known.channels))
        yield Problem("/channel", f"there is no channel {broadcast.channel}; the channels are {channels}")
    languages = known.templates.get(broadcast.template)
    if languages is None:
        yield Problem(
            "/template", f"there is no template {broadcast.template}{nearest(broadcast.template, known.templates)}"
        )
    elif missing := sorted(known.languages - languages):
        message = f"the template has no text in {', '.join(missing)}: those customers get another language"
        yield Problem("/template", message, warning=True)
    if broadcast.at is not None and broadcast.local is not None:
        yield Problem("/local", "must be left out where `at` says when")
    if broadcast.at is not None and broadcast.at.tzinfo is None:
        yield Problem("/at", "must have a time zone, such as 2026-03-01T12:00:00Z")
    elif broadcast.at is not None and broadcast.at < now:
        yield Problem("/at", "is past; leave it out to start at once")
    if broadcast.local is not None:
        wrong = list(problems_of_time(broadcast.local.time, "/local/time"))
        yield from wrong
        if not wrong and broadcast.local.first() < now:
            message = "is past, or will be soon, where the day begins first: leave 14 hours before it"
            yield Problem("/local", message)
    yield from problems_of_length(broadcast.max_age, "/max_age")


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How a broadcast's messages stand: how many in each state, and how many failed for their address."""

    pending: int = 0
    sent: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    bad_addresses: int = 0


def breaks(tally: Tally) -> str | None:
    """Returns why a broadcast stops by itself; None if it need not."""
    settled = tally.sent + tally.failed
    if settled >= BREAKER_SAMPLE and tally.bad_addresses > settled * BREAKER_SHARE:
        return f"{tally.bad_addresses} of {settled} addresses took no message: check where the list comes from"
    return None


def room(broadcast: Broadcast, waiting: int, *, page: int, since_last: timedelta | None) -> int:
    """Returns how many messages may be made ready now: a page, unless as many wait, or `per_minute` allows fewer.

    What waits is kept small, so that a pause or a cancellation acts at once and other messages need not queue.
    """
    free = 0 if waiting >= page else page
    if broadcast.per_minute is None:
        return free
    passed = MINUTE if since_last is None else min(since_last, MINUTE)
    return min(free, int(broadcast.per_minute * (passed / MINUTE)))
