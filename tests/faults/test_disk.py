"""PostgreSQL's disk is full: nothing that was acknowledged is lost, and nothing blames the data."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from deploy.local.placement import away, remove_data
from tests.faults.drills import DEATH_SECONDS, Ground
from tests.faults.exercise import exercise
from tests.faults.ledger import Ledger
from tests.faults.world import World, since
from tests.support.running import eventually

DISK_MEBIBYTES: Final = 640
FULL_SECONDS: Final = 5.0
SEED = int(os.environ.get("SEED", "13"))


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A disk of some hundred MiB on a folder; the test is not run where we may not mount one."""
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    options = f"size={DISK_MEBIBYTES}m,mode=711"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"not run: a small disk can't be mounted here ({made.stderr.strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_loses_nothing_that_was_acknowledged(
    ledger: Ledger, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("disk")
    with _small_disk(away(home)):
        async with World(home, removes_data=False) as world:  # the disk takes them with it
            await world.launch_all()
            assert await exercise(world, ledger, SEED, [_full_disk]) == []
    remove_data(home)


async def _full_disk(ground: Ground) -> None:
    world = ground.world
    log = world.log("postgres")
    start = log.stat().st_size
    balloon = away(world.home) / "balloon"
    try:
        _fill(balloon)
        await eventually(lambda: _says(log, start), bool, deadline_seconds=DEATH_SECONDS)
        ground.ledger.note("fault", fault="full disk", seen={"no space": True})
        await asyncio.sleep(FULL_SECONDS)
    finally:
        balloon.unlink()
    postgres = world.stack.postgres
    if not postgres.children[0].alive:  # it could not even write its log of changes, and gave up, as it should
        await postgres.kill()
        await postgres.start()
    ground.ledger.note("healed", fault="full disk")
    before = ground.clients.acknowledged
    await eventually(lambda: _more(ground, before), bool, deadline_seconds=DEATH_SECONDS)


def _fill(balloon: Path) -> None:
    with balloon.open("wb", buffering=0) as file:
        for size in (1024 * 1024, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


async def _says(log: Path, start: int) -> bool:
    return "No space left on device" in since(log, start)


async def _more(ground: Ground, before: int) -> bool:
    return ground.clients.acknowledged > before
