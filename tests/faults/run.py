"""One run: load, faults, rest, rebuild, evidence, verdict; and what to print of it."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from math import inf
from random import Random
from statistics import quantiles
from typing import Any, Final
from uuid import UUID

from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.table import Table

from shared.contracts import topics
from shared.service.clock import SystemClock
from tests.faults import segments
from tests.faults.checker import Broken, check
from tests.faults.collect import Settled, gather
from tests.faults.evidence import Evidence
from tests.faults.ledger import Ledger, Outcome
from tests.faults.load import Batch, Clients, Shape, endless, plan
from tests.faults.nemesis import Nemesis, Struck, observed
from tests.faults.tables import PROJECTIONS, differing, digest, rows
from tests.faults.world import World

ANSWER_DELAY_MILLISECONDS: Final = 150  # so that kills meet sends on their way
STORM_DELAY_MILLISECONDS: Final = 1200  # while senders are killed, one soon after the other
MOST_TRIES: Final = 2  # kills for each that meets a send
REST_SECONDS: Final = 300.0
SILENT_IN_SECONDS: Final = 45
POISON: Final = (topics.EVENTS, topics.PROFILE_EVENTS, topics.PROFILES, topics.SEGMENTS)
FEEDBACK_PAUSE_SECONDS: Final = 0.6


@dataclass(frozen=True, kw_only=True)
class Script:
    """What a run is made of."""

    seed: int
    shape: Shape | None = None  # None: as many customers as there is time for
    faults: int
    kills_while_sending: int
    pause_seconds: float = 1.0  # between one client's batches, while faults go on
    minutes: float = inf  # after these no new fault begins
    hold: float = 1.0  # the share of its usual time for which a fault lasts


@dataclass(kw_only=True)
class Report:
    """What a run came to."""

    seed: int
    nodes: int
    seconds: float = 0.0
    acknowledged: int = 0
    unknown: int = 0
    spooled: int = 0
    answers: dict[int, int] = field(default_factory=dict)
    intents: int = 0
    handed: int = 0
    unknown_sends: int = 0
    sending_at_kills: int = 0
    kills_in_flight: int = 0
    struck: list[Struck] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """Faults whose effect was seen, kills while sending among them."""
        return len(observed(self.struck)) + self.kills_in_flight

    def recovery(self) -> tuple[float, float, float]:
        """Median, 99th percentile and greatest of the seconds to recover."""
        seconds = sorted(one.recovery_seconds for one in self.struck)
        if len(seconds) < 2:
            return (0.0, 0.0, 0.0)
        return (quantiles(seconds, n=2)[0], quantiles(seconds, n=100, method="inclusive")[98], seconds[-1])

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        p50, p99, worst = (round(one, 2) for one in self.recovery())
        counted = {name: value for name, value in asdict(self).items() if name not in ("struck", "broken")}
        return {
            **counted,
            "seconds": round(self.seconds),
            "faults": self.faults,
            "recovery_seconds": {"p50": p50, "p99": p99, "max": worst},
            "struck": [one.fault for one in observed(self.struck)],
            "without_effect": [one.fault for one in self.struck if one not in observed(self.struck)],
            "broken": [list(one) for one in self.broken],
        }


async def run(world: World, ledger: Ledger, script: Script) -> Report:
    """Runs a script on a world with all its services started, and judges it."""
    begun = asyncio.get_running_loop().time()
    report = Report(seed=script.seed, nodes=world.nodes)
    ledger.note("seed", seed=script.seed)
    clients = Clients(world.instances["ingest"].url, world.stack.write_key, ledger, script.seed)
    await world.set_answer_delay(ANSWER_DELAY_MILLISECONDS)
    await segments.define(world)
    try:
        await _under_load(world, ledger, script, report, clients)
        await world.set_answer_delay(0)
        await world.until_idle(deadline_seconds=REST_SECONDS)
        await rebuild_all(world, ledger)
        await judge(world, ledger, report)
        report.spooled, report.answers = await world.spooled(), dict(sorted(clients.answers.items()))
    finally:
        await clients.close()
    report.seconds = asyncio.get_running_loop().time() - begun
    return report


async def _under_load(world: World, ledger: Ledger, script: Script, report: Report, clients: Clients) -> None:
    nemesis = Nemesis(world, ledger, clients, script.seed, hold=script.hold)
    calm, now = asyncio.Event(), asyncio.get_running_loop().time
    end = now() + script.minutes * 60
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            clients.send_all(_load(script, calm), pause=lambda: 0.0 if calm.is_set() else script.pause_seconds)
        )
        tasks.create_task(submit_feedback(world, ledger, calm, script.seed))
        for fault in nemesis.choose(script.faults):
            if now() > end:
                break
            report.struck.append(await nemesis.strike(fault))
        await world.set_answer_delay(STORM_DELAY_MILLISECONDS)
        await nemesis.begin_storm()
        for n in range(script.kills_while_sending * MOST_TRIES):
            if report.kills_in_flight == script.kills_while_sending:
                break  # now and then the last send has just been answered, and the kill does not count
            if n % 10 == 0:
                await poison(world, ledger, n)
            report.kills_in_flight += await nemesis.kill_while_sending()
        await nemesis.end_storm()
        calm.set()


def _load(script: Script, calm: asyncio.Event) -> Iterable[Batch]:
    if script.shape is None:
        return endless(script.seed, calm)
    return plan(script.seed, script.shape, silent_at=SystemClock().now() + timedelta(seconds=SILENT_IN_SECONDS))


async def poison(world: World, ledger: Ledger, round_: int) -> None:
    """Puts a record that is no event into every topic."""
    for topic in POISON:
        await flood(world, ledger, topic, 1, text=f"poison {round_}")


async def flood(
    world: World, ledger: Ledger, topic: str, records: int, *, text: str = "flood", sources: int = 0
) -> None:
    """Puts records that are no events into one partition of a topic, and notes where they lie.

    They are nobody's, which blocks nobody but nobody; as of several `sources`, they are what a bad deploy would make.
    """
    producer = AIOKafkaProducer(bootstrap_servers=world.direct, acks="all")
    await producer.start()
    try:
        for n in range(records):
            value = f"{text} {n}"
            headers = [("ce_source", f"/rapport/sources/{UUID(int=1 + n % sources)}".encode())] if sources else []
            there = await producer.send_and_wait(topic, value.encode(), key=b"p", headers=headers)
            ledger.note("poison", topic=topic, place=f"{topic}/{there.partition}/{there.offset}", value=value)
    finally:
        await producer.stop()


async def submit_feedback(world: World, ledger: Ledger, stop: asyncio.Event, seed: int) -> None:
    """Answers by the feedback service's API, each under a key of its own, until it is acknowledged."""
    random, number = Random(seed), 0
    while not stop.is_set():
        number += 1
        key = f"answer-{number}"
        body = {"customer": {"user_id": f"c{random.randint(0, 99)}"}, "survey": "nps", "rating": 9, "text": key}
        while (outcome := await _submit(world, key, body)) is not Outcome.OK:
            ledger.note("feedback", key=key, outcome=outcome)
            await asyncio.sleep(FEEDBACK_PAUSE_SECONDS)
        ledger.note("feedback", key=key, outcome=outcome)
        await asyncio.sleep(FEEDBACK_PAUSE_SECONDS)


async def _submit(world: World, key: str, body: Mapping[str, Any]) -> Outcome:
    if "feedback" not in world.instances:
        return Outcome.FAILED
    answer = await world.try_to("POST", "feedback", "/v1/feedback", json=body, headers={"Idempotency-Key": key})
    return Outcome.UNKNOWN if answer is None or answer.is_error else Outcome.OK


async def rebuild_all(world: World, ledger: Ledger) -> None:
    """Rebuilds every projection at one frozen moment, beside the running services, and notes both digests."""
    now = SystemClock().now()
    for name in PROJECTIONS:
        if name not in world.running:
            continue
        before = await rows(world, name)
        await world.command(name, "rebuild", FAULTS_NOW=now.isoformat())
        after = await rows(world, name)
        for table, lines in before.items():
            ledger.note(
                "rebuilt",
                table=f"{name}.{table}",
                before=digest(lines),
                after=digest(after[table]),
                differing=differing(lines, after[table]),
            )


async def judge(world: Settled, ledger: Ledger, report: Report) -> Evidence:
    """Gathers the evidence, and notes what the checker says of it."""
    evidence = await gather(world, ledger.path)
    report.broken = check(evidence)
    report.acknowledged = sum(one.fate is Outcome.OK for one in evidence.sent.values())
    report.unknown = sum(one.fate is Outcome.UNKNOWN for one in evidence.sent.values())
    report.intents = len(evidence.messages)
    report.handed = len(evidence.handed)
    report.unknown_sends = sum(one.state == "unknown" for one in evidence.messages)
    report.sending_at_kills = len(evidence.sending_at_kills)
    for one in report.broken:
        ledger.note("broken", rule=one.rule, what=one.what)
    return evidence


def show(report: Report, console: Console) -> None:
    """Prints a run as tables."""
    table = Table(title=f"seed {report.seed}, {report.nodes} broker(s), {report.seconds:.0f} s")
    table.add_column("figure")
    table.add_column("value", justify="right")
    p50, p99, worst = report.recovery()
    for name, value in (
        ("faults seen", report.faults),
        ("  of them kills with a send in flight", report.kills_in_flight),
        ("events acknowledged", report.acknowledged),
        ("events of unknown fate", report.unknown),
        ("events that waited in ingest's spool", report.spooled),
        ("calls by answer (0: none came)", ", ".join(f"{status}: {n:,}" for status, n in report.answers.items())),
        ("send intents", report.intents),
        ("messages at the provider", report.handed),
        ("unknown sends / sending at kills", f"{report.unknown_sends} / {report.sending_at_kills}"),
        ("recovery p50, p99, max", f"{p50:.1f} s, {p99:.1f} s, {worst:.1f} s"),
        ("rules broken", len(report.broken)),
    ):
        table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    console.print(table)
    for one in report.struck:
        seen = ", ".join(f"{name} {value}" for name, value in one.seen.items()) or "no effect seen"
        console.print(f"  {one.fault:28} {seen:30} recovered in {one.recovery_seconds:.1f} s")
    for broken in report.broken:
        console.print(f"  [bold]{broken.rule}[/bold]: {broken.what}")
