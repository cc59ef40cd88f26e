"""What counts as a stop of the walk, and how often a file is entered."""

from tests.walk.stops import walk_of
from tests.walk.tracing import Call

API, SERVICE, OTHER = "services/ingest/api/a.py", "services/ingest/service/s.py", "services/ingest/service/o.py"
DOMAIN, MORE, CHANNEL = "services/ingest/domain/d.py", "services/ingest/domain/m.py", "services/campaign/channels.py"


def call(file: str, *callers: str, given: str = "order-1", around: str = "order-1") -> Call:
    return Call(file, "f", [(one, "g") for one in callers], given, around)


def test_a_mechanism_is_one_stop_and_the_language_none() -> None:
    walk = walk_of(
        [
            call("shared/http/server/protocol.py"),
            call("shared/contracts/wire.py", SERVICE, API),
            call("shared/kafka/producer.py", SERVICE, API),
            call("shared/kafka/consumer/batch.py", "shared/relay.py"),
        ],
        ["order-1"],
    )
    assert list(walk.stops) == ["shared/http", SERVICE, "shared/kafka", "shared/outbox"]


def test_domain_is_asked_and_is_entered_once_from_each_stop_that_asks() -> None:
    walk = walk_of(
        [
            call(SERVICE, API),
            call(DOMAIN, SERVICE, API),
            call(DOMAIN, SERVICE, API, given="a part of it"),
            call(MORE, DOMAIN, SERVICE, API),
            call(OTHER, SERVICE, API),
            call(DOMAIN, OTHER, SERVICE, API),
            call(DOMAIN, API),
        ],
        ["order-1"],
    )
    assert list(walk.stops) == [API, SERVICE, OTHER]
    assert walk.stops[SERVICE].asks == [DOMAIN]
    assert walk.entries[DOMAIN] == [SERVICE, OTHER, API]
    assert MORE not in walk.entries


def test_what_is_not_about_the_order_and_what_comes_after_a_channel_are_left_out() -> None:
    walk = walk_of(
        [
            call(OTHER, API, given="order-2", around=""),
            call("services/campaign/worker.py", given="message-1"),
            call(CHANNEL, "services/campaign/worker.py", given="message-1"),
            call(SERVICE, API),
        ],
        ["order-1", "message-1"],
    )
    assert list(walk.stops) == ["services/campaign/worker.py", CHANNEL]
