#!/usr/bin/env bash
# cloudevents 2.2.0 (Python) and cloudevents 10.0.0 (JavaScript): one attribute, two spellings in HTTP binary mode.
#
# Most expect: two SDKs of the same project read each other's events, with any text in `subject`.
# They do not: Python's writes an attribute into its header percent-encoded, as the HTTP binding wants; JavaScript's
# neither encodes nor decodes. A subject of "Größe 50 €" from Python arrives in JavaScript as
# "Gr%C3%B6%C3%9Fe%2050%20%E2%82%AC"; the one from JavaScript has a "€" that Node's client refuses to send as a header;
# and "100%25", in which JavaScript means those five characters, arrives in Python as "100%". A plain space differs, too.
# JavaScript's reader turns `time` into milliseconds in UTC, besides: microseconds and the sender's offset are gone.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check cloudevents==2.2.0
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts cloudevents@10.0.0
cat >both.mjs <<'JS'
import { validateHeaderValue } from 'node:http'
import { CloudEvent, HTTP } from 'cloudevents'
const { headers, subjects } = JSON.parse(process.argv[2])
const event = HTTP.toEvent({ headers, body: '{}' })
const sent = subjects.map((subject) => HTTP.binary(new CloudEvent({ source: '/shop', type: 't', subject })).headers)
let refused = ''
try {
  for (const [name, value] of Object.entries(sent[0])) validateHeaderValue(name, value)
} catch (error) {
  refused = error.code
}
console.log(JSON.stringify({ subject: event.subject, time: event.time, sent, refused }))
JS
"$work/venv/bin/python" - <<'PYTHON'
import json
import subprocess
from datetime import datetime

from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

SUBJECT = "Größe 50 €"
TIME = "2026-01-01T00:00:00.123456+08:00"
attributes = {"id": "1", "source": "/shop", "type": "t", "specversion": "1.0", "subject": SUBJECT}
event = CloudEvent({**attributes, "datacontenttype": "application/json", "time": datetime.fromisoformat(TIME)}, {})
headers = dict(http.to_binary(event, JSONFormat()).headers)
request = json.dumps({"headers": headers, "subjects": [SUBJECT, "100%25"]})
answer = json.loads(subprocess.run(["node", "both.mjs", request], check=True, capture_output=True, text=True).stdout)
theirs = [
    http.from_binary(http.HTTPMessage(headers=sent, body=b"{}"), JSONFormat()).get_subject() for sent in answer["sent"]
]
print("Python writes    ", headers["ce-subject"])
print("JavaScript reads ", answer["subject"], answer["time"])
print("JavaScript writes", [sent["ce-subject"] for sent in answer["sent"]])
print("Node says of it  ", answer["refused"])
print("Python reads     ", theirs)
assert headers["ce-subject"] == "Gr%C3%B6%C3%9Fe%2050%20%E2%82%AC"
assert answer["subject"] == headers["ce-subject"]
assert answer["time"] == "2025-12-31T16:00:00.123Z"
assert [sent["ce-subject"] for sent in answer["sent"]] == [SUBJECT, "100%25"]
assert answer["refused"] == "ERR_INVALID_CHAR"
assert theirs == [SUBJECT, "100%"]
PYTHON
