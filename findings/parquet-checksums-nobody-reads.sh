#!/usr/bin/env bash
# Parquet page checksums, written by pyarrow 26.0.0; read by it, DuckDB 2.0.1, Polars 2.1.0 and fastparquet 2026.9.0.
#
# Most expect: a page with a checksum is checked when it is read, so that an export with a bit turned over on a disk is
# refused, as a broken gzip is.
# It is not: all four read the turned bit as data (here the article SKU-1003 for SKU-1002, in an uncompressed page), by
# default. pyarrow checks if it is told page_checksum_verification=True, and then raises OSError; its datasets have the
# same switch, in another place.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    pyarrow==26.0.0 duckdb==2.0.1 polars==2.1.0 fastparquet==2026.9.0
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import duckdb
import fastparquet
import polars
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

ARTICLES = ["SKU-1001", "SKU-1002", "SKU-1003"]
FILE = "orders.parquet"


def dataset(**options):
    scan = ds.ParquetFragmentScanOptions(**options)
    return ds.dataset(FILE, format=ds.ParquetFileFormat(default_fragment_scan_options=scan)).to_table()


READERS = {
    "pyarrow": lambda: pq.read_table(FILE)["sku"].to_pylist(),
    "pyarrow dataset": lambda: dataset()["sku"].to_pylist(),
    "DuckDB": lambda: [sku for (sku,) in duckdb.sql(f"select sku from '{FILE}'").fetchall()],
    "Polars": lambda: polars.read_parquet(FILE)["sku"].to_list(),
    "fastparquet": lambda: list(fastparquet.ParquetFile(FILE).to_pandas()["sku"]),
    "pyarrow, told to": lambda: pq.read_table(FILE, page_checksum_verification=True)["sku"].to_pylist(),
    "pyarrow dataset, told to": lambda: dataset(page_checksum_verification=True)["sku"].to_pylist(),
}


def read(reader):
    try:
        return reader()
    except OSError as error:
        return type(error).__name__


pq.write_table(pa.table({"sku": ARTICLES}), FILE, compression="none", use_dictionary=False, write_page_checksum=True)
whole = {name: read(reader) for name, reader in READERS.items()}
content = bytearray(Path(FILE).read_bytes())
assert content.count(b"SKU-1002") == 1
content[content.index(b"SKU-1002") + 7] ^= 1
Path(FILE).write_bytes(content)
turned = {name: read(reader) for name, reader in READERS.items()}
for name, found in turned.items():
    print(f"{name:25} {found}")
assert all(found == ARTICLES for found in whole.values())
assert turned == {
    name: "OSError" if name.endswith("told to") else ["SKU-1001", "SKU-1003", "SKU-1003"] for name in READERS
}
PYTHON
