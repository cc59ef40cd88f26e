"""Configuration: typed, documented, read from the environment once, and refused at start if wrong."""

import sys
from ipaddress import ip_network
from typing import Annotated, NoReturn, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Milliseconds = Annotated[int, Field(ge=0)]
Port = Annotated[int, Field(ge=1, le=65_535)]


def _are_networks(text: str) -> str:
    """The same text, if it lists addresses and networks; raises ValueError."""
    for one in filter(None, map(str.strip, text.split(","))):
        ip_network(one)
    return text


class Settings(BaseSettings):
    """What every service needs. Each field is one environment variable of the same name, in capitals."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    database_url: str = Field(description="postgresql+asyncpg://… of this service's own database")
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
    kafka_batch_records: int = Field(1000, ge=1, description="records read in one go")
    http_host: str = Field("127.0.0.1", description="address that the API listens on")
    http_port: Port = Field(description="port that the API listens on")
    http_trusted_proxies: Annotated[str, AfterValidator(_are_networks)] = Field(
        "",
        description="addresses and networks, by comma, of proxies whose X-Forwarded-For says who the client is",
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
    partition_secret: str = Field(
        min_length=1,
        description="key of the hash that places customers on partitions; equal in all services, and never changed",
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
