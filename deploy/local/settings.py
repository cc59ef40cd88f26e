"""Where the local stack keeps its things and which ports it uses."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, Self, get_args

from deploy.local.process import StackError, free_port

CHECKOUT = Path(__file__).resolve().parents[2]
SERVICES = ("ingest", "profile", "segment", "campaign", "feedback")

BrokerKind = Literal["embedded", "apache"]


@dataclass(frozen=True, slots=True)
class Ports:
    """One port for each part; `RAPPORT_<PART>_PORT` overrides it."""

    ingest: int = 8001
    profile: int = 8002
    segment: int = 8003
    campaign: int = 8004
    feedback: int = 8005
    postgres: int = 8010
    kafka: int = 8011
    smtp: int = 8012
    mail: int = 8013

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        named = {name: environ[variable] for name, variable in cls.variables() if environ.get(variable)}
        for name, value in named.items():
            if not value.isdigit() or not 0 < int(value) < 65_536:
                raise StackError(f"RAPPORT_{name.upper()}_PORT is not a port: {value}")
        ports = replace(cls(), **{name: int(value) for name, value in named.items()})
        ports.require_distinct()
        return ports

    @classmethod
    def free(cls) -> Self:
        """Ports that nothing uses, for tests."""
        return cls(**{name: free_port() for name, _ in cls.variables()})

    @classmethod
    def variables(cls) -> Iterator[tuple[str, str]]:
        """Each part's name and the environment variable that sets its port."""
        for part in fields(cls):
            yield part.name, f"RAPPORT_{part.name.upper()}_PORT"

    def of(self, name: str) -> int:
        port: int = getattr(self, name)
        return port

    def require_distinct(self) -> None:
        seen: dict[int, str] = {}
        for name, _ in self.variables():
            if other := seen.get(self.of(name)):
                raise StackError(f"port {self.of(name)} is set for both {other} and {name}")
            seen[self.of(name)] = name


@dataclass(frozen=True, slots=True)
class Settings:
    home: Path = CHECKOUT / ".rapport"
    ports: Ports = field(default_factory=Ports)
    broker: BrokerKind = "embedded"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """`RAPPORT_HOME`, `RAPPORT_BROKER` and the ports; StackError for a value that makes no sense."""
        home = Path(environ.get("RAPPORT_HOME") or CHECKOUT / ".rapport").expanduser().resolve()
        return cls(home, Ports.from_env(environ), broker_kind(environ.get("RAPPORT_BROKER") or "embedded"))


def broker_kind(name: str) -> BrokerKind:
    for kind in get_args(BrokerKind):
        if name == kind:
            known: BrokerKind = kind
            return known
    raise StackError(f"unknown broker {name!r}: choose one of {', '.join(get_args(BrokerKind))}")
