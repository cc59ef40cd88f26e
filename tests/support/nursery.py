"""Services' processes by `fork` from one that has imported everything already.

To import what a service needs takes more than a second of a core, and tests start some hundreds of processes. A
`Nursery` is a process with one thread that has imported all of it; a child of it becomes the command by `runpy`, in a
session of its own, with the environment, folder and log it was given, and dies with the nursery, which dies with the
tests. What else is asked for (another program, another user) is started as ever. Linux only; elsewhere nothing changes.
"""

import asyncio
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

import uuid_utils

from deploy.local import process
from deploy.local.launch import PR_SET_PDEATHSIG, PRIVATE
from deploy.local.settings import CHECKOUT, SERVICES

PREPARED: Final = tuple(f"services.{name}" for name in SERVICES)
ALSO: Final = ("tests.faults.serve", "deploy.local.mail")
MAX_REQUEST_BYTES: Final = 1024 * 1024
READ_BYTES: Final = 65_536


class ForkedProcess:
    """A child of the nursery, with the part of `asyncio.subprocess.Process` that the stack uses.

    Its pid and, when it has ended, its exit status come by a pipe, as lines.
    """

    def __init__(self, status: int, output: int | None) -> None:
        self._status = status
        self._output = output
        self._told = b""
        self._code: int | None = None
        os.set_blocking(status, False)

    async def begun(self) -> None:
        """Returns once there is a process. Raises RuntimeError where the nursery has ended."""
        while b"\n" not in self._told:
            await _readable(self._status)
            self._read()

    @property
    def pid(self) -> int:
        """Its process id, once it has `begun`."""
        return int(self._told.split(b"\n")[0])

    @property
    def returncode(self) -> int | None:
        """None while it runs; minus the signal's number if a signal ended it."""
        if self._code is None:
            self._read()
        return self._code

    def send_signal(self, number: int) -> None:
        """Signals the process; nothing happens if it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    async def wait(self) -> int:
        """Its exit status, when it has ended."""
        while (code := self.returncode) is None:
            await _readable(self._status)
        return code

    async def communicate(self) -> tuple[bytes, None]:
        """All that it writes to its standard output, once it has ended."""
        written = b""
        if self._output is not None:
            os.set_blocking(self._output, False)
            while True:
                await _readable(self._output)
                part = os.read(self._output, READ_BYTES)
                if not part:
                    break
                written += part
            os.close(self._output)
        await self.wait()
        return written, None

    def _read(self) -> None:
        try:
            told = os.read(self._status, READ_BYTES)
        except BlockingIOError:
            return
        if not told:
            os.close(self._status)
            raise RuntimeError("the nursery has ended")
        self._told += told
        lines = self._told.split(b"\n")
        if len(lines) > 2:
            self._code = int(lines[1])
            os.close(self._status)


class Nursery:
    """Starts commands of Python modules that are prepared; `start` takes the place of `deploy.local.process.start`."""

    def __init__(self) -> None:
        self._otherwise = process.start
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def start(
        self,
        command: Sequence[str],
        *,
        output: IO[bytes],
        returns_output: bool,
        env: Mapping[str, str] | None,
        cwd: Path | None,
        user: process.User | None,
        death_signal: signal.Signals,
    ) -> process.Running:
        """`deploy.local.process.start`, by a fork where the command is a prepared module's."""
        module = command[2] if list(command[:2]) == [sys.executable, "-m"] else ""
        if sys.platform != "linux" or user is not None or module not in PREPARED + ALSO or cwd != CHECKOUT:
            return await self._otherwise(
                command,
                output=output,
                returns_output=returns_output,
                env=env,
                cwd=cwd,
                user=user,
                death_signal=death_signal,
            )
        request = {"module": module, "arguments": list(command[3:]), "env": dict(os.environ if env is None else env)}
        status, told = os.pipe()
        reader, writer = os.pipe() if returns_output else (None, os.dup(output.fileno()))
        try:
            socket.send_fds(self._ready(), [json.dumps(request).encode()], [told, writer, output.fileno()])
        finally:
            os.close(told)
            os.close(writer)
        forked = ForkedProcess(status, reader)
        await forked.begun()
        return forked

    def close(self) -> None:
        """Ends the nursery, and with it what it started."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.wait()

    def _ready(self) -> socket.socket:
        if self._socket is None:
            self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.nursery", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    cwd=CHECKOUT,
                )
        return self._socket


async def _readable(file: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(file, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(file)


# The nursery's own process


def serve(asked: socket.socket) -> int | None:
    """Forks for each request until the tests have gone. Returns in a child, with the status it ends with."""
    for name in PREPARED:
        importlib.import_module(f"{name}.main")
    for name in ALSO:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what is shared stays shared: no collection of a child writes to it
    assert threading.active_count() == 1, "a process with threads must not fork"
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests end it
    children: dict[int, int] = {}
    while True:
        readable, _, _ = select.select([asked.fileno(), woken], [], [])
        if woken in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, READ_BYTES)
            _tell_endings(children)
        if asked.fileno() not in readable:
            continue
        message, files, _, _ = socket.recv_fds(asked, MAX_REQUEST_BYTES, 3)
        if not message:
            return None
        told, out, err = files
        pid = os.fork()
        if not pid:
            asked.close()
            for file in (woken, wake, told, *children.values()):
                os.close(file)
            return _become(json.loads(message), out, err)
        children[pid] = told
        os.write(told, f"{pid}\n".encode())
        os.close(out)
        os.close(err)


def _tell_endings(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        told = children.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os.close(told)


def _become(request: dict[str, object], out: int, err: int) -> int | None:
    """In the child: what `deploy/local/launch.py` and the interpreter would do, then the module."""
    nursery = os.getppid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    os.umask(PRIVATE)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != nursery:
        sys.exit("the nursery died while this process was starting")
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    module, arguments, env = request["module"], request["arguments"], request["env"]
    assert isinstance(module, str)
    assert isinstance(arguments, list)
    assert isinstance(env, dict)
    os.environ.clear()
    os.environ.update(env)
    uuid_utils.reseed_rng()
    sys.argv[1:] = arguments
    sys.modules.pop("__main__")
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as theirs:
        sys.exit(serve(theirs))
