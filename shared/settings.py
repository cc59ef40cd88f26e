"""Configuration: typed, documented, read from the environment once, and refused at start if wrong."""

import sys
from collections.abc import Mapping
from typing import Annotated, Final, NoReturn, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.server.limits import ConnectionLimits, networks

Milliseconds = Annotated[int, Field(ge=0)]
Port = Annotated[int, Field(ge=1, le=65_535)]

SECRET_CHARACTERS: Final = 32  # who reads a topic must not find the key of its hashes by trying
SECRET_DISTINCT_CHARACTERS: Final = 8  # fewer were typed, and not drawn


class Settings(BaseSettings):
    """What every service needs. Each field is one environment variable of the same name, in capitals."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    database_url: SecretStr = Field(description="postgresql+asyncpg://… of this service's own database")
    migration_database_url: SecretStr = Field(
        SecretStr(""),
        description="the same database as the role that owns its tables, for `migrate` and `rebuild` alone; then the "
        "role of DATABASE_URL is granted to read and write them, and nothing more. Empty: DATABASE_URL",
    )
    database_pool_size: int = Field(12, ge=2, description="connections to PostgreSQL at most")
    kafka_bootstrap: str = Field(description="host:port of a broker; several separated by commas")
    kafka_replication: int = Field(1, ge=1, description="replication factor of topics that this service creates")
    kafka_topic_generation: int = Field(
        1, ge=1, description="raise by one after deleting and creating the topics again on the same cluster"
    )
    kafka_session_timeout_milliseconds: Milliseconds = Field(
        6_000, description="silence after which the broker gives a consumer's partitions away; Kafka wants 6000 or more"
    )
    kafka_fetch_wait_milliseconds: Milliseconds = Field(
        500, description="how long the broker may keep a fetch that finds nothing; the embedded one always does"
    )
    kafka_busy_fetch_wait_milliseconds: Milliseconds = Field(
        0, description="the same while records come and until none have come for 30 s; 0: the same always"
    )
    kafka_batch_records: int = Field(1000, ge=1, description="records read in one go")
    kafka_volatile: bool = Field(
        False,
        description="whether the broker forgets everything when it ends, as the embedded one does: then what is "
        "published stays in PostgreSQL until all readers have it, and goes out again to the next broker",
    )
    kafka_kept_megabytes: int = Field(
        512, ge=1, description="with KAFKA_VOLATILE, what PostgreSQL may keep of it before the log says so"
    )
    http_host: str = Field("127.0.0.1", description="address that the API listens on")
    http_port: Port = Field(description="port that the API listens on")
    http_request_line_bytes: int = Field(16_384, ge=256, description="longest target of a request; longer: 414")
    http_header_bytes: int = Field(65_536, ge=1_024, description="largest head of a request; larger: 431")
    http_headers: int = Field(100, ge=10, description="headers of a request at most; more: 431")
    http_body_bytes: int = Field(
        4_194_304, ge=1_024, description="largest body of a request as it comes over the wire; larger: 413"
    )
    http_header_seconds: float = Field(10, gt=0, description="time for a request's headers; longer: 408")
    http_stall_seconds: float = Field(
        10, gt=0, description="in each such time a body must come, and an answer be taken, at the least rate…"
    )
    http_bytes_per_second: int = Field(1_000, ge=1, description="…of so many bytes a second; slower: 408, or the end")
    http_idle_seconds: float = Field(20, gt=0, description="how long a connection may wait for its next request…")
    http_proxy_idle_seconds: float = Field(75, gt=0, description="…and one of a trusted proxy")
    http_connections: int = Field(4_096, ge=1, description="connections at most; one more: 503")
    http_connections_per_address: int = Field(
        256, ge=1, description="connections of one address at most, or of one /64 network of IPv6; one more: 503"
    )
    http_trusted_proxies: str = Field(
        "",
        description="addresses and networks, by comma, of proxies: they have no limit of their own, and are believed "
        "whom they speak for (X-Forwarded-For)",
    )
    auth_public_key: str = Field("", description="PEM key that verifies bearer tokens")
    auth_jwks_url: str = Field("", description="JWKS URL that verifies bearer tokens, instead of a key")
    auth_jwks_seconds: int = Field(
        300, ge=30, description="how long a key that the issuer withdrew is honoured, at most; JWKS only"
    )
    auth_token_days: int = Field(
        400, ge=1, description="how long a bearer token may still be valid; one that ends later is refused"
    )
    auth_algorithm: str = Field("EdDSA", description="the one algorithm that tokens may use")
    auth_issuer: str = Field("rapport", description="the one issuer that tokens may have")
    partition_secret: SecretStr = Field(
        description="key of the hash that places customers on partitions; equal in all services, and your own: "
        f"{SECRET_CHARACTERS} characters at least, such as of `openssl rand -hex 32`",
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    failpoint: str = Field(
        "",
        pattern=r"^([a-z_.]+(@[1-9][0-9]*)?)?$",
        description="where the process is to die, NAME or NAME@3; for drills only",
    )
    clock_offset_seconds: float = Field(0, description="moves the clock; for drills only")
    drain_announce_seconds: float = Field(
        1, ge=0, description="how long a stopping API goes on answering, so that clients find another process"
    )
    drain_seconds: float = Field(15, gt=0, description="time that a graceful stop may take after that")

    @field_validator("partition_secret")
    @classmethod
    def _is_strong(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if len(text) < SECRET_CHARACTERS or len(set(text)) < SECRET_DISTINCT_CHARACTERS:
            raise ValueError(f"must have at least {SECRET_CHARACTERS} characters, chosen at random")
        return value

    @field_validator("http_trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks(value)  # raises ValueError
        return value

    def busy_fetch_wait_milliseconds(self) -> int:
        """How long the broker may keep a fetch while records come."""
        return self.kafka_busy_fetch_wait_milliseconds or self.kafka_fetch_wait_milliseconds

    def owner_database_url(self) -> str:
        """The URL as the role that may change tables."""
        return self.migration_database_url.get_secret_value() or self.database_url.get_secret_value()

    def connection_limits(self, larger_bodies: Mapping[str, int]) -> ConnectionLimits:
        """What one HTTP connection may send and hold."""
        return ConnectionLimits(
            request_line_bytes=self.http_request_line_bytes,
            header_bytes=self.http_header_bytes,
            headers=self.http_headers,
            body_bytes=self.http_body_bytes,
            larger_bodies=larger_bodies,
            header_seconds=self.http_header_seconds,
            stall_seconds=self.http_stall_seconds,
            bytes_per_second=self.http_bytes_per_second,
            idle_seconds=self.http_idle_seconds,
            proxy_idle_seconds=self.http_proxy_idle_seconds,
            connections=self.http_connections,
            connections_per_address=self.http_connections_per_address,
            trusted_proxies=self.http_trusted_proxies,
        )


SettingsT = TypeVar("SettingsT", bound=Settings)


def load(settings: type[SettingsT]) -> SettingsT:
    """The settings from the environment; on a mistake, one line per variable on stderr and exit status 2."""
    try:
        return settings()
    except ValidationError as error:
        _explain(settings, error)


def _explain(settings: type[Settings], error: ValidationError) -> NoReturn:
    for problem in error.errors():
        name = str(problem["loc"][0]) if problem["loc"] else "?"
        field = settings.model_fields.get(name)
        meaning = f" ({field.description})" if field and field.description else ""
        print(f"{name.upper()}: {problem['msg']}{meaning}", file=sys.stderr)
    raise SystemExit(2)
