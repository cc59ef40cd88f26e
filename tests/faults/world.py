"""A stack for fault runs: real services as processes, PostgreSQL and Kafka behind proxies, a slow mail provider."""

import asyncio
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any, Final, Self

import asyncpg
import httpx2

from deploy.local.kafka import ApacheKafka
from deploy.local.placement import remove_data
from deploy.local.process import LOOPBACK, POLL_SECONDS, Child, free_port, run_to_end, together
from deploy.local.settings import CHECKOUT, Ports
from deploy.local.settings import SERVICES as FIVE
from deploy.local.stack import Stack
from shared.contracts import topics
from shared.database import migrate
from shared.kafka.topics import admin
from tests.faults import tally
from tests.faults.ledger import Ledger
from tests.faults.proxy import Proxy
from tests.support import orders
from tests.support.logs import log_end
from tests.support.running import eventually

SERVICES: Final = (*FIVE, "tally")
READS: Final[Mapping[str, tuple[str, ...]]] = {
    "profile": (topics.EVENTS,),
    "segment": (topics.PROFILE_EVENTS, topics.PROFILES),
    "campaign": (topics.PROFILE_EVENTS, topics.PROFILES, topics.SEGMENTS),
    "feedback": (topics.PROFILE_EVENTS, topics.PROFILES),
    "tally": (topics.PROFILE_EVENTS,),
}
READY_SECONDS: Final = 150.0
GRACE_SECONDS: Final = 25.0
COMMAND_SECONDS: Final = 240.0
HEALTH_SECONDS: Final = 2.0
IDLE_LOOKS: Final = 3
TIMER_SECONDS: Final = 60.0  # longer than all projections take to be rebuilt
TRANSACTION_SECONDS: Final = 60.0
OPEN_TRANSACTIONS: Final = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < $1"
)
LOG_LINES: Final = 40  # of each service, when a run did not recover
# Short, so that leftovers of a killed sender are settled within the run.
DRILL: Final = {
    "SENDER_LEASE_SECONDS": "16",
    "SMTP_ENVELOPE_SECONDS": "2",
    "SMTP_DATA_SECONDS": "3",
    "DRAIN_ANNOUNCE_SECONDS": "0",
    # Every kill of a consumer waits for this; half of what a service has by default.
    "KAFKA_SESSION_TIMEOUT_MILLISECONDS": "3000",
}


@dataclass
class Instance:
    """One process of a service."""

    name: str
    child: Child
    port: int
    armed: bool = False  # to die at a failpoint

    @property
    def url(self) -> str:
        """Where its API answers."""
        return f"http://{LOOPBACK}:{self.port}"


class World:
    """Starts, ends and asks everything that a run is about; `async with` it."""

    whole_logs = True

    def __init__(self, home: Path, *, nodes: int = 1, removes_data: bool = True) -> None:
        self.home = home
        self._removes_data = removes_data
        self.ports = Ports.free()
        self.nodes = nodes
        listen = {node: free_port() for node in range(1, nodes + 1)}
        advertised = {node: f"{LOOPBACK}:{port}" for node, port in listen.items()}
        self.kafka = ApacheKafka(home, self.ports.kafka, nodes=nodes, advertised=advertised, quick=True)
        targets = {node: int(self.kafka.address(node).rpartition(":")[2]) for node in listen}
        self.proxies = {f"kafka-{node}": Proxy(f"kafka-{node}", listen[node], targets[node]) for node in listen}
        self._postgres_ports = {name: free_port() for name in SERVICES}
        for name, port in self._postgres_ports.items():
            self.proxies[f"postgres-{name}"] = Proxy(f"postgres-{name}", port, self.ports.postgres)
        self.stack = Stack(home, self.ports, broker=self.kafka, services=(), durable=False)
        self.instances: dict[str, Instance] = {}
        self.drill_env: dict[str, dict[str, str]] = {}
        """For a service by its name: what its processes get beside all else; a rebuild is free of it."""
        self.clock_file = home / "clock"
        self._tally_port = free_port()
        self._http = httpx2.AsyncClient(timeout=HEALTH_SECONDS, trust_env=False)

    async def __aenter__(self) -> Self:
        for proxy in self.proxies.values():
            await proxy.start()
        await self.stack.start()
        await self._make_tally()
        for name in SERVICES:  # migrated, and with a source: what `renew` begins with again
            await self.stack.postgres.create_database(f"fresh_{name}", f"rapport_{name}", template=f"rapport_{name}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        await together(*[one.child.kill() for one in self.instances.values()])
        await self.stack.kill()
        for proxy in self.proxies.values():
            await proxy.stop()
        if self._removes_data:
            remove_data(self.home)

    async def _make_tally(self) -> None:
        url = await self.stack.postgres.create_database("rapport_tally", "rapport_tally")
        await migrate.upgrade("feedback", url)  # any service's: what it needs are the mechanisms' tables
        async with self.database("tally") as connection:
            await connection.execute(tally.TABLE)

    # Services

    @property
    def running(self) -> set[str]:
        """The services of which a process runs."""
        return {one.name for one in self.instances.values()}

    async def launch(self, name: str, *, port: int | None = None, key: str = "", **env: str) -> Instance:
        """Starts a service and returns once it is ready. `key` names a second instance of it."""
        instance = await self.spawn(name, port=port, key=key, **env)
        await self.until_ready(instance)
        return instance

    async def spawn(self, name: str, *, port: int | None = None, key: str = "", **env: str) -> Instance:
        """Starts a service without waiting."""
        port = port or (self._tally_port if name == "tally" else self.ports.of(name))
        child = await Child.spawn(
            f"the service {key or name}",
            [sys.executable, "-m", "tests.faults.serve", name, "serve"],
            log=self.log(key or name),
            env=self.environment(name) | {"HTTP_PORT": str(port)} | self.drill_env.get(name, {}) | env,
            cwd=CHECKOUT,
        )
        made = self.instances[key or name] = Instance(name, child, port, armed="FAILPOINT" in env)
        return made

    async def launch_all(self, names: Iterable[str] = SERVICES) -> None:
        """Starts services side by side."""
        await together(*[self.launch(name) for name in names])

    async def end(self, key: str, signal: Signals = Signals.SIGKILL) -> int:
        """Ends an instance; its exit status, minus the signal's number if a signal ended it."""
        return await self.instances.pop(key).child.terminate(GRACE_SECONDS, signal)

    async def end_all(self) -> None:
        """Ends every instance gracefully."""
        await together(*[self.end(key, SIGTERM) for key in list(self.instances)])

    async def command(self, name: str, *arguments: str, **env: str) -> str:
        """Runs one of a service's commands to its end; what it printed. Raises `StackError` if it fails."""
        return await run_to_end(
            f"{' '.join(arguments)} of {name}",
            [sys.executable, "-m", "tests.faults.serve", name, *arguments],
            log=self.log(name),
            deadline_seconds=COMMAND_SECONDS,
            env=self.environment(name) | env,
            cwd=CHECKOUT,
        )

    def environment(self, name: str) -> dict[str, str]:
        """What a service's process gets: everything it talks to lies behind a proxy."""
        proxied = {
            variable: url.replace(f":{self.ports.postgres}/", f":{self._postgres_ports[name]}/")
            for variable, url in {
                "DATABASE_URL": self.stack.postgres.database_url(name),
                # The reader that only faults have owns its tables itself.
                "MIGRATION_DATABASE_URL": "" if name == "tally" else self.stack.postgres.owner_url(name),
            }.items()
        }
        tested = {"FAULTS_CLOCK": str(self.clock_file), "HTTP_PORT": str(self._tally_port)}
        # The topics hold everything here: a rebuild that reads them alone finds what profile's history would hide.
        tested |= {"PROFILE_URL": "", "PROFILE_TOKEN": ""}
        own = self.stack.environment("feedback" if name == "tally" else name)
        replication = {"KAFKA_REPLICATION": str(min(3, self.nodes)), "COVERAGE_PROCESS_START": ""}
        http = {"HTTP_PORT": own["HTTP_PORT"]} if name != "tally" else {}
        return {**own, **replication, **DRILL, **tested, **http, **proxied}

    def log(self, key: str) -> Path:
        """Where an instance's words go."""
        return self.home / "logs" / f"{key}.log"

    async def until_ready(self, instance: Instance) -> None:
        """Returns when the instance says that it can do its work."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await self._is_ready(instance):
                    assert instance.child.alive, instance.child.ending()
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{instance.name} is not ready\n{await self.standing()}") from None

    async def _is_ready(self, instance: Instance) -> bool:
        try:
            return (await self._http.get(f"{instance.url}/health/ready")).is_success
        except httpx2.TransportError:
            return False

    async def answers(self, instance: Instance) -> bool:
        """Whether the process answers at all."""
        try:
            return (await self._http.get(f"{instance.url}/health/live")).is_success
        except httpx2.TransportError:
            return False

    async def get(self, name: str, path: str) -> Any:
        """What a service answers an operator."""
        bearer = {"Authorization": f"Bearer {self.stack.admin_token}"}
        return (await self._http.get(f"{self.instances[name].url}{path}", headers=bearer)).raise_for_status().json()

    async def ask(self, method: str, name: str, path: str, **request: Any) -> httpx2.Response:
        """One request as the operator."""
        headers = {"Authorization": f"Bearer {self.stack.admin_token}", **request.pop("headers", {})}
        return await self._http.request(method, f"{self.instances[name].url}{path}", headers=headers, **request)

    async def try_to(self, method: str, name: str, path: str, **request: Any) -> httpx2.Response | None:
        """`ask`; None if no answer comes."""
        try:
            return await self.ask(method, name, path, **request)
        except httpx2.TransportError:
            return None

    async def set_answer_delay(self, milliseconds: int) -> None:
        """How long the mail provider takes to answer."""
        url = f"{self.stack.url('mail')}/api/answer-delay"
        (await self._http.post(url, json={"milliseconds": milliseconds})).raise_for_status()

    # Rest

    async def lag(self) -> dict[str, Any]:
        """By instance: what its health route says; None where it does not answer."""
        found: dict[str, Any] = {}
        for key, instance in self.instances.items():
            try:
                found[key] = (await self._http.get(f"{instance.url}/health/lag")).raise_for_status().json()
            except (httpx2.HTTPError, ValueError):
                found[key] = None
        return found

    async def until_idle(self, *, deadline_seconds: float, messages: bool = True) -> None:
        """Returns when nothing is left to read, to publish or to send, and no timer is about to fall due."""
        looks, last = 0, "nothing asked yet"
        try:
            async with asyncio.timeout(deadline_seconds):
                while looks < IDLE_LOOKS:
                    last = await self._busy(messages=messages)
                    looks = 0 if last else looks + 1
                    await asyncio.sleep(0.15)
                    if looks == IDLE_LOOKS and (last := await self._unread()):
                        looks = 0
        except TimeoutError:
            raise AssertionError(f"not idle within {deadline_seconds:.0f} s: {last}") from None

    async def _busy(self, *, messages: bool) -> str:
        for key, report in (await self.lag()).items():
            if report is None or report["lag"] is None or report["lag"] or report["outbox"]:
                return f"{key}: {report}"
        if messages and "campaign" in self.running and (open_ := await self.sending("pending", "sending")):
            return f"campaign: {open_} messages open"
        if "segment" in self.running and (due := await self._timers_due()):
            return f"segment: {due} timers fall due soon"
        if "segment" in self.running and (looks := await self.backfills()):
            return f"segment: the base is looked at by {looks} definitions"
        return ""

    async def _timers_due(self) -> int:
        """How many timers would change something while a rebuild is compared with what stood before it."""
        async with self.database("segment") as connection:
            return int(
                await connection.fetchval(
                    "SELECT (SELECT count(*) FROM standings WHERE due_at < now() + $1) "
                    "+ (SELECT count(*) FROM customer_segments WHERE due_at < now() + $1) "
                    # customers who are still scored by the newest cut points
                    "+ (SELECT count(*) FROM score_cuts WHERE applied_at IS NULL AND version = "
                    "(SELECT max(version) FROM score_cuts))",
                    timedelta(seconds=TIMER_SECONDS),
                )
            )

    async def backfills(self) -> int:
        """Returns by how many definitions in force not all customers have been looked at."""
        async with self.database("segment") as connection:
            return int(
                await connection.fetchval(
                    "SELECT count(*) FROM segments s JOIN segment_versions v ON v.segment_id = s.id "
                    "AND v.version = s.live_version WHERE s.state = 'live' AND v.backfilled_at IS NULL"
                )
            )

    async def _unread(self) -> str:
        """What lies in the logs and is in no database. A reader only knows the end that it last heard of."""
        for name in READS.keys() & self.running:
            read = await orders.read_offsets(self.stack.postgres, name, self.kafka.cluster_id)
            if (end := await log_end(self.direct, READS[name])) != read:
                return f"{name}: {end - read} records unread"
        return ""

    async def standing(self) -> str:
        """How every part stands, for whoever reads of a run that did not recover."""
        lines = [f"{key}: {report}" for key, report in (await self.lag()).items()]
        for key, instance in self.instances.items():
            lines.append(f"--- {key} (alive: {instance.child.alive}, answers: {await self.answers(instance)})")
            lines += self.log(key).read_text(errors="replace").splitlines()[-LOG_LINES:]
        async with self.database("campaign") as connection:
            lines += [str(dict(row)) for row in await connection.fetch("SELECT * FROM ledger")]
            found = await connection.fetch("SELECT state, count(*), min(due_at), max(due_at) FROM messages GROUP BY 1")
            lines += [str(dict(row)) for row in found]
        return "\n".join(lines)

    async def sending(self, *states: str) -> int:
        """How many messages are in these states."""
        async with self.database("campaign") as connection:
            found = await connection.fetchval(
                "SELECT count(*) FROM messages WHERE state = ANY($1::text[])", list(states or ("sending",))
            )
        return int(found)

    async def spooled(self) -> int:
        """How many events ingest has put into its spool, those of transactions among them that did not commit."""
        async with self.database("ingest") as connection:
            return int(
                await connection.fetchval(
                    "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('outbox', 'id')::regclass), 0)"
                )
            )

    async def sending_ids(self) -> list[str]:
        """The messages that some sender has marked as being sent, with those whose mark is just being committed.

        A sender that was killed may have had its COMMIT on the wire: what was begun before is waited for.
        """
        async with self.database("campaign") as connection:
            begun = await connection.fetchval("SELECT clock_timestamp()")
            await eventually(
                lambda: connection.fetchval(OPEN_TRANSACTIONS, begun),
                lambda count: count == 0,
                deadline_seconds=TRANSACTION_SECONDS,
            )
            rows = await connection.fetch("SELECT id::text AS id FROM messages WHERE state = 'sending'")
        return [row["id"] for row in rows]

    def database(self, name: str) -> "Connected":
        """A connection to a service's database, past the proxies."""
        return Connected(self.stack.postgres.database_url(name).replace("+asyncpg", ""))

    async def renew(self, ledger: Ledger | None = None) -> None:
        """Makes the world as new: no services, empty databases, empty topics, no mail."""
        await together(*[one.child.kill() for one in self.instances.values()])
        self.instances.clear()
        for proxy in self.proxies.values():
            proxy.open()
        async with admin(self.direct) as client:
            mine = [name for name in await client.list_topics() if name.startswith("rapport.")]
            if mine:
                await client.delete_topics(mine)
        postgres = self.stack.postgres
        for name in SERVICES:
            await postgres.drop_database(f"rapport_{name}")
            await postgres.create_database(f"rapport_{name}", f"rapport_{name}", template=f"fresh_{name}")
            if name in FIVE:
                await postgres.give_to_owner(name)
        await self._http.delete(f"{self.stack.url('mail')}/api/messages")
        self.clock_file.unlink(missing_ok=True)
        if ledger is not None:
            ledger.note("renewed")

    @property
    def direct(self) -> str:
        """The brokers, past the proxies for the first step at least."""
        return ",".join(self.kafka.address(node) for node in self.kafka.nodes)

    def jump(self, seconds: float) -> None:
        """Moves every service's clock by so much from the machine's."""
        new = self.clock_file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self.clock_file)


class Connected:
    """`async with` gives a connection and closes it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None

    async def __aenter__(self) -> asyncpg.Connection:
        self._connection = await asyncpg.connect(self._url)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()


def since(log: Path, start: int) -> str:
    """What was written to a log behind a position."""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def moment(text: str) -> datetime:
    """A time of the ledger."""
    return datetime.fromisoformat(text)
