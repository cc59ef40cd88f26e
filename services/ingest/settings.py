"""The configuration of ingest."""

from pydantic import Field

from shared.settings import Settings


class IngestSettings(Settings):
    """Environment variables of the ingest service."""

    public_host: str = Field(
        "", description="host[:port] that SDKs are told to send to; by default the one that they asked at"
    )
