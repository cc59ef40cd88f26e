"""How every client of ours reaches Kafka: one place, so that none of them forgets TLS or the login."""

import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from shared.service.tls import client_context

Protocol: TypeAlias = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism: TypeAlias = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

ENCRYPTED: Final = ("SSL", "SASL_SSL")
WITH_LOGIN: Final = ("SASL_PLAINTEXT", "SASL_SSL")


@dataclass(frozen=True)
class KafkaConnection:
    """The brokers, and how to speak to them. With TLS, their certificates and names are always verified.

    `authority`, `certificate` and `key` are PEM files; an empty authority is that of the system.
    """

    bootstrap: str
    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "PLAIN"
    username: str = ""
    password: str = field(default="", repr=False)
    authority: str = ""
    certificate: str = ""
    key: str = ""
    key_password: str = field(default="", repr=False)

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """Returns the context, read from its files once; None without TLS. Raises OSError or ValueError."""
        if self.protocol not in ENCRYPTED:
            return None
        return client_context(
            authority=self.authority, certificate=self.certificate, key=self.key, key_password=self.key_password
        )


Brokers: TypeAlias = KafkaConnection | str
"""A connection; `host:port` alone is one without TLS and login."""


def client_options(brokers: Brokers) -> dict[str, Any]:
    """Returns what each of aiokafka's clients is made with to reach these brokers."""
    connection = KafkaConnection(brokers) if isinstance(brokers, str) else brokers
    options: dict[str, Any] = {
        "bootstrap_servers": connection.bootstrap,
        "security_protocol": connection.protocol,
        "ssl_context": connection.tls,
    }
    if connection.protocol in WITH_LOGIN:
        options |= {
            "sasl_mechanism": connection.mechanism,
            "sasl_plain_username": connection.username,
            "sasl_plain_password": connection.password,
        }
    return options
