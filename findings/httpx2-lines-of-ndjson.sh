#!/usr/bin/env bash
# httpx2 2.16.2: `iter_lines()` and lines of JSON (NDJSON).
#
# Most expect: a stream of JSON, a value a line, can be read with `iter_lines()`: JSON escapes a line feed, so each line
# is a whole value.
# It can't: lines end at whatever Python's `str.splitlines` takes for an end, U+2028 and U+0085 among them, which JSON
# lets stand in a text as they are, and which customers paste into names and addresses. The value is cut in two, neither
# of which is JSON. Splitting the bytes at 0x0A reads it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check httpx2==2.16.2
"$work/venv/bin/python" - <<'PYTHON'
import json

import httpx2

rows = [{"id": 1, "street": "Hauptstr. 5\u2028Hinterhaus"}, {"id": 2, "name": "Ann\u0085"}]
body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
lines = list(httpx2.Response(200, content=body).iter_lines())
print(lines)
assert len(lines) == 4
whole = 0
for line in lines:
    try:
        json.loads(line)
        whole += 1
    except json.JSONDecodeError:
        pass
print("whole values:", whole, "of", len(rows), "- and split at the line feed:", len(body.strip().split(b"\n")))
assert whole == 0
assert [json.loads(line) for line in body.strip().split(b"\n")] == rows
PYTHON
