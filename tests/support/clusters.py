"""PostgreSQL clusters for tests: a copy of one that has the services' databases, migrated, instead of one made anew.

To make a cluster and to migrate five databases takes three seconds of a core, to copy the files a tenth of that. What a
test starts goes on from there as a later start does: roles and databases that exist stay, migrations that ran do not
run again.
"""

import asyncio
import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import Final

from deploy.local.placement import write_private
from deploy.local.postgres import Postgres
from deploy.local.process import User, free_port
from deploy.local.settings import SERVICES
from shared.database import migrate

PASSWORDS: Final = "postgres-passwords.json"


INITIALISE: Final = Postgres._initialise
"""Makes a cluster anew, with passwords of its own."""


class _MadeAnew(Postgres):
    """The one that is not copied."""

    _initialise = INITIALISE


class PreparedCluster:
    """The cluster that others are copied from: shared by a run's processes, and made by the first that needs it."""

    def __init__(self, home: Path) -> None:
        """`home` is the same for all processes of the run, and need not exist."""
        self._home = home

    async def initialise(self, server: Postgres, programs: Path, folder: Path, user: User | None) -> None:
        """Takes the place of `Postgres._initialise`: a copy, but for a server with passwords of its own already."""
        passwords = server._home / PASSWORDS
        if passwords.exists() or server._settings.get("fsync") != "off":
            return await INITIALISE(server, programs, folder, user)
        await self._make()
        shutil.rmtree(folder / "data", ignore_errors=True)
        data = self._home / "postgres" / "data"
        await asyncio.to_thread(subprocess.run, ["cp", "-a", f"{data}", f"{folder}"], check=True)
        write_private(passwords, (self._home / PASSWORDS).read_text())
        return None

    async def _make(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / "lock").open("w") as lock:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            if (self._home / "made").exists():
                return
            server = _MadeAnew(self._home, free_port(), durable=False)
            try:
                await server.start()
                await server.create_service_databases(SERVICES)
                for name in SERVICES:
                    await server.give_to_owner(name)
                    await migrate.upgrade(name, server.owner_url(name), user=f"rapport_{name}")
            finally:
                await server.stop()
            (self._home / "made").touch()
