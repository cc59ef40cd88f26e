"""What was taken in, and may not be as its sender means it, is a warning in the figures of its source."""

import json
from collections.abc import Mapping
from typing import Any, Final

from services.ingest.domain.definitions.source import Source
from services.ingest.service import triage
from services.ingest.service.source_stats import MAX_WARNINGS, SAMPLES, SourceStats
from shared.contracts.envelope import SourceKind
from tests.support.webhooks import NOW, SOURCE

SERVER: Final = Source(id=SOURCE, name="shop", kind=SourceKind.SERVER)
COMPLETE: Final = "event 'Order Complete' has no meaning here; there is 'Order Completed'"


def warned(*messages: Mapping[str, Any], stats: SourceStats) -> dict[str, int]:
    """The warnings of these messages, which come one a request."""
    for n, one in enumerate(messages):
        fields = {"type": "track", "userId": "1", "messageId": f"m-{n}", "timestamp": NOW.isoformat(), **one}
        done = triage.triage_messages(
            [json.dumps(fields).encode()],
            triage.context_for(SERVER, NOW),
            partition_secret=b"secret",
            watch=stats.view(SOURCE, NOW),
        )
        assert done.refused == []
        stats.note(SOURCE, done.outcomes(), NOW)
    found = stats.take().figures
    return {reason: events for (_, outcome, reason), events in found.items() if outcome == "warning"}


def test_every_event_with_a_name_that_is_near_one_counts_and_no_other() -> None:
    many = 4 * SAMPLES
    messages = [{"event": name, "properties": {"n": 1}} for name in ("Order Complete", "Waved") for _ in range(many)]
    assert warned(*messages, stats=SourceStats()) == {COMPLETE: many}


def test_a_consent_that_cant_be_read_counts() -> None:
    stated = {"consent": {"categoryPreferences": {"email": "maybe", "sms": "yes", "An odd one": "?"}}}
    assert warned({"type": "identify", "context": stated}, stats=SourceStats()) == {
        "consent to email: neither yes nor no": 1,
        "consent to another channel: neither yes nor no": 1,
    }


def test_a_birthday_that_is_no_day_and_a_zone_that_is_none_count_and_are_kept_as_traits() -> None:
    traits = {
        "birthday": "17.05.1990",
        "timezone": "Beijing",
        "dated_facts": [{"kind": "wedding", "date": "2010-10-10"}, {"kind": "child"}],
    }
    found = warned({"type": "identify", "traits": traits}, stats=SourceStats())
    assert {text.partition(": ")[0]: times for text, times in found.items()} == {
        "traits.birthday": 1,
        "traits.timezone": 1,
        "traits.dated_facts[1].date": 1,
    }
    right = {"birthday": "1990-05-17", "timezone": "Asia/Shanghai", "dated_facts": [{"kind": "x", "date": "--01-01"}]}
    assert warned({"type": "identify", "traits": right}, stats=SourceStats()) == {}
    tracked = {"event": "Trait Set", "properties": {"traits": traits}}
    assert warned(tracked, stats=SourceStats()) == found


def test_whoever_makes_up_names_fills_no_table() -> None:
    names = [f"Order Complete{letter}{other}" for letter in "abcefghijkl" for other in "-_./:;,!"]
    found = warned(*({"event": name} for name in names), stats=SourceStats())
    assert len(found) == MAX_WARNINGS + 1
    assert found["further warnings"] == len(names) - MAX_WARNINGS
