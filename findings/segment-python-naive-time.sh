#!/usr/bin/env bash
# segment-analytics-python 2.4.0: what a naive `timestamp` means depends on how old it is.
#
# Most expect: a datetime without a zone is read in one way, as UTC or as local time, whenever it is sent.
# It is: local time if it is less than 5 seconds old, or in the future; UTC if it is older. So the same shop clock gives
# two moments, eight hours apart in Shanghai, by whether an order was sent at once or waited in a queue for 10 seconds;
# a receiver sees an explicit offset in both and can't tell.
# So: pass aware datetimes only; a receiver that sees events of this library in the future of a shop east of London
# should think of this first.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check segment-analytics-python==2.4.0
TZ=Asia/Shanghai "$work/venv/bin/python" - <<'PYTHON'
import json
import threading
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

from segment.analytics import Client

received = []


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        received.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["batch"])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = Client("a-write-key", host=f"http://127.0.0.1:{server.server_port}", sync_mode=True)
now = datetime.now()
for name, moment in {
    "now": now,
    "10 seconds ago": now - timedelta(seconds=10),
    "in an hour": now + timedelta(hours=1),
}.items():
    client.track("user-1", name, timestamp=moment)
offsets = {event["event"]: event["timestamp"][-6:] for event in received}
for name, offset in offsets.items():
    print(f"{name:15} sent with offset {offset}")
assert offsets == {"now": "+08:00", "10 seconds ago": "+00:00", "in an hour": "+08:00"}, offsets
PYTHON
