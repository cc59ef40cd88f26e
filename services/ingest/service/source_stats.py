"""What a process has seen of its sources since it last wrote it down: figures, violations, samples, watched events.

Accepting an event adds to numbers in memory; a loop writes them down every few seconds. A process that is killed loses
what it had not written: these are figures for people, and nothing is decided by them.
"""

from collections import defaultdict
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.ingest.domain.catalogue import vocabulary
from services.ingest.domain.definitions.plan import Mode, Violation
from services.ingest.domain.definitions.shape import NOTHING, Shape, merge, shape_of
from services.ingest.domain.formats.webhooks.registry import needed_topics
from services.ingest.domain.judge import MAX_NAME_LENGTH, Normal
from services.ingest.repository import source_stats as repository
from services.ingest.repository.source_stats import StoredFigure
from services.ingest.service.triage import Outcomes
from shared.contracts import keepable, wire
from shared.database.database import Work

SAMPLES: Final = 5  # of each event of a source, between two writings
RECENT_IDS: Final = 20_000  # events by which this process knows that one came again
TAILED: Final = 500  # watched events kept between two writings
MAX_IGNORED: Final = 200  # characters of what was ignored, which the sender may have made up
MAX_WARNINGS: Final = 50  # different ones of a source between two writings
TOPIC: Final = "topic"  # an outcome: deliveries of a topic that the source's vendor needs
MAX_RAW: Final = 4_000  # characters of a watched event's bytes

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Recent:
    """The ids of the last events, as far back as two generations of them reach."""

    def __init__(self, size: int = RECENT_IDS) -> None:
        self._size = size
        self._new: set[bytes] = set()
        self._old: set[bytes] = set()

    def again(self, event_ids: Collection[bytes]) -> int:
        """Notes events. Returns how many of them came before."""
        known = len(self._new)
        known += 0 if self._old.isdisjoint(event_ids) else len(self._old.intersection(event_ids) - self._new)
        self._new.update(event_ids)
        fresh = len(self._new) - known
        if len(self._new) > self._size:
            self._old, self._new = self._new, set()
        return len(event_ids) - fresh


@dataclass(slots=True)
class Gathered:
    """What was seen between two writings."""

    figures: dict[tuple[UUID, str, str], int] = field(default_factory=lambda: defaultdict(int))
    seen: dict[UUID, datetime] = field(default_factory=dict)
    violations: dict[tuple[UUID, str, str], tuple[int, Violation]] = field(default_factory=dict)
    shapes: dict[tuple[UUID, str], Shape] = field(default_factory=dict)
    enough: dict[UUID, set[str]] = field(default_factory=lambda: defaultdict(set))
    warnings: dict[UUID, set[str]] = field(default_factory=lambda: defaultdict(set))
    tail: list[tuple[UUID, datetime, dict[str, Any]]] = field(default_factory=list)


class SourceStats:
    """The numbers of one process."""

    def __init__(self) -> None:
        self.watched: frozenset[UUID] = frozenset()
        self._recent = Recent()
        self._now = Gathered()

    def view(self, source_id: UUID, now: datetime) -> "View":
        """Returns the view that watches the events of one request."""
        watched = source_id in self.watched
        return View(self, source_id, now, watched=watched, enough=() if watched else self._now.enough[source_id])

    def note(self, source_id: UUID, done: Outcomes, now: datetime) -> None:
        """Adds what became of a request's payloads."""
        gathered = self._now
        gathered.seen[source_id] = now
        repeated = self._recent.again(done.event_ids)
        for outcome, events in (("accepted", done.accepted - repeated), ("duplicate", repeated)):
            if events:
                gathered.figures[source_id, outcome, ""] += events
        for one in done.refused:
            gathered.figures[source_id, "quarantined", one.error.reason.value] += 1
            if source_id in self.watched:
                self.tail(source_id, now, one.payload.raw, outcome="quarantined", reason=one.error.text)
        for namespace, values in done.placeholders.items():
            gathered.figures[source_id, "placeholder", namespace] += values
        if done.unread_phones:
            gathered.figures[source_id, "unread_phone", ""] += done.unread_phones
        for why in done.ignored:
            gathered.figures[source_id, "ignored", keepable.text(why, limit=MAX_IGNORED)] += 1
        for text in done.warnings:
            gathered.figures[source_id, "warning", self._bounded(source_id, text)] += 1
        by_rule: dict[tuple[str, str], list[Violation]] = defaultdict(list)
        for violation in done.violations:
            if violation.mode is not Mode.OBSERVE:  # observed ones are counted in the metrics only
                by_rule[violation.event[:MAX_NAME_LENGTH], violation.rule].append(violation)
        for (event, rule), violations in by_rule.items():
            before, _ = gathered.violations.get((source_id, event, rule), (0, None))
            gathered.violations[source_id, event, rule] = (before + len(violations), violations[-1])

    def _bounded(self, source_id: UUID, warning: str) -> str:
        """Returns a warning, or that there are more: anybody who has a public key can make up some."""
        known = self._now.warnings[source_id]
        if len(known) >= MAX_WARNINGS and warning not in known:
            return "further warnings"
        known.add(warning)
        return keepable.text(warning, limit=MAX_IGNORED)

    def limited(self, source_id: UUID, events: int, now: datetime, limit: str = "") -> None:
        """Adds events that were turned away because their source sends too many; or a request, for another limit."""
        self._now.seen[source_id] = now
        self._now.figures[source_id, "limited", limit] += events

    def topic(self, source_id: UUID, topic: str) -> None:
        """Adds a delivery of a topic that its vendor needs."""
        self._now.figures[source_id, TOPIC, topic] += 1

    def tail(self, source_id: UUID, now: datetime, raw: bytes, **result: Any) -> None:
        """Keeps a watched event, unless there are too many of them."""
        if len(self._now.tail) < TAILED:
            came = raw[:MAX_RAW].decode(errors="replace")
            self._now.tail.append((source_id, now, {"came": came, **result}))

    def sample(self, source_id: UUID, name: str, properties: bytes) -> None:
        """Adds the shape of an event, if few of its name were seen since the last writing."""
        enough, name = self._now.enough[source_id], name[:MAX_NAME_LENGTH]
        if name in enough:
            return
        known = self._now.shapes.get((source_id, name), NOTHING)
        if known.seen >= SAMPLES:
            return
        shape = merge(known, shape_of(_decode(properties)))
        self._now.shapes[source_id, name] = shape
        if shape.seen >= SAMPLES and vocabulary.near(name) is None:  # each of those with a warning is to be counted
            enough.add(name)

    def take(self) -> Gathered:
        """Returns what was gathered, and starts anew."""
        taken, self._now = self._now, Gathered()
        return taken

    def put_back(self, taken: Gathered) -> None:
        """Adds what could not be written. Watched events are dropped: those who watch have seen the gap."""
        for key, events in taken.figures.items():
            self._now.figures[key] += events
        self._now.seen = {**taken.seen, **self._now.seen}
        for found, (events, violation) in taken.violations.items():
            more, newest = self._now.violations.get(found, (0, violation))
            self._now.violations[found] = (events + more, newest)
        for place, shape in taken.shapes.items():
            self._now.shapes[place] = merge(shape, self._now.shapes.get(place, NOTHING))


async def write(work: Work, gathered: Gathered) -> None:
    """Writes down what was gathered."""
    if gathered.figures:
        await repository.add_figures(work, gathered.figures)
    if gathered.seen:
        await repository.touch(work, gathered.seen)
    if gathered.violations:
        await repository.add_violations(work, gathered.violations)
    if gathered.shapes:
        await _add_shapes(work, gathered.shapes)
    if gathered.tail:
        await repository.add_tail(work, gathered.tail)


class View:
    """Watches one request's events as they are taken in."""

    __slots__ = ("_now", "_source_id", "_stats", "_watched", "enough")

    def __init__(
        self, stats: SourceStats, source_id: UUID, now: datetime, *, watched: bool, enough: Container[str]
    ) -> None:
        self._stats = stats
        self._source_id = source_id
        self._now = now
        self._watched = watched
        self.enough = enough

    def accepted(self, payload: bytes, normal: Normal) -> None:
        """Notes that an event is ready for the bus."""
        self._stats.sample(self._source_id, normal.name, normal.properties)
        if self._watched:
            self._stats.tail(self._source_id, self._now, payload, outcome="accepted", **_made(normal))


def _made(normal: Normal) -> dict[str, Any]:
    event = normal.event
    return {
        "made": {
            "event_id": str(event.event_id),
            "type": wire.TYPE_NAMES[type(event.body)],
            "occurred_at": wire.iso(event.occurred_at),
            "identities": [str(one) for one in event.identities],
            "body": msgspec.to_builtins(event.body),
            "unverified": event.unverified,
            "historical": event.historical,
        },
        "placeholders": normal.placeholders,
        "violation": normal.violation.text if normal.violation else None,
    }


async def _add_shapes(work: Work, gathered: Mapping[tuple[UUID, str], Shape]) -> None:
    """Merges samples into the stored shapes. Rows are locked one after the other in one order."""
    for (source_id, event), shape in sorted(gathered.items(), key=lambda item: item[0]):
        kept = await repository.lock_shape(work, source_id, event)
        await repository.save_shape(work, source_id, event, merge(kept or NOTHING, shape))


# Watching


async def watch(work: Work, source_id: UUID, *, until: datetime) -> None:
    """Makes every process keep this source's events for those who watch, until `until`."""
    await repository.watch(work, source_id, until=until)


async def watched(work: Work) -> frozenset[UUID]:
    """Returns the sources that somebody watches."""
    return await repository.watched(work)


async def tail_of(work: Work, source_id: UUID, *, after: int | None) -> list[tuple[int, dict[str, Any]]]:
    """Returns watched events after a position, each with its position; without one, only the position of the end."""
    return await repository.tail(work, source_id, after=after)


async def forget_tail(work: Work, *, before: datetime) -> None:
    """Deletes watched events that are older."""
    await repository.forget_tail(work, before=before)


# Reading


async def figures(work: Work, source_id: UUID, *, since: date) -> Sequence[StoredFigure]:
    """Returns a source's figures by day, outcome and reason, newest day first."""
    return await repository.figures(work, source_id, since=since)


async def missing_topics(work: Work, formats: Mapping[UUID, str]) -> dict[UUID, list[str]]:
    """Returns by source, of this format each, the topics that its vendor needs and that never came."""
    needed = {source_id: needed_topics(form) for source_id, form in formats.items()}
    asked = [source_id for source_id, topics in needed.items() if topics]
    came = await repository.reasons(work, asked, outcome=TOPIC) if asked else {}
    return {
        source_id: [topic for topic in topics if topic not in came.get(source_id, ())]
        for source_id, topics in needed.items()
    }
