#!/usr/bin/env bash
# @rudderstack/rudder-sdk-node 3.0.13 and rudder-sdk-python 2.1.9: events that call themselves Segment's, and a time
# that is not where Segment's protocol has it.
#
# Most expect: `context.library` tells which SDK sent an event, and `timestamp` in each message says when it happened.
# They are: both say the name of a library of Segment's (`analytics-node`, `analytics-python`), with RudderStack's own
# version. The Node SDK sends no `timestamp` in a message unless the caller gave one: the
# moment stands in `originalTimestamp`, and the only `timestamp` that is there always is the batch's, when it was sent.
# The Python SDK sends `timestamp` and no `originalTimestamp`. So one vendor's two SDKs need two rules, and a receiver
# that treats SDKs by their name treats these as Segment's.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check rudder-sdk-python==2.1.9
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @rudderstack/rudder-sdk-node@3.0.13
cat >send.mjs <<'JS'
import RudderAnalytics from '@rudderstack/rudder-sdk-node'
const client = new RudderAnalytics('a-write-key', { dataPlaneUrl: process.argv[2], flushAt: 2 })
client.track({ userId: 'user-1', event: 'Without' })
client.track({ userId: 'user-1', event: 'With', timestamp: new Date('2026-01-01T00:00:00Z') })
await client.flush()
process.exit(0)
JS
"$work/venv/bin/python" - <<'PYTHON'
import gzip
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from rudderstack.analytics import Client

received = []


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        received.append(json.loads(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"


def times(message):
    return sorted(name for name in message if name.lower().endswith("timestamp"))


subprocess.run(["node", "send.mjs", url], check=True, timeout=60)
node = {message["event"]: message for batch in received for message in batch["batch"]}
assert all("timestamp" in batch for batch in received)
received.clear()
Client("a-write-key", host=url, sync_mode=True).track("user-1", "Without")
(python,) = received[0]["batch"]
for sender, message in (("node, none given", node["Without"]), ("node, one given", node["With"]), ("python", python)):
    print(f"{sender:17} {message['context']['library']} {times(message)}")
assert node["Without"]["context"]["library"] == {"name": "analytics-node", "version": "3.0.13"}
assert python["context"]["library"] == {"name": "analytics-python", "version": "2.1.9"}
assert times(node["Without"]) == ["originalTimestamp"]
assert times(node["With"]) == ["originalTimestamp", "timestamp"]
assert times(python) == ["timestamp"]
PYTHON
