"""The whole system on one machine: PostgreSQL, a broker, the mail sink and the five services."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any, Self

import httpx2

from deploy.local import environment, sms_sink
from deploy.local.broker import Broker, EmbeddedBroker
from deploy.local.credentials import ISSUER, Credentials
from deploy.local.kafka import ApacheKafka
from deploy.local.lock import HomeLock
from deploy.local.placement import write_private
from deploy.local.postgres import Postgres
from deploy.local.process import (
    LOOPBACK,
    POLL_SECONDS,
    Child,
    StackError,
    require_free,
    run_to_end,
    together,
)
from deploy.local.settings import CHECKOUT, SERVICES, BrokerKind, Ports
from deploy.local.supervisor import Part, Supervisor
from shared.credentials import ALGORITHM
from shared.database import migrate

FREE_BYTES_NEEDED = 1024**3
MIGRATE_DEADLINE_SECONDS = 120.0
READY_DEADLINE_SECONDS = 60.0
DRAIN_DEADLINE_SECONDS = 20.0
VOLATILE_DRAIN_SECONDS = 3.0  # what is on its way then lies in PostgreSQL, and goes on at the next start
SERVICE_GRACE_SECONDS = 15.0
MAIL_GRACE_SECONDS = 5.0
HTTP_TIMEOUT_SECONDS = 5.0
MAIL_FROM = "hello@rapport.example"
# The embedded broker lets a group form only after half a session's silence, and takes shorter sessions than Kafka;
# it keeps a fetch for its whole wait even when records come, and works all the while.
EMBEDDED_BROKER = {
    "KAFKA_SESSION_TIMEOUT_MILLISECONDS": "3000",
    "KAFKA_FETCH_WAIT_MILLISECONDS": "200",
    "KAFKA_BUSY_FETCH_WAIT_MILLISECONDS": "20",
    "KAFKA_VOLATILE": "true",
}
# Facts hop between services, and no reading of all of them is one instant: drained twice is drained.
QUIET_ROUNDS = 2
QUIET_PAUSE_SECONDS = 0.1

PORT_WORDS = {"postgres": "PostgreSQL", "kafka": "the broker", "smtp": "mail", "mail": "the mail page"}

Report = Callable[[str], None]


class Stack:
    """Starts the parts in order, watches them, and stops them without losing work.

    Not one process is left when `stop` has returned, nor, on Linux, when this process is killed.
    """

    def __init__(
        self,
        home: Path,
        ports: Ports,
        *,
        broker: BrokerKind | Broker = "embedded",
        extra_env: Mapping[str, Mapping[str, str]] | None = None,
        services: Sequence[str] = SERVICES,
        durable: bool = True,
        report: Report = lambda _: None,
    ) -> None:
        """`extra_env` adds to a service's environment by its name; `report` is called at each step.

        Only `services` are started; the databases of all are there.
        """
        self.home = home.resolve()
        self.ports = ports
        self.postgres = Postgres(self.home, ports.postgres, durable=durable)
        self.broker = _broker(broker, self.home, ports, quick=not durable)
        self._extra_env = extra_env or {}
        self._report = report
        self._started = services
        self._lock = HomeLock(self.home)
        self._credentials: Credentials | None = None
        self._mail: Child | None = None
        self._services: dict[str, Child] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(drain=False)

    @property
    def admin_token(self) -> str:
        """A bearer token with every right at every service."""
        return self._keys.admin_token(datetime.now(UTC))

    @property
    def write_key(self) -> str:
        """The write key of the source `demo`, a server."""
        return self._write_key_path.read_text().strip()

    def url(self, name: str) -> str:
        """The base URL of a service, or of `mail`."""
        return f"http://{LOOPBACK}:{self.ports.of(name)}"

    async def start(self) -> None:
        """Return once every service is ready; if anything fails, nothing is left running."""
        self._lock.acquire()
        try:
            self._check_machine()
            self._credentials = Credentials(self.home)
            self._credentials.admin_token(datetime.now(UTC))  # for the user, in a file
            await together(self._start_databases(), self._start_broker(), self.start_mail())
            for name in SERVICES:  # here, and not in a process each: starting Python five times costs seconds
                await migrate.upgrade(name, self.postgres.owner_url(name), user=f"rapport_{name}")
            self._report("Databases are migrated")
            environment.write(self.home, {name: self._settings_of(name) for name in SERVICES})
            await together(self.make_write_key(), *[self.start_service(name) for name in self._started])
            self._report("All services are ready")
        except BaseException:
            await self.stop(drain=False)
            raise

    async def start_service(self, name: str) -> None:
        """Start one service and return once it is ready."""
        await self._wait_until_ready(self.url(name), await self._spawn_service(name))

    async def _spawn_service(self, name: str) -> Child:
        child = self._services[name] = await Child.spawn(
            f"the service {name}",
            self._command(name, "serve"),
            log=self._log(name),
            env={one: value for one, value in self.environment(name).items() if one != "MIGRATION_DATABASE_URL"},
            cwd=CHECKOUT,
        )
        return child

    async def kill_service(self, name: str, signal: Signals = Signals.SIGKILL) -> None:
        """End one service with `signal`; it is not missed until it is started again."""
        child = self._services.pop(name)
        await child.terminate(SERVICE_GRACE_SECONDS, signal)

    async def restart_service(self, name: str, signal: Signals = SIGTERM) -> None:
        await self.kill_service(name, signal)
        await self.start_service(name)

    def service(self, name: str) -> Child:
        """The process of a running service, for a test to freeze."""
        return self._services[name]

    async def start_mail(self) -> None:
        options = {"--smtp-port": self.ports.smtp, "--http-port": self.ports.mail, "--data": self.home / "mail"}
        child = self._mail = await Child.spawn(
            "the mail sink",
            [
                *(sys.executable, "-m", "deploy.local.mail"),
                *(str(part) for option in options.items() for part in option),
            ],
            log=self._log("mail"),
            cwd=CHECKOUT,
        )
        await self._wait_until_ready(self.url("mail"), child)
        self._report(f"Mail sink on {LOOPBACK}:{self.ports.smtp}")

    async def kill_mail(self) -> None:
        if self._mail:
            child, self._mail = self._mail, None
            await child.kill()

    async def watch(self) -> None:
        """Never return; start parts again that have ended, and raise StackError when one has too often."""
        await Supervisor(self.parts(), report=self._report).run()

    def parts(self) -> list[Part]:
        """What the supervisor watches."""

        def service(name: str) -> Part:
            async def start() -> None:
                if name in self._services and not self._services[name].alive:
                    await self._spawn_service(name)

            return Part(f"the service {name}", lambda: [self._services[name]] if name in self._services else [], start)

        async def start_broker() -> None:
            await self.broker.kill()
            await self.broker.start()

        async def start_postgres() -> None:
            await self.postgres.kill()
            await self.postgres.start()

        async def start_mail() -> None:
            if self._mail is not None and not self._mail.alive:
                await self.start_mail()

        return [
            Part("PostgreSQL", lambda: self.postgres.children, start_postgres),
            Part("the broker", lambda: self.broker.children, start_broker),
            Part("the mail sink", lambda: [self._mail] if self._mail else [], start_mail),
            *[service(name) for name in self._started],
        ]

    async def stop(self, *, drain: bool = True) -> None:
        """Stop everything. With `drain`, take no more events in, and let what is on its way arrive first."""
        try:
            if drain and "ingest" in self._services:
                await self.kill_service("ingest", SIGTERM)
                await self._drain()
            await together(*[self.kill_service(name, SIGTERM) for name in list(self._services)])
            if self._mail:
                child, self._mail = self._mail, None
                await child.terminate(MAIL_GRACE_SECONDS)
            await self.broker.stop()
            await self.postgres.stop()
        finally:
            await self.kill()  # what a failure above has left

    async def kill(self) -> None:
        """Stop everything at once, by SIGKILL."""
        if self._lock.held:  # or they are another stack's
            environment.remove(self.home)
        await together(*[child.kill() for child in self._children()])
        self._services.clear()
        self._mail = None
        await self.broker.kill()
        await self.postgres.kill()
        self._lock.release()

    def _children(self) -> list[Child]:
        mail = [self._mail] if self._mail else []
        return [*self.postgres.children, *self.broker.children, *mail, *self._services.values()]

    @property
    def _keys(self) -> Credentials:
        if self._credentials is None:
            raise StackError("the stack has not been started")
        return self._credentials

    @property
    def _write_key_path(self) -> Path:
        return self.home / "write-key"

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _check_machine(self) -> None:
        free = shutil.disk_usage(self.home).free
        if free < FREE_BYTES_NEEDED:
            raise StackError(f"{self.home} has {free // 1024**2} MiB of free disk; the stack needs 1024 MiB")
        for name, variable in Ports.variables():
            require_free(self.ports.of(name), PORT_WORDS.get(name, f"the service {name}"), variable)
        for log in (self.home / "logs").glob("*.log"):
            log.replace(log.with_suffix(".log.1"))

    async def _start_databases(self) -> None:
        await self.postgres.start()
        await self.postgres.create_service_databases(SERVICES)
        for name in SERVICES:
            await self.postgres.give_to_owner(name)
        if self.postgres.created:
            self._write_key_path.unlink(missing_ok=True)
        self._report(f"PostgreSQL on {LOOPBACK}:{self.ports.postgres}")

    async def _start_broker(self) -> None:
        await self.broker.start()
        self._report(f"Broker on {self.broker.bootstrap}")

    async def make_write_key(self) -> None:
        """Make the source `demo`, unless its key is kept from an earlier start."""
        if self._write_key_path.exists():
            return
        printed = await self._run("source", "ingest", "create", "demo", "--kind", "server")
        lines = printed.split()
        if not lines:
            raise StackError(f"the service ingest printed no write key (log: {self._log('ingest')})")
        write_private(self._write_key_path, lines[-1] + "\n")

    async def _run(self, command: str, name: str, *arguments: str) -> str:
        """Run one of a service's commands to its end; what it printed."""
        return await run_to_end(
            f"{command} of the service {name}",
            self._command(name, command, *arguments),
            log=self._log(name),
            deadline_seconds=MIGRATE_DEADLINE_SECONDS,
            env=self.environment(name),
            cwd=CHECKOUT,
        )

    def _command(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", f"services.{name}", *arguments]

    def environment(self, name: str) -> dict[str, str]:
        """The environment that a service's process gets, as for one that a test starts beside it."""
        # Without bytecode each process would compile every library again, which takes longer than all else.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**inherited, "PYTHONUNBUFFERED": "1", **self._settings_of(name)}

    def _settings_of(self, name: str) -> dict[str, str]:
        own = {
            "ingest": {"SECRETS_KEY": self._keys.secrets_key},
            "segment": {
                "PROFILE_URL": self.url("profile"),
                "PROFILE_TOKEN": self._keys.token("segment", ["profile:read"], datetime.now(UTC)),
            },
            "campaign": {
                "SMTP_HOST": LOOPBACK,
                "SMTP_PORT": str(self.ports.smtp),
                "MAIL_FROM": MAIL_FROM,
                "SMS_URL": f"{self.url('mail')}/sms/messages",
                "SMS_TOKEN": sms_sink.TOKEN,
                "PUBLIC_URL": f"http://{LOOPBACK}:{self.ports.of('campaign')}",
            },
        }
        return {
            "DATABASE_URL": self.postgres.database_url(name),
            "MIGRATION_DATABASE_URL": self.postgres.owner_url(name),
            "KAFKA_BOOTSTRAP": self.broker.bootstrap,
            "HTTP_HOST": LOOPBACK,
            "HTTP_PORT": str(self.ports.of(name)),
            "DRAIN_ANNOUNCE_SECONDS": "0",  # here is no other process that clients could find
            "PARTITION_SECRET": self._keys.partition_secret,
            "AUTH_PUBLIC_KEY": self._keys.public_key,
            "AUTH_ALGORITHM": ALGORITHM,
            "AUTH_ISSUER": ISSUER,
            **own.get(name, {}),
            **(EMBEDDED_BROKER if isinstance(self.broker, EmbeddedBroker) else {}),
            **self._extra_env.get(name, {}),
        }

    async def _wait_until_ready(self, url: str, child: Child) -> None:
        try:
            async with (
                asyncio.timeout(READY_DEADLINE_SECONDS),
                httpx2.AsyncClient(base_url=url, timeout=HTTP_TIMEOUT_SECONDS, trust_env=False) as client,
            ):
                while True:
                    if not child.alive:
                        raise StackError(child.ending())
                    if await _ready(client):
                        return
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            within = f"within {READY_DEADLINE_SECONDS:.0f} s"
            raise StackError(f"{child.name} was not ready {within} (log: {child.log})") from None

    async def _drain(self) -> None:
        """Wait until no service has anything left to read or to publish, for a bounded time."""
        quiet = 0
        seconds = VOLATILE_DRAIN_SECONDS if isinstance(self.broker, EmbeddedBroker) else DRAIN_DEADLINE_SECONDS
        try:
            async with (
                asyncio.timeout(seconds),
                httpx2.AsyncClient(timeout=HTTP_TIMEOUT_SECONDS, trust_env=False) as client,
            ):
                while True:
                    running = [name for name, one in self._services.items() if one.alive]
                    left = [await _left(client, self.url(name), self.broker.cluster_id) for name in running]
                    quiet = 0 if any(left) else quiet + 1
                    if quiet == QUIET_ROUNDS:
                        return
                    await asyncio.sleep(QUIET_PAUSE_SECONDS)
        except TimeoutError:
            self._report("What is on its way goes on at the next start")


def _broker(broker: BrokerKind | Broker, home: Path, ports: Ports, *, quick: bool) -> Broker:
    if broker == "embedded":
        return EmbeddedBroker(home, ports.kafka)
    if broker == "apache":
        return ApacheKafka(home, ports.kafka, quick=quick)
    return broker


async def _ready(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).is_success
    except httpx2.TransportError:
        return False


def still_to_do(report: Mapping[str, Any], cluster_id: str) -> int:
    """What a service has to read and to publish by its `/health/lag`.

    At least 1 while it does not know, or speaks of the log of a broker that is gone. One that reads nothing speaks of
    none.
    """
    if report["lag"] is None or report["cluster"] not in (None, cluster_id):
        return 1
    if report.get("publishes_to", cluster_id) != cluster_id:
        return 1
    return int(report["lag"]) + int(report["outbox"])


async def _left(client: httpx2.AsyncClient, url: str, cluster_id: str) -> int:
    """`still_to_do` of a service; one that does not answer is not done."""
    try:
        return still_to_do((await client.get(f"{url}/health/lag")).raise_for_status().json(), cluster_id)
    except (httpx2.HTTPError, ValueError, LookupError):
        return 1
