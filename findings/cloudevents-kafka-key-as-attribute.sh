#!/usr/bin/env bash
# cloudevents 2.2.0 (Python), Kafka: the record's key becomes an attribute of the event that is read.
#
# Most expect: a record's key is for Kafka's partitions. It may be any bytes, the SDK takes bytes for it, and the Kafka
# binding says that a key mapper adds nothing to the event; so what was written is what is read.
# It is not: the reader decodes the key as UTF-8 into the attribute `partitionkey`. A key of bytes that are no text (a
# hash, a packed number) makes its own writer's record unreadable (UnicodeDecodeError), in binary and in structured
# mode; a key of text gives a `partitionkey` to an event that had none, and takes the place of the one that an event
# had, though that one travels with it.
# So: read such records with key=None, and take the key from the Kafka client.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check cloudevents==2.2.0
"$work/venv/bin/python" - <<'PYTHON'
import hashlib

from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

PLAIN = {"id": "1", "source": "/shop", "type": "order", "specversion": "1.0", "datacontenttype": "application/json"}
KEYS = {"text": "customer-1", "hash": hashlib.sha256(b"customer-1").digest(), "number": (200).to_bytes(8, "big")}
FORMAT = JSONFormat()


def read(message):
    try:
        return kafka.from_kafka(message, FORMAT).get_extension("partitionkey")
    except UnicodeDecodeError as error:
        return type(error).__name__


found = {}
for mode, write in (("binary", kafka.to_binary), ("structured", kafka.to_structured)):
    for name, key in KEYS.items():
        for had in (None, "tenant-7"):
            event = CloudEvent({**PLAIN, **({"partitionkey": had} if had else {})}, {"cents": 1999})
            message = write(event, FORMAT, lambda _, key=key: key)
            assert message.key == key
            found[mode, name, had] = read(message)
            assert read(kafka.KafkaMessage(message.headers, None, message.value)) == had
            print(f"{mode:10} key {name:6} partitionkey written {had!s:8} read {found[mode, name, had]}")
assert found == {
    (mode, name, had): "customer-1" if name == "text" else "UnicodeDecodeError" for mode, name, had in found
}
PYTHON
