"""What ingest reads from Kafka: records of upstream systems, on a topic of their own."""

from typing import Final

from services.ingest.domain.formats import inbound
from services.ingest.domain.formats.inbound import Inbound
from services.ingest.service.inbound import InboundHandler
from shared.contracts.topics import INBOUND
from shared.kafka.consumer.batch import Handlers

READS: Final = (INBOUND,)
decode: Final = inbound.decode


def handlers(inbound_handler: InboundHandler) -> Handlers:
    """Returns the use case by the class of its event."""
    return {Inbound: inbound_handler.handle}
