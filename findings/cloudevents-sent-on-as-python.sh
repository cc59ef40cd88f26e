#!/usr/bin/env bash
# cloudevents 2.2.0 (Python): JSON data that is no object, received in binary mode and sent on in binary mode.
#
# Most expect: an event that came in can be sent on as it is, and data of `application/json` is any JSON.
# It is read so, and written otherwise: only an object is written as JSON, everything else as Python's str() of it,
# under the same content type. A list of order lines becomes `[{'sku': 'A-1', 'paid': True}]`, which is no JSON; `true`
# becomes `True`; a text loses its quotes, so that the article "7" is the number 7 for the next reader, and "paid" is no
# JSON. Nobody raises: the same SDK's reader gives what it can't parse as text. Structured mode writes all of them
# rightly.
# So: give the writer bytes, and send on what came in.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check cloudevents==2.2.0
"$work/venv/bin/python" - <<'PYTHON'
import json

from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat

FORMAT = JSONFormat()
HEADERS = {"ce-id": "1", "ce-source": "/shop", "ce-type": "order", "ce-specversion": "1.0"}
EXPECTED = {  # what came in: what goes out, and what its reader has
    b'{"sku": "A-1", "paid": true}': (b'{"sku": "A-1", "paid": true}', {"sku": "A-1", "paid": True}),
    b'[{"sku": "A-1", "paid": true}]': (b"[{'sku': 'A-1', 'paid': True}]", "[{'sku': 'A-1', 'paid': True}]"),
    b"true": (b"True", "True"),
    b'"paid"': (b"paid", "paid"),
    b'"7"': (b"7", 7),
}
for body, expected in EXPECTED.items():
    event = http.from_http(http.HTTPMessage({**HEADERS, "content-type": "application/json"}, body), FORMAT)
    assert event.get_data() == json.loads(body)
    sent = kafka.to_binary(event, FORMAT)
    assert sent.value == http.to_binary(event, FORMAT).body
    assert sent.headers["content-type"] == b"application/json"
    found = (sent.value, kafka.from_kafka(sent, FORMAT).get_data())
    print(f"in {body.decode():32} out {found[0].decode():32} read as {found[1]!r}")
    assert found == expected, found
    assert json.loads(kafka.to_structured(event, FORMAT).value)["data"] == json.loads(body)
PYTHON
