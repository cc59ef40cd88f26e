#!/usr/bin/env bash
# cloudevents 2.2.0 (Python): a structured event with the headers of binary mode beside it, over Kafka and over HTTP.
#
# Most expect: `content-type: application/cloudevents+json` says that an event is structured. Both bindings decide by
# it, and let a structured event have the headers of binary mode, too (for routers and filters that read headers only).
# It does not: from_kafka and from_http take one header that begins with `ce_` or `ce-` for binary mode, before they
# look at the content type. The event that is read has the whole envelope as its data, the envelope's media type as its
# data's, and, if `id` is not among the headers, an id of chance. Nothing is raised. from_structured reads the same
# message rightly.
# So: look at the content type, then call from_structured or from_binary.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check cloudevents==2.2.0
"$work/venv/bin/python" - <<'PYTHON'
from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

PLAIN = {"id": "1", "source": "/shop", "type": "order", "specversion": "1.0", "datacontenttype": "application/json"}
FORMAT = JSONFormat()
event = CloudEvent(PLAIN, {"cents": 1999})
record = kafka.to_structured(event, FORMAT)
record = kafka.KafkaMessage({**record.headers, "ce_type": b"order", "ce_source": b"/shop"}, None, record.value)
request = http.to_structured(event, FORMAT)
request = http.HTTPMessage({**request.headers, "ce-type": "order", "ce-source": "/shop"}, request.body)
for guess, told, message in (
    (kafka.from_kafka, kafka.from_structured, record),
    (http.from_http, http.from_structured, request),
):
    wrong, right = guess(message, FORMAT), told(message, FORMAT)
    for name, read in ((guess.__name__, wrong), (told.__name__, right)):
        print(f"{name:15} id {read.get_id():36} {read.get_datacontenttype():28} data {read.get_data()}")
    assert wrong.get_datacontenttype() == "application/cloudevents+json"
    assert (wrong.get_data()["id"], wrong.get_data()["data"]) == ("1", {"cents": 1999})
    assert wrong.get_id() != "1"
    assert (right.get_id(), right.get_datacontenttype()) == ("1", "application/json")
    assert right.get_data() == {"cents": 1999}
PYTHON
