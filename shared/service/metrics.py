"""Every metric of the platform, in one list. Times are in seconds, sizes in bytes.

| metric | labels | meaning |
|---|---|---|
| rapport_http_requests_total | route, method, status | answers given |
| rapport_http_seconds | route | time from request to answer |
| rapport_http_connections | | connections that clients have open |
| rapport_http_refused_total | reason | connections ended before an application answered: too large, slow or many |
| rapport_records_total | topic, outcome | records taken in: applied, duplicate, unhandled, dead |
| rapport_batch_seconds | topic | one partition's batch, from decode to commit |
| rapport_consumer_lag | topic, partition | records not yet read by this process |
| rapport_partition_stopped | topic, partition, reason | 1 while a partition waits for an operator |
| rapport_source_blocked | source | 1 while a reader takes nothing from this source until an operator lets it |
| rapport_partitions_lost_total | topic | batches given up because another holder took the partition |
| rapport_database_rewound_total | topic | partitions whose database had lost what it took in before |
| rapport_cluster_changes_total | | times the broker came back as another cluster |
| rapport_relayed_total | topic | outbox rows acknowledged by the broker |
| rapport_outbox_rows | | outbox rows waiting at the last look |
| rapport_kept_bytes | | with KAFKA_VOLATILE: what waits to be published or to be read, at the last look |
| rapport_published_again_total | | records sent again to a new cluster: not all readers had them |
| rapport_ingested_total | outcome | events by what became of them: accepted, quarantined, ignored, limited |
| rapport_quarantined_total | reason | events refused, by reason code |
| rapport_imports_failed_total | cause | imports that failed: by the `file` or its options, or by a `defect` here |
| rapport_plan_violations_total | mode | events that are not as their source's tracking plan says |
| rapport_phones_unread_total | source | phone numbers that link nobody: invalid, or national without a country |
| rapport_placeholders_total | source, namespace | values named in place of an identity that mean nobody |
| rapport_spooled_total | | events kept in PostgreSQL while the broker was away |
| rapport_ingest_breaker_open | | 1 while events go to the spool at once |
| rapport_profile_left_out_total | kind | traits, addresses, consent beyond a profile's bounds, by who stated them |
| rapport_conflicting_duplicates_total | source | events with the id of another event and other content: dead letters |
| rapport_due_total | | customers evaluated because a due time passed |
| rapport_decisions_total | journey, outcome | campaign decisions |
| rapport_messages_refused_total | journey, reason | messages that the gate refused: no_consent, too_old, … |
| rapport_run_steps_total | | steps that runs of journeys took |
| rapport_runs_ended_total | journey, state | runs that are over: finished, or exited before |
| rapport_log_lines_left_out_total | logger | lines that the log left out: too many of one event |
| rapport_consent_links_total | kind | links in mails: confirmed, unsubscribed, or invalid ones |
| rapport_sending_paused | reason | 1 while all wait: send_stop, provider_stop, offsets_unread, awaiting_send_cutoff |
| rapport_provider_replies_total | channel, meaning | accepted, address, message, account, later, away, unknown |
| rapport_suppressions_total | channel | addresses suppressed because their provider replied that they take no mail |
| rapport_accept_to_message_seconds | journey | from HTTP accept of the cause to the message handed to its channel |
"""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

log_lines_left_out: Final = Counter("rapport_log_lines_left_out_total", "Lines that the log left out", ["logger"])
http_requests: Final = Counter("rapport_http_requests_total", "Answers given", ["route", "method", "status"])
http_seconds: Final = Histogram("rapport_http_seconds", "Request to answer", ["route"], buckets=FAST)
http_connections: Final = Gauge("rapport_http_connections", "Connections that clients have open")
http_refused: Final = Counter("rapport_http_refused_total", "Connections ended before an answer", ["reason"])
records: Final = Counter("rapport_records_total", "Records taken in", ["topic", "outcome"])
batch_seconds: Final = Histogram("rapport_batch_seconds", "One partition's batch", ["topic"], buckets=FAST)
consumer_lag: Final = Gauge("rapport_consumer_lag", "Records not yet read", ["topic", "partition"])
partition_stopped: Final = Gauge(
    "rapport_partition_stopped", "Partitions that wait for an operator", ["topic", "partition", "reason"]
)
source_blocked: Final = Gauge(
    "rapport_source_blocked", "Sources whose records go to the dead letters unread", ["source"]
)
partitions_lost: Final = Counter("rapport_partitions_lost_total", "Batches given up to another holder", ["topic"])
database_rewound: Final = Counter(
    "rapport_database_rewound_total", "Partitions whose database had lost what it took in before", ["topic"]
)
cluster_changes: Final = Counter("rapport_cluster_changes_total", "Times the broker came back as another cluster")
relayed: Final = Counter("rapport_relayed_total", "Outbox rows acknowledged", ["topic"])
outbox_rows: Final = Gauge("rapport_outbox_rows", "Outbox rows waiting")
kept_bytes: Final = Gauge("rapport_kept_bytes", "Records that wait to be published or to be read by all")
published_again: Final = Counter("rapport_published_again_total", "Records sent again to a new cluster")
ingested: Final = Counter("rapport_ingested_total", "Events received", ["outcome"])
quarantined: Final = Counter("rapport_quarantined_total", "Events refused", ["reason"])
plan_violations: Final = Counter("rapport_plan_violations_total", "Events against their source's plan", ["mode"])
imports_failed: Final = Counter(
    "rapport_imports_failed_total", "Imports that failed: by the file or its options, or by a defect here", ["cause"]
)
phones_unread: Final = Counter(
    "rapport_phones_unread_total", "Phone numbers of a server's source that link nobody: they can't be read", ["source"]
)
placeholders: Final = Counter(
    "rapport_placeholders_total", "Values in place of an identity that mean nobody", ["source", "namespace"]
)
spooled: Final = Counter("rapport_spooled_total", "Events kept in PostgreSQL while the broker was away")
breaker_open: Final = Gauge("rapport_ingest_breaker_open", "1 while events go to the spool at once")
profile_left_out: Final = Counter(
    "rapport_profile_left_out_total", "What went, or was not kept, because its profile has enough", ["kind"]
)
conflicting_duplicates: Final = Counter(
    "rapport_conflicting_duplicates_total", "Events that came with the id of another event", ["source"]
)
due: Final = Counter("rapport_due_total", "Customers evaluated because a due time passed")
decisions: Final = Counter("rapport_decisions_total", "Campaign decisions", ["journey", "outcome"])
messages_refused: Final = Counter(
    "rapport_messages_refused_total", "Messages that the gate refused, and why", ["journey", "reason"]
)
run_steps: Final = Counter("rapport_run_steps_total", "Steps that runs of journeys took")
runs_ended: Final = Counter("rapport_runs_ended_total", "Runs of journeys that are over", ["journey", "state"])
consent_links: Final = Counter(
    "rapport_consent_links_total", "Links in mails that were used: confirmed, unsubscribed or invalid", ["kind"]
)
sending_paused: Final = Gauge("rapport_sending_paused", "1 while no message leaves", ["reason"])
provider_replies: Final = Counter("rapport_provider_replies_total", "What providers replied", ["channel", "meaning"])
suppressions: Final = Counter("rapport_suppressions_total", "Addresses that take no mail", ["channel"])
accept_to_message: Final = Histogram(
    "rapport_accept_to_message_seconds", "HTTP accept to message handed over", ["journey"], buckets=FAST
)

_blocked: frozenset[str] = frozenset()


def note_blocked(sources: frozenset[str]) -> None:
    """Sets `rapport_source_blocked` for these sources, and takes it back for those that were let in again."""
    global _blocked
    if sources == _blocked:
        return
    for gone in _blocked - sources:
        source_blocked.remove(gone)
    for source in sources:
        source_blocked.labels(source).set(1)
    _blocked = sources
