"""What lies in a service's dead-letter topic, beside what was decided on it."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from aiokafka.errors import KafkaError

from shared.contracts import topics
from shared.errors import Invalid, NotFound
from shared.kafka import log
from shared.kafka import topics as cluster
from shared.kafka.consumer.offsets import Place
from shared.kafka.consumer.subscription import Subscription
from shared.kafka.dead_letters import dead_letter, decisions
from shared.kafka.dead_letters.dead_letter import Letter, place_of, place_text
from shared.kafka.dead_letters.decisions import Decision, Verdict
from shared.kafka.producer import BrokerAway


class UnknownLetter(NotFound):
    """There is no such dead letter."""


class NotAPlace(Invalid):
    """A place is topic/partition/offset, or cluster/topic/partition/offset."""


class Entry(msgspec.Struct, frozen=True):
    """One dead letter. Without a decision it is not dead: its batch was rolled back. Without a letter it is lost.

    `short` is its place as people type it: of the present cluster, without the cluster's id.
    """

    place: Place
    offset: int
    short: str
    letter: Letter | None
    decision: Decision | None

    @property
    def name(self) -> str:
        """The text of its place."""
        return place_text(self.place, self.offset)

    @property
    def open(self) -> bool:
        """Whether somebody still has to decide."""
        return self.decision is not None and self.decision.verdict is Verdict.REFUSED

    @property
    def reason(self) -> str:
        """Why it was refused, the last time."""
        if self.open and self.decision is not None:
            return self.decision.note
        return self.letter.reason if self.letter is not None else ""


class Letters(msgspec.Struct, frozen=True):
    """All dead letters of a service, in the order of their places."""

    cluster_id: str
    entries: Mapping[str, Entry]

    def find(self, text: str) -> Entry:
        """Returns the letter at a place as people type it. Raises `NotAPlace` or `UnknownLetter`."""
        full = f"{self.cluster_id}/{text}" if text.count("/") == 2 else text
        try:
            name = place_text(*place_of(full))
        except ValueError:
            raise NotAPlace(text) from None
        if name not in self.entries:
            raise UnknownLetter(text)
        return self.entries[name]

    def chosen(self, wanted: Callable[[Entry], bool]) -> Sequence[Entry]:
        """Returns those that are wanted, in order."""
        return [entry for entry in self.entries.values() if wanted(entry)]


async def read(subscription: Subscription) -> Letters:
    """Reads the decisions and then the topic, so that each decision's letter is found, if it is still there.

    Raises `BrokerAway`.
    """
    async with subscription.database.work() as work:
        decided = await decisions.every(work)
    name = topics.dead_letters(subscription.service)
    cluster_id = await _ensure(subscription, name)
    found = dead_letter.letters(await log.read(subscription.brokers, name))
    entries = [_entry(place, cluster_id, found.get(place), decided.get(place)) for place in found.keys() | decided]
    entries.sort(key=lambda entry: (entry.place, entry.offset))
    return Letters(cluster_id, {entry.name: entry for entry in entries})


async def _ensure(subscription: Subscription, topic: str) -> str:
    """Makes the topic if it is missing, as the consumer does: asking for it could make it in another shape."""
    try:
        async with cluster.admin(subscription.brokers) as admin:
            await cluster.ensure(admin, [topic], replication=subscription.replication)
            return await cluster.cluster_id(admin)
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerAway(repr(error)) from error


def _entry(name: str, cluster_id: str, letter: Letter | None, decision: Decision | None) -> Entry:
    place, offset = place_of(name)
    return Entry(place, offset, name.removeprefix(f"{cluster_id}/"), letter, decision)
