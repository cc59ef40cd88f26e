#!/usr/bin/env bash
# pyarrow 26.0.0: what a column of timestamps in nanoseconds, as pandas, Spark and DuckDB write them, becomes in Python.
#
# Most expect: to_pylist() gives datetimes, cut to microseconds, or always gives the same type.
# It depends on the values and on what else is installed: without pandas a value of whole microseconds is a datetime, and
# one with a rest raises ValueError for the whole batch; with pandas the same column is a list of pandas.Timestamp.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
cat > "$work/ask.py" <<'PYTHON'
import io

import pyarrow as pa
import pyarrow.parquet as pq


def read(nanoseconds):
    file = io.BytesIO()
    column = pa.array([nanoseconds], pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"sold": column}), file, version="2.6")
    try:
        return type(pq.read_table(file).column("sold").to_pylist()[0]).__name__
    except ValueError as error:
        return type(error).__name__


print(read(1_700_000_000_000_001_000), read(1_700_000_000_000_001_001))
PYTHON
install() { "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
install pyarrow==26.0.0
without=$("$work/venv/bin/python" "$work/ask.py")
install pandas==2.3.3
with=$("$work/venv/bin/python" "$work/ask.py")
echo "whole microseconds, and not: without pandas $without; with pandas $with"
[ "$without" = "datetime ValueError" ]
[ "$with" = "Timestamp Timestamp" ]
