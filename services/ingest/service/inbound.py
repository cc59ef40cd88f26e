"""Accepts what upstream systems produce to Kafka, by the same rules as HTTP, in the transaction of the offset."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from services.ingest.domain.formats.inbound import Inbound
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.domain.values.context import Locate, nowhere
from services.ingest.service import sources, triage
from services.ingest.service.source_stats import SourceStats
from services.ingest.service.vault import Vault
from shared.contracts import keepable
from shared.contracts.envelope import Event
from shared.database.database import Work
from shared.errors import Refused

MAX_NAMED: Final = 300  # characters of a CloudEvents source, as a dead letter names it
NO_CLOUDEVENT: Final = (
    "the record names no CloudEvents source: it is no CloudEvent in binary or structured mode, one to a record "
    "(on Kafka there are no batches)"
)


@dataclass(frozen=True, slots=True)
class InboundHandler:
    """Handles inbound records, which are one of the process's methods of ingest."""

    vault: Vault
    stats: SourceStats
    partition_secret: bytes
    locate: Locate = nowhere

    async def handle(self, work: Work, events: Sequence[Event]) -> None:
        """Puts what is understood into the outbox, and what is refused into the quarantine.

        Raises `Refused` for a record of an unknown source: a dead letter, to be retried once the source is created; and
        for one that names no source.
        """
        by_source: dict[str, list[Payload]] = defaultdict(list)
        for event in events:
            assert isinstance(event.body, Inbound)
            by_source[event.body.ce_source].append(Payload(way=IngestMethod.CLOUDEVENTS, raw=event.body.raw))
        known = await sources.by_ce_sources(work, self.vault, list(by_source))
        for name, payloads in by_source.items():
            source = known.get(name)
            if not name:
                raise Refused(NO_CLOUDEVENT, unattributed=True)
            if source is None:
                known_as = keepable.text(name, limit=MAX_NAMED)
                raise Refused(
                    f"no source has the CloudEvents source {known_as!r}: make one with this ce_source, and retry",
                    unattributed=True,
                )
            context = triage.context_for(
                source, work.now, locate=self.locate, max_event_bytes=triage.MAX_PAYLOAD_EVENT_BYTES
            )
            view = self.stats.view(source.id, work.now)
            done = triage.triage_payloads(payloads, source, context, partition_secret=self.partition_secret, watch=view)
            if done.refused:
                await triage.keep(work, source.id, done.refused)
            await triage.spool(work, done.accepted)
            work.afterwards.append(partial(triage.count, done, source.id))
            work.afterwards.append(partial(self.stats.note, source.id, done.outcomes(), work.now))
