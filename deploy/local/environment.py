"""The settings of the running stack's services, in files that a shell can read: `set -a; . .rapport/env/ingest`.

They hold the password of the service's database, the partition secret, and ingest's key of webhook secrets: for the
owner only, and gone when the stack has stopped. Only what the stack sets is in them, nothing of the user's own
environment.
"""

import contextlib
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from deploy.local.lock import running_pid
from deploy.local.placement import write_private
from deploy.local.process import StackError, private_folder

FOLDER = "env"
HEAD = "# Written by the local stack when it started, and removed when it stops. Holds secrets.\n"


def write(home: Path, settings: Mapping[str, Mapping[str, str]]) -> None:
    """Keeps each service's settings, by its name."""
    folder = private_folder(home / FOLDER)
    for service, variables in settings.items():
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in variables.items()]
        write_private(folder / service, HEAD + "".join(lines))


def remove(home: Path) -> None:
    """Takes them away, if they are there."""
    shutil.rmtree(home / FOLDER, ignore_errors=True)


def read(home: Path, service: str) -> dict[str, str]:
    """Returns the settings of a service of the running stack. Raises `StackError`, saying what to do, if none runs."""
    if running_pid(home) is None:
        raise StackError("the stack does not run; start it in another window with: make run")
    with contextlib.suppress(FileNotFoundError):
        words = shlex.split((home / FOLDER / service).read_text(), comments=True)
        return dict(word.split("=", 1) for word in words)
    raise StackError("the stack is still starting, or stopping; try again in a moment")
