"""Laws of runs on real PostgreSQL: events, time, edits, merges, deaths in any order: each step once, exits at once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.campaign import content
from services.campaign.domain.journey.nodes.message import MESSAGE
from services.campaign.domain.journey.run import Signal
from services.campaign.repository import runs as rows
from services.campaign.service import contacts, facts, journeys, running
from shared.contracts.changes import ProfileMerged
from shared.contracts.envelope import Event
from shared.contracts.events import CustomEvent
from shared.database import aliases
from shared.database.database import Database, Work
from shared.service.clock import SystemClock
from tests.support.actors import OPERATOR
from tests.support.campaign import RULES, event
from tests.support.databases import Databases
from tests.support.examples import at_least

SECRET: Final = RULES.partition_secret
HOUR: Final = timedelta(hours=1)
STEPS: Final = 25
CUSTOMERS: Final = [UUID(int=n) for n in range(1, 4)]
CARTS: Final = ("c-1", "c-2")
CART: Final[dict[str, Any]] = {
    "name": {"en": "Cart", "zh": "购物车"},
    "trigger": {"type": "event", "event": "cart"},
    "again": {"type": "once_per", "property": "cart_id"},
    "max_age": "P3650D",
    "exits": [{"type": "event", "event": "bought", "same": "cart_id", "goal": True}],
    "start": "pause",
    "nodes": {
        "pause": {"type": "wait", "time": "PT1H", "next": "remind"},
        "remind": {"type": "message", "template": "win-back", "next": "paid"},
        "paid": {
            "type": "wait_for_event",
            "event": "paid",
            "same": "cart_id",
            "timeout": "PT3H",
            "next": "thanks",
            "on_timeout": "pause",
        },
        "thanks": {"type": "exit", "reason": "paid"},
    },
}


class _Died(Exception):
    """The process ends before it commits."""


class _Undone(Exception):
    """Rolls an example back."""


class Story:
    """What happens to some customers and their carts, and what a journey may never do about it."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._events = 0

    async def cart(self, who: UUID, cart_id: str, name: str, dies: bool) -> None:
        self._events += 1
        happened = event(
            CustomEvent(name=name, properties={"cart_id": cart_id}),
            who,
            at=self.work.now,
            event_id=uuid5(who, str(self._events)),
        )
        if dies:
            with suppress(_Died):
                async with self.work.savepoint():
                    await self._hear(happened)
                    raise _Died
        await self._hear(happened)
        if name == "bought":
            customer = (await aliases.canonical(self.work, [who]))[who]
            inside = await rows.lock_active(self.work, [customer])
            assert cart_id not in {run.entry_key for run in inside}, "who has bought is out at once"

    async def _hear(self, *events: Event) -> None:
        await facts.on_facts(self.work, events, partition_secret=SECRET)

    async def passed(self, hours: int) -> None:
        self.work.now += hours * HOUR

    async def walked(self, dies: bool) -> None:
        if dies:
            with suppress(_Died):
                async with self.work.savepoint():
                    await running.move_due(self.work, until=self.work.now, partition_secret=SECRET)
                    raise _Died
        await running.move_due(self.work, until=self.work.now, partition_secret=SECRET)

    async def settled(self, state: str) -> None:
        """The sender's part: what became of each message is told to its run."""
        waiting = await self.work.rows(
            "UPDATE messages SET state = :state WHERE state = 'pending' RETURNING run_id", state=state
        )
        await rows.signal(self.work, MESSAGE, {row.run_id: Signal(MESSAGE, state) for row in waiting})

    async def merged(self, loser: UUID, survivor: UUID) -> None:
        if loser != survivor:
            await contacts.follow(
                self.work, [event(ProfileMerged(loser=loser, survivor=survivor), survivor)], partition_secret=SECRET
            )

    async def edited(self, hours: int, move: str) -> None:
        pause = {"type": "wait", "time": f"PT{hours}H", "next": "remind"}
        definition = {**CART, "nodes": {**CART["nodes"], "pause": pause}}
        shown = await journeys.one(self.work, "cart")
        shown, _ = await journeys.change(
            self.work, "cart", definition, content.known(), revision=shown.revision, by=OPERATOR
        )
        await journeys.publish(
            self.work,
            "cart",
            content.known(),
            revision=shown.revision,
            move="follow" if move == "follow" else "stay",
            by=OPERATOR,
        )

    async def holds(self) -> None:
        """Asserts what holds at any moment."""
        found = await self.work.rows("SELECT id, profile_id, entry_key, state, visit, triggered_at, reason FROM runs")
        canonical = await aliases.canonical(self.work, CUSTOMERS)
        active = [(row.profile_id, row.entry_key) for row in found if row.state == "active"]
        assert len(active) == len(set(active)), "a cart has one run at a time"
        assert {row.profile_id for row in found if row.state == "active"} <= set(canonical.values())
        taken = await self.work.rows(
            "SELECT run_id, array_agg(DISTINCT visit ORDER BY visit) AS visits FROM run_steps GROUP BY run_id"
        )
        visits = {row.run_id: row.visits for row in taken}
        assert all(visits[row.id] == list(range(1, row.visit + 1)) for row in found), (
            "each node is entered once a visit"
        )
        twice = await self.work.rows("SELECT 1 FROM messages GROUP BY run_id, visit HAVING count(*) > 1")
        assert not twice, "a visit sends once"


Step = tuple[str, tuple[Any, ...]]


def steps(chance: Random) -> Iterator[Step]:
    for _ in range(STEPS):
        who, cart_id, dies = chance.choice(CUSTOMERS), chance.choice(CARTS), chance.random() < 0.2
        weighted: list[tuple[int, Step]] = [
            (6, ("cart", (who, cart_id, "cart", dies))),
            (2, ("cart", (who, cart_id, "bought", dies))),
            (2, ("cart", (who, cart_id, "paid", dies))),
            (5, ("passed", (chance.choice((1, 2, 9)),))),
            (6, ("walked", (dies,))),
            (3, ("settled", (chance.choice(("sent", "sent", "refused")),))),
            (1, ("merged", (who, chance.choice(CUSTOMERS)))),
            (1, ("edited", (chance.choice((1, 2)), chance.choice(("stay", "follow"))))),
        ]
        yield chance.choices([step for _, step in weighted], [weight for weight, _ in weighted])[0]


@pytest.fixture(scope="module")
async def database(databases: Databases) -> AsyncIterator[Database]:
    """A database of campaign, in which no example keeps rows."""
    name = await databases.take("campaign")
    made = Database(databases.url("campaign", name), application="test", clock=SystemClock())
    yield made
    await made.close()
    await databases.give_back("campaign", name)


@settings(max_examples=at_least(20))
@given(chance=st.randoms(use_true_random=True))
async def test_whatever_happens_each_step_is_taken_once_and_who_is_out_is_out_at_once(
    database: Database, chance: Random
) -> None:
    told = list[Step]()
    with suppress(_Undone):
        async with database.work() as work:
            await journeys.create(work, "cart", CART, content.known(), by=OPERATOR)
            await journeys.publish(work, "cart", content.known(), revision=1, move="stay", by=OPERATOR)
            story = Story(work)
            for name, parts in steps(chance):
                told.append((name, parts))
                try:
                    await getattr(story, name)(*parts)
                    await story.holds()
                except AssertionError as error:
                    raise AssertionError(f"{error}: {msgspec.json.encode(told).decode()}") from error
            raise _Undone
