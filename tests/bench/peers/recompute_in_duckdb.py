"""Recomputes ten segments in DuckDB, from what `make bench-segment` exported. Arguments: the folder, the moment.

Traits and figures are typed columns, and everything was loaded before: what is timed are the ten conditions and the
comparison with the memberships that there are. Prints seconds and how many differ, as JSON.
"""

import json
import sys
import time
from pathlib import Path

import duckdb  # type: ignore[import-not-found]  # it is in an environment of its own, not in ours

TABLES = {
    "customers": "profile_id UUID, city VARCHAR, age INTEGER, orders INTEGER, usd BIGINT",
    "history": 'profile_id UUID, name VARCHAR, "at" TIMESTAMPTZ',
    "memberships": "profile_id UUID, segment_id VARCHAR",
}


def main() -> int:
    """Loads, computes, prints."""
    folder, now = Path(sys.argv[1]), sys.argv[2]
    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET TimeZone = 'UTC'")
    for table, columns in TABLES.items():
        connection.execute(f"CREATE TABLE {table} ({columns})")
        connection.execute(f"COPY {table} FROM '{folder / table}.csv' (HEADER false)")
    queries = json.loads((folder / "queries.json").read_text())
    started = time.perf_counter()
    members = " UNION ALL ".join(
        f"SELECT profile_id, '{segment_id}' AS segment_id FROM ({query}) q" for segment_id, query in queries.items()
    )
    found = connection.execute(
        f"""
        WITH m AS (SELECT profile_id, segment_id FROM ({members.replace("NOW", f"TIMESTAMPTZ '{now}'")}) u)
        SELECT count(*) FROM m FULL JOIN memberships k USING (profile_id, segment_id)
         WHERE m.profile_id IS NULL OR k.profile_id IS NULL
        """
    ).fetchone()
    print(json.dumps({"seconds": time.perf_counter() - started, "differ": found[0]}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
