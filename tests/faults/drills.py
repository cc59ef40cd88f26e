"""Short exercises, each made to bring out one kind of bug. A healthy Rapport passes them all."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from signal import Signals
from typing import Final

from deploy.local.process import free_port
from shared.service.clock import SystemClock
from tests.faults import load, provider, segments
from tests.faults.ledger import Ledger
from tests.faults.load import Clients
from tests.faults.run import poison
from tests.faults.world import World, since
from tests.support.running import eventually

DEATH_SECONDS: Final = 180.0
FROZEN_SECONDS: Final = 9.0  # longer than a consumer's session
STOPPED_CUSTOMERS: Final = 12
BURST_CUSTOMERS: Final = 60
BURST_SEED: Final = 5
SILENT_SEED: Final = 6
SILENT_CUSTOMERS: Final = 10
SILENT_IN_SECONDS: Final = 3
FIRED: Final = "failpoint.fired"
NOTHING_ELSE: Final[Mapping[str, str]] = {}


@dataclass(frozen=True)
class Ground:
    """Where a drill takes place: a running world under load. `planted` is a failpoint within the planted bug."""

    world: World
    ledger: Ledger
    clients: Clients
    planted: str = ""


Drill = Callable[[Ground], Awaitable[None]]


async def die(
    ground: Ground,
    service: str,
    failpoint: str,
    *,
    stop: bool = False,
    mend: Drill | None = None,
    between: Drill | None = None,
    env: Mapping[str, str] = NOTHING_ELSE,
) -> None:
    """Has a service die at a failpoint, as it is stopped if it says so, and starts it again.

    Fails if it does not die there. `between` takes place before it starts to die, `mend` before it starts again.
    """
    world = ground.world
    await world.end(service, Signals.SIGTERM)
    if between is not None:
        await between(ground)
    log = world.log(service)
    start = log.stat().st_size
    usual = world.drill_env.get(service, {})
    world.drill_env[service] = {**usual, **env}
    instance = await world.spawn(service, FAILPOINT=failpoint)
    world.drill_env[service] = usual
    if stop:
        await world.until_ready(instance)
        instance.child.signal(Signals.SIGTERM)
    async with asyncio.timeout(DEATH_SECONDS):
        code = await instance.child.wait()
    world.instances.pop(service)
    written, name = since(log, start), failpoint.partition("@")[0]
    assert code == -Signals.SIGKILL, f"at {failpoint}: {instance.child.ending()}"
    assert f"{FIRED} {name}" in written, f"{failpoint} did not fire: {written[-300:]}"
    if service == "campaign":
        ground.ledger.note("kill", service=service, sending=await world.sending_ids())
    if mend is not None:
        await mend(ground)
    await world.launch(service)


async def _traffic(ground: Ground) -> None:
    """Everybody at once; a batch that comes again when it is long folded; a word that comes after a later one."""
    far = SystemClock().now() + timedelta(days=1)
    burst = load.plan(BURST_SEED, load.Shape(BURST_CUSTOMERS, prefix="burst-"), silent_at=far)
    async with asyncio.TaskGroup() as tasks:
        for batch in burst:
            tasks.create_task(ground.clients.deliver(batch))
    late = load.known("late") | {"messageId": "late-first", "timestamp": (far - timedelta(days=3)).isoformat()}
    late["traits"] = {"first_name": "Earlier"}
    await ground.clients.deliver([load.known("late")])
    await eventually(lambda: _folded(ground.world, "late"), bool, deadline_seconds=DEATH_SECONDS)
    await ground.clients.deliver([late])
    await ground.clients.deliver(burst[0])


async def _folded(world: World, user: str) -> bool:
    async with world.database("profile") as connection:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM identities WHERE value = $1 AND profile_id IS NOT NULL", user
            )
        )


async def _reader_dies(ground: Ground) -> None:
    await die(ground, "tally", (ground.planted or "batch.after_commit") + "@3")


async def _relay_dies(ground: Ground) -> None:
    await die(ground, "profile", (ground.planted or "relay.after_send") + "@3")


async def _frozen_reader(ground: Ground) -> None:
    """A reader freezes with records in hand, another takes its partitions, and it wakes."""
    world = ground.world
    frozen = world.instances["tally"].child
    frozen.signal(Signals.SIGSTOP)
    await world.spawn("tally", port=free_port(), key="tally-2")
    await asyncio.sleep(FROZEN_SECONDS)
    frozen.signal(Signals.SIGCONT)
    await asyncio.sleep(1)
    await world.end("tally-2", Signals.SIGTERM)


async def _consent(ground: Ground) -> None:
    """While sending is stopped, customers earn a message and then say no; then sending goes on."""
    world, names = ground.world, [f"no{n}" for n in range(STOPPED_CUSTOMERS)]
    await world.ask("POST", "campaign", "/v1/send-stop")
    await ground.clients.deliver([load.known(name) for name in names])
    await ground.clients.deliver([load.order(name, f"{name}-o1", 150_00) for name in names])
    await eventually(lambda: _held(world, names), lambda held: held == len(names), deadline_seconds=DEATH_SECONDS)
    await ground.clients.deliver([load.withdrawal(name) for name in names])
    await eventually(
        lambda: _said_no(world, names), lambda refused: refused == len(names), deadline_seconds=DEATH_SECONDS
    )
    ground.ledger.note("withdrawn", addresses=[f"{name}@load.example" for name in names])
    await world.ask("DELETE", "campaign", "/v1/send-stop")


async def _held(world: World, names: list[str]) -> int:
    """How many of these customers' messages the gate has held."""
    async with world.database("campaign") as connection:
        return int(
            await connection.fetchval(
                "SELECT count(DISTINCT c.email) FROM contacts c JOIN decisions d USING (profile_id) "
                "WHERE d.outcome = 'held' AND c.email = ANY($1::text[])",
                [f"{name}@load.example" for name in names],
            )
        )


async def _said_no(world: World, names: list[str]) -> int:
    async with world.database("campaign") as connection:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM contacts WHERE email = ANY($1::text[]) AND consent->>'email' = 'false'",
                [f"{name}@load.example" for name in names],
            )
        )


async def _sender_dies(ground: Ground) -> None:
    """The sender is killed twice with messages on their way, and their lease runs out."""
    world = ground.world
    for _ in range(2):
        await eventually(lambda: _under_way(world), bool, deadline_seconds=DEATH_SECONDS)
        await world.end("campaign")
        ground.ledger.note("kill", service="campaign", sending=await world.sending_ids())
        await world.launch("campaign")


async def _under_way(world: World) -> int:
    return provider.read(world.home / "mail").unfinished


async def _door_dies(ground: Ground) -> None:
    """ingest is killed with requests on their way, and the broker is cut off."""
    world = ground.world
    for _ in range(3):
        await eventually(lambda: _in_flight(ground.clients), bool, deadline_seconds=DEATH_SECONDS)
        await world.end("ingest")
        await world.launch("ingest")
    world.proxies["kafka-1"].cut()


async def _in_flight(clients: Clients) -> int:
    return clients.in_flight


async def _poison(ground: Ground) -> None:
    await poison(ground.world, ground.ledger, 0)


async def _silence(ground: Ground) -> None:
    """Customers whose only order falls out of every window meanwhile, one a second."""
    soon = SystemClock().now() + timedelta(seconds=SILENT_IN_SECONDS)
    for batch in load.plan(SILENT_SEED, load.Shape(0, silent=SILENT_CUSTOMERS, prefix="drill-"), silent_at=soon):
        await ground.clients.deliver(batch)


async def _new_definitions(ground: Ground) -> None:
    """Segments get other conditions amid the events that they ask about."""
    await segments.redefine(ground.world, "buyers", segments.SPENT)
    await segments.redefine(ground.world, "viewed", segments.SEGMENTS["plan-a"])
    await eventually(ground.world.backfills, lambda waiting: waiting == 0, deadline_seconds=DEATH_SECONDS)


DRILLS: Final[Mapping[str, Drill]] = {
    "traffic": _traffic,
    "reader dies": _reader_dies,
    "relay dies": _relay_dies,
    "frozen reader": _frozen_reader,
    "consent": _consent,
    "sender dies": _sender_dies,
    "door dies": _door_dies,
    "poison": _poison,
    "silence": _silence,
    "new definitions": _new_definitions,
}
