"""The configuration of ingest."""

import maxminddb
from cryptography.fernet import Fernet
from pydantic import Field, SecretStr, ValidationInfo, field_validator

from shared.service.setting_kinds import FilePath, PublicHost, Seconds
from shared.service.settings import Settings


class IngestSettings(Settings):
    """Environment variables of the ingest service."""

    public_host: PublicHost = Field(
        "", description="host[:port] that SDKs are told to send to; by default the host that they asked"
    )
    secrets_key: SecretStr = Field(
        SecretStr(""),
        description="Fernet keys, by comma, that encrypt webhook secrets; the first encrypts, all decrypt. Needed for "
        "signed webhooks",
    )
    geoip_database: FilePath = Field("", description="a MaxMind database file (mmdb) of cities or countries")
    produce_seconds: Seconds = Field(
        3, gt=0, description="how long the broker may take to acknowledge before events go to the spool"
    )
    spool_megabytes: int = Field(
        512,
        ge=0,
        description="what PostgreSQL keeps while the broker is away, and with KAFKA_VOLATILE until all is read; above "
        "it ingest responds with 503; 0: no spool",
    )
    public_events_per_second: int = Field(
        2_000,
        ge=0,
        description="the limit of each public source that has no `events_per_second` of its own: on average, with a "
        "burst of 2 s, by each process; 0: no limit",
    )
    address_events_per_second: int = Field(
        100,
        ge=0,
        description="the limit of one client address (of IPv6 a /64) with public keys, to all sources together: on "
        "average, with a burst of 10 s, by each process; 0: no limit. Server keys are not counted",
    )
    batch_megabytes: int = Field(
        16,
        ge=4,
        le=64,
        description="the most that a source's own `max_batch_bytes` may be; a larger batch is 413. What batches have "
        "above 512,000 bytes is at most 64 MiB at one time in each process; then ingest responds with 503",
    )
    quarantine_days: int = Field(90, ge=1, description="how long refused payloads are kept")
    import_megabytes: int = Field(1024, ge=1, description="the largest file that may be uploaded")

    @field_validator("spool_megabytes")
    @classmethod
    def _keeps_what_the_broker_forgets(cls, value: int, info: ValidationInfo) -> int:
        if info.data.get("kafka_volatile") and not value:
            raise ValueError("must be above 0 with KAFKA_VOLATILE")
        return value

    def secrets_keys(self) -> list[str]:
        """Returns the keys, the one that encrypts first."""
        return [key.strip() for key in self.secrets_key.get_secret_value().split(",") if key.strip()]

    @field_validator("secrets_key")
    @classmethod
    def _are_keys(cls, value: SecretStr) -> SecretStr:
        for key in filter(None, map(str.strip, value.get_secret_value().split(","))):
            try:
                Fernet(key)
            except ValueError:
                raise ValueError("must be Fernet keys: 32 random bytes each, in URL-safe base64") from None
        return value

    @field_validator("geoip_database")
    @classmethod
    def _is_database(cls, value: str) -> str:
        if value:
            try:
                maxminddb.open_database(value).close()
            except (OSError, maxminddb.InvalidDatabaseError) as error:
                raise ValueError(f"can't be read as a MaxMind database: {error}") from None
        return value
