"""One stack a home: a locked file that also tells its process id."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from deploy.local.placement import own_home
from deploy.local.process import PRIVATE_FILE, StackError

PID_FILE = "stack.pid"


class HomeLock:
    """Held by the process that runs the stack; the kernel releases it however that process ends."""

    def __init__(self, home: Path) -> None:
        self._path = home / PID_FILE
        self._file = -1

    @property
    def held(self) -> bool:
        """Whether this process has it."""
        return self._file >= 0

    def acquire(self) -> None:
        """StackError if another process runs a stack here."""
        own_home(self._path.parent)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = self._path.read_text().strip()
            self.release()
            raise StackError(f"a stack is already running here (pid {owner}); stop it with: make stop") from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def running_pid(home: Path) -> int | None:
    """The process that runs a stack in this home, if one does."""
    path = home / PID_FILE
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with suppress(ValueError):
            return int(path.read_text())
    finally:
        os.close(file)
    return None
