"""Who reads what is said in one place, and is what the services read."""

import importlib
from collections import defaultdict
from typing import Final

from shared.contracts import topics
from shared.kafka.topics import READERS

SERVICES: Final = ("profile", "segment", "campaign", "feedback")


def test_the_readers_of_each_topic_are_those_that_subscribe_to_it() -> None:
    found = defaultdict(set)
    for service in SERVICES:
        for topic in importlib.import_module(f"services.{service}.consumer").TOPICS:
            found[topic].add(service)
    assert {topic: set(services) for topic, services in READERS.items()} == found
    assert set(READERS) == set(topics.ALL)
