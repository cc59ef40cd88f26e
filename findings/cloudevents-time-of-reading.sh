#!/usr/bin/env bash
# cloudevents 2.2.0 (Python): an event that says no time is read with the reader's.
#
# Most expect: `time` is optional, so an event without it is read as one without; what its writer did not say, a reader
# can't know. And an event without the required `id` is refused.
# It is not: the defaults of a new event fill in what a received one lacks, over Kafka and HTTP. Its time is the moment of
# reading, so that one record, read again by another group or after a crash, happened at another time, and no one can
# tell it from a time that was sent; one without an id gets a random one at each reading, so that a reader which knows
# repeats by their id sees a new event each time.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check cloudevents==2.2.0
"$work/venv/bin/python" - <<'PYTHON'
import json
from datetime import UTC, datetime

from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat

FORMAT = JSONFormat()
FIELDS = {"id": "1", "source": "/shop", "type": "order", "specversion": "1.0"}


def binary_kafka(fields):
    headers = {f"ce_{name}": value.encode() for name, value in fields.items()}
    return kafka.from_kafka(kafka.KafkaMessage(headers, None, b"{}"), FORMAT)


def binary_http(fields):
    headers = {f"ce-{name}": value for name, value in fields.items()}
    return http.from_http(http.HTTPMessage(headers, b"{}"), FORMAT)


def structured(fields):
    return FORMAT.read(None, json.dumps(fields).encode())


for read in (binary_kafka, binary_http, structured):
    begin = datetime.now(UTC)
    first, second = read(FIELDS), read(FIELDS)
    nameless = {name: value for name, value in FIELDS.items() if name != "id"}
    ids = [read(nameless).get_id() for _ in range(2)]
    print(f"{read.__name__:12} times {first.get_time()} {second.get_time()}; ids {ids}")
    assert begin <= first.get_time() <= second.get_time() <= datetime.now(UTC)
    assert ids[0] and ids[1] and ids[0] != ids[1]
PYTHON
