"""Faults, each injected, seen to have an effect, and healed; then a probe says how long recovery took."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import asyncpg

from deploy.local.process import answers as port_answers
from deploy.local.process import free_port
from shared.service.clock import SystemClock
from tests.faults import load, provider
from tests.faults.ledger import Ledger
from tests.faults.load import Clients
from tests.faults.proxy import Proxy
from tests.faults.world import SERVICES, World
from tests.support.running import eventually

RECOVERY_SECONDS: Final = 180.0  # after that the run has failed
PROBE_PAUSE_SECONDS: Final = 0.05
QUERY_SECONDS: Final = 1.0
JUMP_SECONDS: Final = 40.0
LEAST_PENDING: Final = 16  # messages: enough for a sender to be killed over
EARNING: Final = 90  # customers at a time
CUT_BYTES: Final = 20_000
DELAY_SECONDS: Final = 0.15

Seen = dict[str, Any]
Act = Callable[[str], Awaitable[Seen]]


@dataclass(frozen=True)
class Struck:
    """A fault that was injected: what was seen of it (nothing: it does not count), and the seconds to recover."""

    fault: str
    seen: Seen
    recovery_seconds: float


class Nemesis:
    """Injects one fault at a time."""

    def __init__(self, world: World, ledger: Ledger, clients: Clients, seed: int, *, hold: float = 1.0) -> None:
        """`hold` is the share of its usual time for which a fault lasts."""
        self._hold_ratio = hold
        self._world = world
        self._ledger = ledger
        self._clients = clients
        self._random = Random(seed)
        self._clock = SystemClock()
        self._probes = 0
        self._storm = ["campaign", "campaign-2"]
        self._ports = {"campaign": world.ports.campaign, "campaign-2": free_port()}
        self._acts: dict[str, Act] = {
            "kill": self._kill,
            "freeze": self._freeze,
            "restart": self._restart,
            "cut": self._cut,
            "hole": self._hole,
            "delay": self._delay,
            "midway": self._midway,
            "clock": self._jump,
        }

    def choose(self, count: int) -> list[str]:
        """That many faults: every kind of fault on every kind of place comes before any comes twice."""
        chosen: list[str] = []
        while len(chosen) < count:
            round_ = catalogue(self._world)
            self._random.shuffle(round_)
            first = list({kind(one): one for one in round_}.values())
            chosen += [*first, *(one for one in round_ if one not in first)]
        return chosen[:count]

    async def strike(self, fault: str) -> Struck:
        """Injects one fault, holds it, heals it, and waits until a new customer's order ends in a mail again."""
        act, _, place = fault.partition(" ")
        self._ledger.note("fault", fault=fault)
        seen = await self._acts[act](place)
        healed = asyncio.get_running_loop().time()
        self._ledger.note("healed", fault=fault, seen=seen)
        await self._probe()
        seconds = asyncio.get_running_loop().time() - healed
        await self._all_ready()
        self._ledger.note("recovered", fault=fault, seconds=seconds)
        return Struck(fault, seen, seconds)

    async def kill_while_sending(self) -> bool:
        """Kills one of two senders when messages are on their way; whether the provider's log shows one that was."""
        world = self._world
        self._storm.reverse()
        key = self._storm[0]
        if await world.sending("pending") < LEAST_PENDING:
            await self._earn_messages()
        await eventually(self._under_way, bool, deadline_seconds=RECOVERY_SECONDS)
        begun = self._clock.now()
        await self._kill_campaign(key)
        await asyncio.sleep(PROBE_PAUSE_SECONDS)  # the provider reads of the end
        met = provider.read(world.home / "mail").in_flight_between(begun, self._clock.now())
        self._ledger.note("killed_while_sending", in_flight=met)
        await world.spawn("campaign", key=key, port=self._ports[key])
        return met > 0

    async def begin_storm(self) -> None:
        """A second sender, so that one sends while the other starts again."""
        await self._world.launch("campaign", key="campaign-2", port=self._ports["campaign-2"])

    async def end_storm(self) -> None:
        """Back to one."""
        await self._world.end("campaign-2", signal.SIGTERM)
        await self._all_ready()

    async def _earn_messages(self) -> None:
        """New customers, each of whom will be written to; returns when most of their messages wait."""
        self._probes += 1
        names = [f"earns{self._probes}-{n}" for n in range(EARNING)]
        await self._all_ready()
        await self._clients.deliver([load.known(name) for name in names])
        await self._clients.deliver([load.order(name, f"{name}-o1", 150_00) for name in names])
        await eventually(
            lambda: self._world.sending("pending"),
            lambda waiting: waiting >= EARNING // 2,
            deadline_seconds=RECOVERY_SECONDS,
        )

    async def _all_ready(self) -> None:
        """What a probe does not pass through recovers, too, before the next fault."""
        for instance in list(self._world.instances.values()):
            await self._world.until_ready(instance)

    async def _under_way(self) -> int:
        return provider.read(self._world.home / "mail").unfinished

    async def _probe(self) -> None:
        """A new customer orders; returns when the mail is at the provider."""
        self._probes += 1
        name = f"probe{self._probes}"
        await self._clients.deliver([load.known(name)])
        await self._clients.deliver([load.order(name, f"{name}-o1", 150_00)])
        try:
            await eventually(lambda: self._arrived(f"{name}@load.example"), bool, deadline_seconds=RECOVERY_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"no mail to {name}: {error}\n{await self._world.standing()}") from error

    async def _arrived(self, address: str) -> bool:
        index = self._world.home / "mail" / "index.ndjson"
        return index.exists() and address.encode() in index.read_bytes()

    # Processes

    async def _kill(self, place: str) -> Seen:
        world = self._world
        if place == "postgres":
            await world.stack.postgres.kill()
            seen = {"refuses": not await port_answers("127.0.0.1", world.ports.postgres)}
            await self._hold(0.5, 2)
            await world.stack.postgres.start()
            return seen
        if place.startswith("kafka-"):
            node = int(place.removeprefix("kafka-"))
            await world.kafka.kill(node)
            seen = {"refuses": not await self._kafka_answers(node)}
            await self._hold(0.5, 2)
            await world.kafka.start(node)
            return seen
        code = await (self._kill_campaign() if place == "campaign" else world.end(place))
        await self._hold(0, 1)
        await world.spawn(place)  # from here on it is the service's own time to recover
        return {"exit": code} if code == -signal.SIGKILL else {}

    async def _kill_campaign(self, key: str = "campaign") -> int:
        code = await self._world.end(key)
        self._ledger.note("kill", service="campaign", sending=await self._world.sending_ids())
        return code

    async def _restart(self, place: str) -> Seen:
        world = self._world
        if place == "postgres":
            await world.stack.postgres.stop()
            seen: Seen = {"refuses": not await port_answers("127.0.0.1", world.ports.postgres)}
            await world.stack.postgres.start()
            return seen
        if place.startswith("kafka-"):
            node = int(place.removeprefix("kafka-"))
            await world.kafka.stop(node)
            seen = {"refuses": not await self._kafka_answers(node)}
            await world.kafka.start(node)
            return seen
        code = await world.end(place, signal.SIGTERM)
        await world.spawn(place)
        return {"exit": code} if code == 0 else {}

    async def _freeze(self, place: str) -> Seen:
        world = self._world
        if place == "postgres":
            pids = _family(world.stack.postgres.children[0].pid)
        elif place.startswith("kafka-"):
            pids = [world.kafka.child(int(place.removeprefix("kafka-"))).pid]
        else:
            pids = [world.instances[place].child.pid]
        for pid in pids:
            _send(pid, signal.SIGSTOP)
        try:
            seen = {"silent": await self._is_silent(place)}
            await self._hold(2, 8)
        finally:
            for pid in reversed(pids):
                _send(pid, signal.SIGCONT)
        return seen if seen["silent"] else {}

    async def _is_silent(self, place: str) -> bool:
        world = self._world
        if place == "postgres":
            return not await self._postgres_answers()
        if place.startswith("kafka-"):
            return not await world.kafka.serves(int(place.removeprefix("kafka-")))
        return not await world.answers(world.instances[place])

    async def _postgres_answers(self) -> bool:
        try:
            async with asyncio.timeout(QUERY_SECONDS), self._world.database("profile") as connection:
                await connection.fetchval("SELECT 1")
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        return True

    async def _kafka_answers(self, node: int) -> bool:
        host, _, port = self._world.kafka.address(node).rpartition(":")
        return await port_answers(host, int(port))

    # Wires

    async def _cut(self, wire: str) -> Seen:
        proxy = self._world.proxies[wire]
        before = replace(proxy.seen)
        for _ in range(self._random.randint(1, 4)):
            proxy.cut()
            await self._hold(0.1, 0.6)
        return {"broken": proxy.seen.since(before).broken}

    async def _hole(self, wire: str) -> Seen:
        return await self._held(wire, lambda proxy: proxy.black_hole(), "held_chunks", longest=8)

    async def _delay(self, wire: str) -> Seen:
        return await self._held(wire, lambda proxy: proxy.delay(DELAY_SECONDS), "delayed_chunks", longest=6)

    async def _midway(self, wire: str) -> Seen:
        return await self._held(wire, lambda proxy: proxy.cut_after(CUT_BYTES), "cuts_in_stream", longest=6)

    async def _held(self, wire: str, begin: Callable[[Proxy], None], effect: str, *, longest: float) -> Seen:
        proxy = self._world.proxies[wire]
        before = replace(proxy.seen)
        begin(proxy)
        await self._hold(3, longest)
        count: int = getattr(proxy.seen.since(before), effect)
        proxy.open()
        return {effect: count}

    # Time

    async def _jump(self, direction: str) -> Seen:
        """All services' clocks jump at once, and come back."""
        self._world.jump(JUMP_SECONDS if direction == "forward" else -JUMP_SECONDS)
        self._probes += 1
        name = f"jump{self._probes}"
        begun = self._clock.now()
        await self._clients.deliver([load.known(name)])
        await self._hold(3, 6)
        self._world.jump(0)
        async with self._world.database("profile") as connection:
            received = await connection.fetchval(
                "SELECT max(received_at) FROM timeline JOIN identities USING (profile_id) WHERE value = $1", name
            )
        off = (received - begun).total_seconds() if received else 0.0
        return {"off_seconds": round(off, 1)} if abs(off) > JUMP_SECONDS / 2 else {}

    async def _hold(self, least: float, most: float) -> None:
        await asyncio.sleep(self._random.uniform(least, most) * self._hold_ratio)


def catalogue(world: World) -> list[str]:
    """Every fault that this world knows."""
    places = [*SERVICES, "postgres", *(f"kafka-{node}" for node in world.kafka.nodes)]
    return [
        *(f"{act} {place}" for act in ("kill", "freeze", "restart") for place in places),
        *(f"{act} {wire}" for act in ("cut", "hole", "delay", "midway") for wire in world.proxies),
        "clock forward",
        "clock back",
    ]


def kind(fault: str) -> tuple[str, str]:
    """What is done, and to what kind of place."""
    act, _, place = fault.partition(" ")
    return act, place.partition("-")[0] if "-" in place else "service" if place in SERVICES else place


def _family(pid: int) -> list[int]:
    """A process and its children."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def observed(struck: Sequence[Struck]) -> list[Struck]:
    """The faults that count: a process that ended as it was told to (status 0) was seen, a wire without traffic not."""
    return [one for one in struck if "exit" in one.seen or any(one.seen.values())]
