"""Child processes and ports of the local stack."""

import asyncio
import contextlib
import errno
import os
import random
import socket
import sys
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import IO, Protocol

from deploy.local import endings

LAUNCHER = Path(__file__).with_name("launch.py")
LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.05
KILL_WAIT_SECONDS = 10.0
TAIL_BYTES = 16_384
ENDING_LINES = 40
PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
# Below the kernel's ephemeral range, so that no outgoing connection takes a port between choice and use.
FREE_PORTS = range(20_000, 32_000)
TCP_LISTEN = "0A"

_handed_out: set[int] = set()


class StackError(Exception):
    """The local stack cannot go on. Its message is one line, ready to be shown to the user."""


@dataclass(frozen=True, slots=True)
class User:
    """The user a child runs as."""

    uid: int
    gid: int


class Running(Protocol):
    """A process that was started: what is used of `asyncio.subprocess.Process`."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def returncode(self) -> int | None:
        """None while it runs; minus the signal's number if a signal ended it."""

    def send_signal(self, number: Signals, /) -> None:
        """Signals the process."""

    async def wait(self) -> int:
        """Its exit status, when it has ended."""

    async def communicate(self) -> tuple[bytes, None] | tuple[bytes, bytes]:
        """All that it writes to its standard output, once it has ended."""


class Child:
    """One supervised process, in a session of its own, logging to a file.

    On Linux the kernel sends it `death_signal` when the supervisor dies, even by SIGKILL.
    """

    def __init__(self, name: str, process: Running, log: Path, *, log_start: int = 0) -> None:
        """`log_start` is the length that the log had before."""
        self.name = name
        self.log = log
        self._process = process
        self._log_start = log_start

    @classmethod
    async def spawn(
        cls,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: User | None = None,
        death_signal: Signals = SIGKILL,
    ) -> "Child":
        """Start `command`, appending its output to `log`. `env` replaces the whole environment."""
        with open_log(log) as output:
            log_start = output.seek(0, os.SEEK_END)
            process = await start(
                command,
                output=output,
                returns_output=False,
                env=env,
                cwd=cwd,
                user=user,
                death_signal=death_signal,
            )
        return cls(name, process, log, log_start=log_start)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; minus the signal's number if a signal ended it."""
        return self._process.returncode

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def signal(self, number: Signals) -> None:
        """Signal the process itself; nothing happens if it has ended."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def wait(self) -> int:
        return await self._process.wait()

    async def terminate(self, grace_seconds: float, first: Signals = SIGTERM) -> int:
        """Ask it to end with `first`; kill its whole group if it has not after `grace_seconds`."""
        self.signal(first)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                return await self.wait()
        return await self.kill()

    async def kill(self) -> int:
        """SIGKILL the process and its group, frozen or not, and reap it."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, SIGKILL)
        async with asyncio.timeout(KILL_WAIT_SECONDS):
            return await self.wait()

    def tail_of_log(self, lines: int = 20) -> str:
        return tail(self.log, lines)

    def ending(self) -> str:
        """How it ended, the error that it wrote last, and where to read more: one line.

        Of one that was killed nothing is told but that: it had no time to write why.
        """
        code = self.returncode or 0
        why = "" if code == -SIGKILL else endings.why(tail(self.log, ENDING_LINES, self._log_start).splitlines())
        return f"{self.name} {endings.how(code)}" + (f": {why}" if why else "") + f" (log: {self.log})"


async def run_to_end(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    deadline_seconds: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: User | None = None,
) -> str:
    """Run a command that is expected to end well, and return its standard output.

    Raises StackError if it fails or takes longer than `deadline_seconds`; it is then dead.
    """
    with open_log(log) as output:
        log_start = output.seek(0, os.SEEK_END)
        process = await start(
            command, output=output, returns_output=True, env=env, cwd=cwd, user=user, death_signal=SIGKILL
        )
    child = Child(name, process, log, log_start=log_start)
    try:
        async with asyncio.timeout(deadline_seconds):
            stdout, _ = await process.communicate()
    except TimeoutError:
        raise StackError(f"{name} did not end within {deadline_seconds:.0f} s (log: {log})") from None
    finally:
        if child.alive:
            await child.kill()
    if child.returncode != 0:
        raise StackError(child.ending())
    return stdout.decode(errors="replace")


async def start(
    command: Sequence[str],
    *,
    output: IO[bytes],
    returns_output: bool,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    user: User | None,
    death_signal: Signals,
) -> Running:
    """Starts a process that writes to `output`; its standard output goes to `communicate` if that is asked for."""
    return await asyncio.create_subprocess_exec(
        *wrapped(command, user, death_signal),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if returns_output else output,
        stderr=output,
        env=env,
        cwd=cwd,
        start_new_session=True,
    )


def wrapped(command: Sequence[str], user: User | None, death_signal: Signals) -> list[str]:
    uid, gid = (str(user.uid), str(user.gid)) if user else ("-", "-")
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER)]
    return [*launcher, str(os.getpid()), str(int(death_signal)), uid, gid, *command]


def private_folder(path: Path) -> Path:
    """Make it where it is not, for its owner only: the files in it are nobody else's, whatever their own modes."""
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    if path.stat().st_uid == os.geteuid():
        path.chmod(PRIVATE_FOLDER)
    return path


def open_log(log: Path) -> IO[bytes]:
    private_folder(log.parent)
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE), "ab")


def tail(log: Path, lines: int, start: int = 0) -> str:
    """The last lines of a log that say something, of what was written from byte `start` on."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


async def together(*jobs: Awaitable[object]) -> None:
    """Run the jobs concurrently; the first failure cancels the others and is raised as itself."""

    async def run(job: Awaitable[object]) -> None:
        await job

    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(run(job))
    except BaseExceptionGroup as failures:
        known = failures.subgroup(StackError)
        first = (known or failures).exceptions[0]
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


def free_port() -> int:
    """A port that nothing listens on, and that this process has not handed out before."""
    for port in random.sample(FREE_PORTS, len(FREE_PORTS)):
        if port not in _handed_out and not port_busy(port):
            _handed_out.add(port)
            return port
    raise StackError(f"no free port between {FREE_PORTS.start} and {FREE_PORTS.stop}")


def port_busy(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise StackError(f"port {port} needs more privilege than this user has") from None
            return True
    return False


def require_free(port: int, what: str, variable: str) -> None:
    """Raise StackError, naming who listens and what to set instead, if the port is taken."""
    if port_busy(port):
        raise StackError(
            f"port {port}, wanted for {what}, is in use by {port_owner(port)}; set {variable} to use another"
        )


def port_owner(port: int) -> str:
    """Who listens on the port, in words for an error message; a guess is not made."""
    inodes = _listening_inodes(port)
    for entry in Path("/proc").glob("[0-9]*"):
        if inodes and not inodes.isdisjoint(_sockets_of(entry)):
            with contextlib.suppress(OSError):
                return f"{(entry / 'comm').read_text().strip()} (pid {entry.name})"
    return "another process"


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with contextlib.suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == TCP_LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{columns[9]}]")
    return inodes


def _sockets_of(entry: Path) -> set[str]:
    links = set()
    with contextlib.suppress(OSError):
        for link in (entry / "fd").iterdir():
            with contextlib.suppress(OSError):
                links.add(str(link.readlink()))
    return links


async def answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def wait_for_port(host: str, port: int, deadline_seconds: float, child: Child) -> None:
    """Return once the port accepts a connection; StackError if the child ends first or time is up."""
    try:
        async with asyncio.timeout(deadline_seconds):
            while not await answers(host, port):
                if not child.alive:
                    raise StackError(child.ending())
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise StackError(
            f"{child.name} did not answer on port {port} within {deadline_seconds:.0f} s (log: {child.log})"
        ) from None
