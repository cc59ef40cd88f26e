"""What Apache Kafka is started from: the jars that Maven resolves, and its classes as Java keeps them."""

import asyncio
import fcntl
import hashlib
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.process import StackError, run_to_end
from deploy.local.settings import CHECKOUT

POM = CHECKOUT / "deploy" / "kafka" / "pom.xml"
CACHE = CHECKOUT / ".rapport" / "kafka"
RESOLVE_DEADLINE_SECONDS = 600.0


async def class_path() -> str:
    """The jars of Kafka, resolved by Maven once per version of the pom; StackError where that fails."""
    for tool, package in (("java", "default-jre-headless"), ("mvn", "maven")):
        if shutil.which(tool) is None:
            raise StackError(f"Apache Kafka needs `{tool}`: apt install {package} (Java 17 or newer)")
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    kept = CACHE / f"classpath-{digest}.txt"
    if _complete(kept):
        return kept.read_text()
    async with _alone("maven.lock"):
        if not _complete(kept):
            await _resolve(kept)
    return kept.read_text()


async def archive(class_path: str, make: Callable[[Path], Awaitable[None]]) -> Path:
    """The file of a broker's classes, as Java keeps them for a quick start; `make` writes it, once per class path."""
    kept = CACHE / f"classes-{hashlib.sha256(class_path.encode()).hexdigest()[:16]}.jsa"
    if not kept.exists():
        async with _alone("archive.lock"):
            if not kept.exists():
                draft = kept.with_suffix(".new")
                draft.unlink(missing_ok=True)
                await make(draft)
                draft.replace(kept)
    return kept


@asynccontextmanager
async def _alone(name: str) -> AsyncIterator[None]:
    """Another process may be doing the same just now: it is waited for."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / name).open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


async def _resolve(kept: Path) -> None:
    draft = CACHE / f"classpath-{uuid.uuid4().hex}.new"
    log = CACHE / "maven.log"
    log.unlink(missing_ok=True)
    command = ["mvn", "-B", "-q", "-l", str(log), "-f", str(POM), "dependency:build-classpath"]
    try:
        await run_to_end(
            "Maven",
            [*command, f"-Dmdep.outputFile={draft}"],
            log=log,
            deadline_seconds=RESOLVE_DEADLINE_SECONDS,
        )
    except StackError:
        raise StackError(f"Maven cannot resolve the jars of Apache Kafka{_first_error(log)}") from None
    draft.replace(kept)


def _complete(kept: Path) -> bool:
    return kept.exists() and all(Path(jar).exists() for jar in kept.read_text().split(":"))


def _first_error(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    errors = [line.removeprefix("[ERROR]").strip() for line in lines if line.startswith("[ERROR]")]
    return (f": {errors[0][:300]}" if errors else "") + f" (log: {log})"
