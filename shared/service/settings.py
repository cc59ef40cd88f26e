"""Configuration: typed, documented, read from the environment once, and refused at start if wrong."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.versions import CURRENT
from shared.http.server.limits import ConnectionLimits, networks
from shared.kafka.connection import ENCRYPTED, WITH_LOGIN, KafkaConnection, Mechanism, Protocol
from shared.service.setting_kinds import (
    SECRET_CHARACTERS,
    Algorithm,
    BrokerList,
    DatabaseUrl,
    FilePath,
    Host,
    HttpUrl,
    Line,
    LogLevel,
    LogLevels,
    Milliseconds,
    Port,
    PublicKey,
    Seconds,
    fits,
    strong,
)
from shared.service.tls import certificate_problem, client_context


class Settings(BaseSettings):
    """What every service needs. Each field is one environment variable of the same name, in capitals.

    A variable that is set to nothing counts as not set. `python -m deploy.settings_table` writes these descriptions
    into docs/operations.md.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    database_url: DatabaseUrl = Field(
        description="`postgresql+asyncpg://…` of this service's own database; for TLS with `?sslmode=verify-full"
        "&sslrootcert=FILE` (and `sslcert`, `sslkey`), as libpq has them"
    )
    migration_database_url: DatabaseUrl = Field(
        SecretStr(""),
        description="the same database as the role that owns its tables, for `migrate` and `rebuild` alone; then the "
        "role of `DATABASE_URL` is granted to read and write them, and nothing more. Empty: `DATABASE_URL`",
    )
    database_pool_size: int = Field(12, ge=2, description="connections to PostgreSQL at most")
    kafka_bootstrap: BrokerList = Field(description="brokers to begin with")
    kafka_security_protocol: Protocol = Field(
        "PLAINTEXT", description="whether to speak TLS (`SSL`), to log in (`SASL_…`), or both"
    )
    kafka_sasl_mechanism: Mechanism = Field("PLAIN", description="how to log in; with `SASL_…` only")
    kafka_sasl_username: Line = Field(
        "", validate_default=True, description="the user to log in as; needed with `SASL_…`, and only then"
    )
    kafka_sasl_password: SecretStr = Field(
        SecretStr(""), validate_default=True, description="its password; needed with `SASL_…`, and only then"
    )
    kafka_tls_ca_file: FilePath = Field(
        "", description="PEM certificates of the authority that signs the brokers'; by default those of the system"
    )
    kafka_tls_certificate_file: FilePath = Field(
        "", description="PEM certificate that this service shows the brokers, where they ask for one"
    )
    kafka_tls_key_password: SecretStr = Field(SecretStr(""), description="opens `KAFKA_TLS_KEY_FILE`, if it is locked")
    kafka_tls_key_file: FilePath = Field("", validate_default=True, description="PEM key of that certificate")
    kafka_replication: int = Field(1, ge=1, description="replication factor of topics that this service creates")
    kafka_topic_generation: int = Field(
        1, ge=1, description="raise by one after deleting and creating the topics again on the same cluster"
    )
    kafka_session_timeout_milliseconds: Milliseconds = Field(
        6_000, description="silence after which a consumer's partitions are given away; Kafka wants 6000 or more"
    )
    kafka_fetch_wait_milliseconds: Milliseconds = Field(
        500, description="how long the broker may keep a fetch that finds nothing; the embedded one always does"
    )
    kafka_busy_fetch_wait_milliseconds: Milliseconds = Field(
        0, description="the same while records come and until none have come for 30 s; 0: the same always"
    )
    wire_version: int = Field(
        CURRENT,
        ge=1,
        le=CURRENT,
        description="version of event types that is written; 1 while services of a release that knows no other read",
    )
    kafka_batch_records: int = Field(1000, ge=1, description="records read in one go")
    kafka_volatile: bool = Field(
        False,
        description="true if the broker forgets everything when it ends, as the embedded one does. What is published "
        "then stays in PostgreSQL until all readers have it, and is published again to the next broker. For a "
        "single broker only; a durable cluster does not need it",
    )
    kafka_kept_megabytes: int = Field(
        512, ge=1, description="with KAFKA_VOLATILE, what PostgreSQL may keep of it before the log says so"
    )
    http_host: Host = Field("127.0.0.1", description="address that the API, or another role's health, listens on")
    http_port: Port = Field(description="port that the API, or another role's health, listens on")
    http_request_line_bytes: int = Field(16_384, ge=256, description="longest target of a request; longer: 414")
    http_header_bytes: int = Field(65_536, ge=1_024, description="largest head of a request; larger: 431")
    http_headers: int = Field(100, ge=10, description="headers of a request at most; more: 431")
    http_body_bytes: int = Field(
        4_194_304,
        ge=1_024,
        description="largest body of a request as it comes over the wire, packed or not; larger: 413. Uploads of files "
        "have `IMPORT_MEGABYTES`, those of lists 16 MiB; routes may take less",
    )
    http_header_seconds: Seconds = Field(
        10, gt=0, description="time for a request's headers, and for a new connection to send anything; longer: 408"
    )
    http_stall_seconds: Seconds = Field(
        10, gt=0, description="in each such time a body must arrive, and a response be read, at the least rate…"
    )
    http_bytes_per_second: int = Field(1_000, ge=1, description="…of so many bytes a second; slower: 408, or the end")
    http_idle_seconds: Seconds = Field(20, gt=0, description="how long a connection may wait for its next request…")
    http_proxy_idle_seconds: Seconds = Field(75, gt=0, description="…and one of a trusted proxy")
    http_connections: int = Field(
        4_096,
        ge=1,
        description="connections at most, fewer where the process may not open as many files. For one more the longest "
        "idle one is closed; if none is idle, the answer is 503. Health and metrics have 16 more",
    )
    http_connections_per_address: int = Field(
        256, ge=1, description="connections of one address at most, or of one /64 network of IPv6; likewise"
    )
    http_trusted_proxies: Line = Field(
        "",
        description="addresses and networks, by comma, of proxies: they have no limit of their own, and are believed "
        "about who their client is (`X-Forwarded-For`)",
    )
    auth_public_key: PublicKey = Field(
        "", description="key that verifies bearer tokens; line ends may be written `\\n`. An API needs it or a JWKS URL"
    )
    auth_jwks_url: HttpUrl = Field("", description="JWKS URL that verifies bearer tokens, instead of a key")
    auth_jwks_seconds: int = Field(
        300,
        ge=30,
        description="how long a key that the issuer withdrew is honoured, at most; a new one is found within 10 s. "
        "While the set can't be read for longer than half of that, the API answers 503",
    )
    auth_token_days: int = Field(
        400, ge=1, description="how long a bearer token may still be valid; one that ends later is refused"
    )
    auth_algorithm: Algorithm = Field(
        "EdDSA", validate_default=True, description="the one algorithm that tokens may use; it must fit the key"
    )
    auth_issuer: Line = Field("rapport", description="the one issuer that tokens may have")
    partition_secret: SecretStr = Field(
        description="key of the hash that places customers on partitions; equal in all services, and your own: "
        f"{SECRET_CHARACTERS} characters at least, such as of `openssl rand -hex 32`",
    )
    log_level: LogLevel = Field("INFO", description="the least level that our own code logs; libraries INFO and above")
    log_levels: LogLevels = Field(
        "", description="others for modules and what is below them: `shared.kafka=DEBUG,services.ingest.api=WARNING`"
    )
    failpoint: str = Field(
        "",
        pattern=r"^([a-z_.]+(@[1-9][0-9]*)?)?$",
        description="where the process is to die, NAME or NAME@3; for drills only",
    )
    clock_offset_seconds: Seconds = Field(0, description="moves the clock; for drills only")
    drain_announce_seconds: Seconds = Field(
        1,
        ge=0,
        description="how long a stopping API goes on answering, so that clients find another process; longer than your "
        "load balancer takes to see that a process is not ready",
    )
    drain_seconds: Seconds = Field(15, gt=0, description="time that a graceful stop may take after that")

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _kafka_login_is_whole(cls, value: Any, info: ValidationInfo) -> Any:
        given = bool(value.get_secret_value() if isinstance(value, SecretStr) else value)
        protocol = info.data.get("kafka_security_protocol")
        if protocol in WITH_LOGIN and not given:
            raise ValueError(f"is needed with KAFKA_SECURITY_PROTOCOL={protocol}")
        if protocol is not None and protocol not in WITH_LOGIN and given:
            raise ValueError(f"is set, but there is no login with KAFKA_SECURITY_PROTOCOL={protocol}")
        return value

    @field_validator("kafka_tls_ca_file", "kafka_tls_certificate_file")
    @classmethod
    def _tls_is_on(cls, value: str, info: ValidationInfo) -> str:
        protocol = info.data.get("kafka_security_protocol")
        if value and protocol is not None and protocol not in ENCRYPTED:
            raise ValueError(f"is set, but there is no TLS with KAFKA_SECURITY_PROTOCOL={protocol}")
        if value and info.field_name == "kafka_tls_ca_file":
            _usable(authority=value)
        return value

    @field_validator("kafka_tls_key_file")
    @classmethod
    def _certificate_has_its_key(cls, value: str, info: ValidationInfo) -> str:
        certificate = info.data.get("kafka_tls_certificate_file")
        if certificate is not None and bool(value) != bool(certificate):
            raise ValueError("must be set together with KAFKA_TLS_CERTIFICATE_FILE")
        if value and certificate:
            password = info.data.get("kafka_tls_key_password", SecretStr(""))
            _usable(certificate=certificate, key=value, key_password=password.get_secret_value())
        return value

    @field_validator("auth_algorithm")
    @classmethod
    def _fits_the_key(cls, value: str, info: ValidationInfo) -> str:
        key = info.data.get("auth_public_key", "")
        if key and not fits(key, value):
            raise ValueError("does not fit AUTH_PUBLIC_KEY, which is of another kind")
        return value

    @field_validator("partition_secret")
    @classmethod
    def _is_strong(cls, value: SecretStr) -> SecretStr:
        return strong(value)

    @field_validator("http_trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        try:
            networks(value)
        except ValueError:
            raise ValueError("must be IP addresses and networks, such as 10.0.0.0/24, separated by commas") from None
        return value

    def busy_fetch_wait_milliseconds(self) -> int:
        """Returns how long the broker may keep a fetch while records come."""
        return self.kafka_busy_fetch_wait_milliseconds or self.kafka_fetch_wait_milliseconds

    def kafka(self) -> KafkaConnection:
        """Returns how each client of Kafka reaches it."""
        return KafkaConnection(
            bootstrap=self.kafka_bootstrap,
            protocol=self.kafka_security_protocol,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_sasl_username,
            password=self.kafka_sasl_password.get_secret_value(),
            authority=self.kafka_tls_ca_file,
            certificate=self.kafka_tls_certificate_file,
            key=self.kafka_tls_key_file,
            key_password=self.kafka_tls_key_password.get_secret_value(),
        )

    def owner_database_url(self) -> str:
        """Returns the URL as the role that may change tables."""
        return self.migration_database_url.get_secret_value() or self.database_url.get_secret_value()

    def connection_limits(self, larger_bodies: Mapping[str, int]) -> ConnectionLimits:
        """Returns what one HTTP connection may send and hold."""
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


def _usable(**files: str) -> None:
    """Raises ValueError if certificates can't be used."""
    try:
        client_context(**files)
    except (OSError, ValueError) as error:
        raise ValueError(certificate_problem(error)) from None


SettingsT = TypeVar("SettingsT", bound=Settings)


def load(settings: type[SettingsT]) -> SettingsT:
    """Returns the settings from the environment; on a mistake, one line per variable on stderr and exit status 2."""
    try:
        return settings()
    except ValidationError as error:
        refuse(settings, [(str(one["loc"][0]), _words(one["type"], one["msg"])) for one in error.errors()])


def require_token_key(settings: Settings) -> None:
    """Requires what only a process that serves an API needs: without it every token would be refused.

    Exits as `load` does.
    """
    if not settings.auth_public_key and not settings.auth_jwks_url:
        refuse(type(settings), [("auth_public_key", "is not set, and neither is AUTH_JWKS_URL")])


def refuse(settings: type[Settings], problems: Sequence[tuple[str, str]]) -> NoReturn:
    """Ends the process, which has these fields set wrong."""
    for name, problem in problems:
        field = settings.model_fields.get(name)
        meaning = f" ({field.description})" if field and field.description else ""
        print(" ".join(f"{name.upper()}: {problem}{meaning}".split()), file=sys.stderr)
    raise SystemExit(2)


def _words(kind: str, message: str) -> str:
    return "is not set" if kind == "missing" else message.removeprefix("Value error, ")
