"""Every failpoint is documented, and a service that dies there, under load, breaks no promise."""

import ast
import asyncio
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from signal import Signals

import msgspec
import pytest

from deploy.local.process import LOOPBACK, StackError
from shared.contracts import topics
from shared.service.clock import SystemClock
from tests.faults import draw, ledger, load, segments
from tests.faults.drills import DEATH_SECONDS, FIRED, Drill, Ground, die
from tests.faults.exercise import exercise
from tests.faults.ledger import Ledger, Outcome
from tests.faults.run import flood, poison
from tests.faults.world import World, since
from tests.support.running import eventually

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("SEED", "11"))
FILED = 30  # customers of a file that is imported
IMPORT = ("import", "{home}/import.ndjson", "--source", "demo", "--preset", "tracking", "--live")
FLOOD = 260  # poisoned records in one partition: more than the breaker's sample
FLOOD_SOURCES = 8  # that they are of: so many, each with more than a few, that the reader is to blame


@dataclass(frozen=True)
class Way:
    """How a failpoint is reached: by a service under load, as it starts, as it stops, or by a command."""

    service: str
    how: str = "load"
    bring: Drill | None = None
    command: tuple[str, ...] = ()
    again: tuple[str, ...] | None = None  # what is run after the death; None: the same
    mend: Drill | None = None  # what takes place after the death, with the service at rest
    env: Mapping[str, str] = field(default_factory=dict)  # while it is to die
    before: Drill | None = None  # what takes place before, with the service at rest or, for a command, running
    after: str = ""  # another failpoint, whose death leaves what this one needs


def _in_code() -> Iterator[str]:
    for path in [*(ROOT / "services").rglob("*.py"), *(ROOT / "shared").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "failpoint":
                [name] = node.args
                assert isinstance(name, ast.Constant), f"{path}:{node.lineno}: a failpoint's name is written out"
                yield str(name.value)


def _documented() -> list[str]:
    text = (ROOT / "docs" / "reliability.md").read_text()
    return re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", text, re.MULTILINE)


async def _bad_event(ground: Ground) -> None:
    await ground.clients.deliver([load.bad("drill", 1)])


async def _release(ground: Ground) -> None:
    """What is still refused stays, whether or not it was just tried."""
    await ground.clients.deliver([load.bad("drill", 2)])
    held = (await ground.world.get("ingest", "/v1/quarantine"))["events"][0]
    await ground.world.try_to("POST", "ingest", f"/v1/quarantine/{held['id']}/release", json={})


async def _file(ground: Ground) -> None:
    """A file to be imported; whoever sent it knows that it is all taken in once the command says so."""
    at = SystemClock().now()
    names = [f"file-{at:%H%M%S}-{n}" for n in range(FILED)]
    events = [*map(load.known, names), *(load.order(name, f"{name}-o1", 150_00) for name in names)]
    events = [event | {"timestamp": at.isoformat()} for event in events]
    (ground.world.home / "import.ndjson").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in events))
    ground.ledger.note("call", events=events)
    ground.ledger.note("answer", ids=[one["messageId"] for one in events], outcome=Outcome.OK)


async def _lease_over(ground: Ground) -> None:
    async with ground.world.database("ingest") as connection:
        await connection.execute("UPDATE imports SET held_until = now() - interval '1 second'")


async def _poison(ground: Ground) -> None:
    await poison(ground.world, ground.ledger, 1)


async def _flood(ground: Ground) -> None:
    """Not before what an earlier flood left is in the dead letters: the operator accepts one at a time."""
    lines = ledger.read(ground.ledger.path)
    earlier = sum(line["kind"] == "poison" and line["topic"] == topics.SEGMENTS for line in lines)
    await eventually(
        lambda: _dead(ground.world, "campaign", topics.SEGMENTS),
        lambda dead: dead >= earlier,
        deadline_seconds=DEATH_SECONDS,
    )
    await flood(ground.world, ground.ledger, topics.SEGMENTS, FLOOD, sources=FLOOD_SOURCES)


async def _silent(ground: Ground) -> None:
    """Customers whose last order becomes 90 days old, one a second: some of them when segment knows the order."""
    soon = SystemClock().now() + timedelta(seconds=5)
    for batch in load.plan(SEED, load.Shape(0, silent=60, prefix="timer-"), silent_at=soon):
        await ground.clients.deliver(batch)


async def _redefine(ground: Ground) -> None:
    """A definition goes live; the second time it becomes another, and so on."""
    turns = await _versions(ground.world)
    await segments.redefine(ground.world, "plan-a", segments.SEGMENTS["plan-a"] | {"value": "abc"[turns % 3]})


async def _versions(world: World) -> int:
    async with world.database("segment") as connection:
        return int(await connection.fetchval("SELECT count(*) FROM segment_versions WHERE segment_id = 'plan-a'"))


async def _broadcast(ground: Ground) -> None:
    """A broadcast to a segment, started; the second time another one."""
    name = f"drill-{SystemClock().now():%H%M%S}"
    definition = {
        "name": {"en": name, "zh": name},
        "segment": "buyers",
        "template": "win-back",
        "purpose": "transactional",
    }
    made = await ground.world.ask("POST", "campaign", "/v1/broadcasts", json={"id": name, "definition": definition})
    headers = {"If-Match": made.raise_for_status().headers["ETag"]}
    await ground.world.try_to("POST", "campaign", f"/v1/broadcasts/{name}/start", headers=headers)


async def _answer(ground: Ground) -> None:
    body = {"customer": {"user_id": "g0-c1"}, "survey": "nps", "rating": 2, "text": "drill"}
    await ground.world.try_to("POST", "feedback", "/v1/feedback", json=body, headers={"Idempotency-Key": "drill"})
    ground.ledger.note("feedback", key="drill", outcome="unknown")


async def _close_case(ground: Ground) -> None:
    body = {"customer": {"user_id": "g0-c2"}, "survey": "nps", "rating": 1, "text": "drill 2"}
    await ground.world.ask("POST", "feedback", "/v1/feedback", json=body, headers={"Idempotency-Key": "drill 2"})
    ground.ledger.note("feedback", key="drill 2", outcome="ok")
    cases = (await ground.world.get("feedback", "/v1/cases"))["cases"]
    await ground.world.try_to("POST", "feedback", f"/v1/cases/{cases[0]['id']}/close", json={"note": "drill"})


async def _refused(ground: Ground) -> None:
    """A release that refuses two events, and is put back: the letters can be retried."""
    world, name = ground.world, "Refused Drill"
    await world.end("tally", Signals.SIGTERM)
    await world.launch("tally", FAULTS_REFUSE=name)
    await ground.clients.deliver([load.custom(f"refused{n}", name) for n in range(2)])
    await eventually(
        lambda: _dead(world, "tally", "asked to be refused"), lambda n: n == 2, deadline_seconds=DEATH_SECONDS
    )
    await world.end("tally", Signals.SIGTERM)
    await world.launch("tally")


async def _dead(world: World, service: str, reason: str) -> int:
    """How many refused records name this in their place or their reason."""
    async with world.database(service) as connection:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM dead_letter_decisions WHERE decision = 'refused' "
                "AND (note LIKE $1 OR place LIKE $1)",
                f"%{reason}%",
            )
        )


async def _accepted(ground: Ground) -> None:
    """The partition that the breaker stopped, as it was written down before the death or will be, goes on."""
    world = ground.world
    instance = await world.spawn("campaign")
    await eventually(lambda: _is_stopped(world), bool, deadline_seconds=DEATH_SECONDS)
    assert instance.child.alive, instance.child.ending()
    await world.end("campaign", Signals.SIGTERM)
    await world.command("campaign", "resume", "--accept", str(FLOOD))


async def _is_stopped(world: World) -> bool:
    async with world.database("campaign") as connection:
        return bool(await connection.fetchval("SELECT count(*) FROM consumer_offsets WHERE stopped IS NOT NULL"))


async def _rewound(ground: Ground) -> None:
    """The database loses what it knew last, and Kafka's copy of the offsets does not."""
    async with ground.world.database("tally") as connection:
        await connection.execute("UPDATE consumer_offsets SET next_offset = next_offset - 1 WHERE next_offset > 0")


async def _set_send_cutoff(ground: Ground) -> None:
    await ground.world.try_to("POST", "campaign", "/v1/send-cutoff", json={"at": "2020-01-01T00:00:00Z"})


WAYS: dict[str, Way] = {
    "migrate.after_upgrade": Way("profile", "command", command=("migrate",)),
    "source.after_create": Way(
        "ingest", "command", command=("source", "create", "drill"), again=("source", "disable", "drill")
    ),
    "process.after_topics": Way("feedback", "start"),
    "consumer.after_topics": Way("segment", "start"),
    "consumer.after_take": Way("tally", "start"),
    "relay.after_lease": Way("profile", "start"),
    "ingest.after_publish": Way("ingest"),
    "ingest.after_quarantine": Way("ingest", bring=_bad_event),
    "ingest.after_spool": Way("ingest", env={"KAFKA_BOOTSTRAP": f"{LOOPBACK}:1"}),
    "quarantine.after_release": Way("ingest", bring=_release),
    "import.after_publish": Way("ingest", "command", before=_file, command=IMPORT, mend=_lease_over),
    "import.after_checkpoint": Way("ingest", "command", before=_file, command=IMPORT, mend=_lease_over),
    "batch.after_effects": Way("tally"),
    "batch.after_commit": Way("profile"),
    "together.after_effects": Way("segment"),
    "together.after_commit": Way("segment"),
    "batch.after_dead_letters": Way("tally", bring=_poison),
    "consumer.after_note": Way("campaign"),
    "consumer.after_kafka_commit": Way("segment"),
    "consumer.before_leave": Way("tally", "stop"),
    "producer.after_batch": Way("profile"),
    "relay.after_send": Way("profile"),
    "relay.after_delete": Way("segment"),
    "relay.before_release": Way("profile", "stop"),
    "timers.after_flip": Way("segment", bring=_silent),
    "backfills.after_part": Way("segment", bring=_redefine),
    "channel.after_envelope": Way("campaign"),
    "channel.after_data": Way("campaign"),
    "sender.after_claim": Way("campaign"),
    "sender.after_settle": Way("campaign"),
    "sender.after_give_up": Way("campaign", after="sender.after_claim"),
    "walker.after_move": Way("campaign"),
    "broadcaster.after_page": Way("campaign", bring=_broadcast),
    "feedback.after_submit": Way("feedback", bring=_answer),
    "feedback.after_close": Way("feedback", bring=_close_case),
    "dlq.after_retry": Way(
        "tally", "command", before=_refused, command=("dlq", "retry", "--reason", "asked to be refused")
    ),
    "dlq.after_drop": Way(
        "tally",
        "command",
        command=("dlq", "drop", "--every", "--note", "drill"),
        again=("dlq", "list", "--all"),
        after="batch.after_dead_letters",
    ),
    "consumer.after_rewound": Way("tally", "start", before=_rewound),
    "send_cutoff.after_set": Way("campaign", bring=_set_send_cutoff),
    "send_cutoff.after_command": Way("campaign", "command", command=("send-cutoff", "set", "2020-01-02T00:00:00Z")),
    "rebuild.after_identities": Way("profile", "command", command=("rebuild",)),
    "rebuild.after_profiles": Way("profile", "command", command=("rebuild",)),
    "rebuild.after_shadow": Way("segment", "command", command=("rebuild",)),
    "relay.after_again": Way("feedback", env={"KAFKA_VOLATILE": "true"}),
    "relay.after_forget": Way("profile", env={"KAFKA_VOLATILE": "true"}),
    "rebuild.after_batch": Way("segment", "command", command=("rebuild",)),
    "rebuild.after_cut_over": Way("segment", "command", command=("rebuild",)),
    "consumer.before_stop": Way("campaign", bring=_flood, mend=_accepted),
    "consumer.after_stop": Way("campaign", bring=_flood, mend=_accepted),
}


def test_every_failpoint_has_a_line_in_the_documents_and_a_way_to_reach_it() -> None:
    found = list(_in_code())
    assert len(found) >= 20
    assert sorted(found) == sorted(set(found)), "a name stands for one place"
    assert sorted(found) == sorted(_documented())
    assert sorted(found) == sorted(WAYS)


async def test_a_death_at_any_failpoint_breaks_no_promise(world: World, ledger: Ledger) -> None:
    drawn = draw.draw(WAYS, draw.FAILPOINTS)
    names = [name for name in WAYS if name in drawn or name in {WAYS[one].after for one in drawn}]
    await world.renew()
    await world.launch_all()
    died: list[str] = []

    async def through_all(ground: Ground) -> None:
        """Each service through its own failpoints, the services side by side: most of the time is waiting."""
        async with asyncio.TaskGroup() as tasks:
            for service in {WAYS[name].service: None for name in names}:
                tasks.create_task(through(ground, service))

    async def through(ground: Ground, service: str) -> None:
        for name in names:
            if WAYS[name].service == service:
                await _reach(ground, name, WAYS[name])
                died.append(name)
                print(f"died at {name}")

    assert await exercise(world, ledger, SEED, [through_all]) == []
    assert sorted(died) == sorted(names)


async def _reach(ground: Ground, name: str, way: Way) -> None:
    world = ground.world
    if way.how == "command":
        if way.before is not None:
            await way.before(ground)
        log = world.log(way.service)
        start = log.stat().st_size
        with pytest.raises(StackError, match="SIGKILL"):
            await world.command(way.service, *_placed(world, way.command), FAILPOINT=name)
        assert f"{FIRED} {name}" in since(log, start)
        if way.mend is not None:
            await way.mend(ground)
        await world.command(way.service, *_placed(world, way.again or way.command))
        return
    async with asyncio.TaskGroup() as tasks:
        dying = tasks.create_task(
            die(ground, way.service, name, stop=way.how == "stop", mend=way.mend, between=way.before, env=way.env)
        )
        if way.bring is not None:
            await eventually(lambda: _armed(ground, way.service), bool, deadline_seconds=DEATH_SECONDS)
            await way.bring(ground)
        await dying


def _placed(world: World, command: tuple[str, ...]) -> list[str]:
    return [part.format(home=world.home) for part in command]


async def _armed(ground: Ground, service: str) -> bool:
    """Whether the service that is to die serves already, so that what is brought finds it."""
    instance = ground.world.instances.get(service)
    return instance is not None and instance.armed and await ground.world.answers(instance)
