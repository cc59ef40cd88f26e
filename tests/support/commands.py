"""A service's command in a process of its own, which is forked from one that has imported everything already."""

import sys
from collections.abc import Mapping
from signal import SIGKILL
from tempfile import TemporaryFile
from typing import NamedTuple

from deploy.local import process
from deploy.local.settings import CHECKOUT


class Ended(NamedTuple):
    """How a command ended: its exit status (minus a signal's number), and what it wrote to its two outputs."""

    status: int
    output: str
    errors: str


async def run_command(service: str, *arguments: str, env: Mapping[str, str]) -> Ended:
    """Runs `python -m services.<service>` with these arguments, and nothing but `env` for its environment."""
    with TemporaryFile() as errors:
        started = await process.start(
            [sys.executable, "-m", f"services.{service}", *arguments],
            output=errors,
            returns_output=True,
            env=env,
            cwd=CHECKOUT,
            user=None,
            death_signal=SIGKILL,
        )
        output, _ = await started.communicate()
        status = started.returncode
        assert status is not None
        errors.seek(0)
        return Ended(status, output.decode(), errors.read().decode())
