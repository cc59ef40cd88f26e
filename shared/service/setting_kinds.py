"""What the value of a setting may be: checked once, at the start, in words that never repeat the value.

A value may be a secret that was pasted into the wrong variable; so a message says what is expected.
"""

import ipaddress
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias, get_args

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from shared.contracts.localities import zone_named
from shared.database.url import problem_of


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of a value, as the table in docs/operations.md calls it."""

    text: str


Level: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_-]{1,63})*\.?")
SECRET_CHARACTERS: Final = 32  # who reads a topic must not find the key of its hashes by trying
SECRET_DISTINCT_CHARACTERS: Final = 8  # fewer were typed, and not drawn
_PORTS: Final = range(1, 65_536)
_URL: Final = re.compile(r"(https?)://(?P<place>[^/?#@\s]+)(/[^\s#]*)?", re.IGNORECASE)


def is_host(text: str) -> bool:
    """Returns whether this is the name of a host or an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _NAME.fullmatch(text) is not None
    return True


def _is_place(text: str, *, port: bool) -> bool:
    """Whether this is `host:port`, or a host alone unless `port` is demanded. IPv6 addresses stand in brackets."""
    match = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?", text)
    if match is None or not is_host(match["six"] or match["host"]):
        return False
    return int(match["port"]) in _PORTS if match["port"] else not port


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of printable characters")
    return value


def _host(value: str) -> str:
    if not is_host(value):
        raise ValueError("must be the name of a host or an IP address")
    return value


def _public_host(value: str) -> str:
    if value and not _is_place(value, port=False):
        raise ValueError("must be host or host:port, without http:// and path")
    return value


def _brokers(value: str) -> str:
    if not all(_is_place(one.strip(), port=True) for one in value.split(",")):
        raise ValueError("must be host:port, several separated by commas")
    return value


def _http_url(value: str) -> str:
    match = _URL.fullmatch(value)
    if value and (match is None or not _is_place(match["place"], port=False)):
        raise ValueError("must be an http:// or https:// URL, without user and password")
    return value


def _root_url(value: str) -> str:
    if "?" in _http_url(value):
        raise ValueError("must be an http:// or https:// URL, without user, password and query")
    return value


def strong(value: SecretStr) -> SecretStr:
    """Returns a secret that nobody finds by trying. Raises ValueError for another."""
    text = value.get_secret_value()
    if len(text) < SECRET_CHARACTERS or len(set(text)) < SECRET_DISTINCT_CHARACTERS:
        raise ValueError(f"must have at least {SECRET_CHARACTERS} characters, chosen at random")
    return value


def _file(value: str) -> str:
    if value and not Path(value).is_file():
        raise ValueError("must be the path of a file that this process can read; there is none")
    return value


def _database(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if text and (problem := problem_of(text)):
        raise ValueError(problem)
    return value


def _public_key(value: str) -> str:
    if value:
        if "PRIVATE KEY" in value:
            raise ValueError("must be the public key; this is the private key, which only the issuer may have")
        try:
            load_pem_public_key(pem(value).encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("must be a public key in PEM (-----BEGIN PUBLIC KEY-----…)") from None
    return value


def pem(value: str) -> str:
    r"""Returns a PEM text whose line ends may have been written as `\n`, as a line of an environment file needs."""
    return value.replace("\\n", "\n")


def fits(public_key: str, algorithm: str) -> bool:
    """Returns whether tokens of this algorithm can be verified with this PEM key."""
    try:
        jwt.get_algorithm_by_name(algorithm).prepare_key(pem(public_key))
    except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _tls_word(value: object) -> object:
    """The words that were true and false while this setting was one of two."""
    if isinstance(value, bool):
        return str(value).lower()
    lowered = value.lower() if isinstance(value, str) else value
    return {"1": "true", "yes": "true", "on": "true", "0": "false", "no": "false", "off": "false"}.get(
        str(lowered), lowered
    )


def levels_of(text: str) -> dict[str, str]:
    """Returns the level of each module that a setting names. Raises ValueError, with what is expected."""
    found: dict[str, str] = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        name, _, level = (part.strip() for part in one.partition("="))
        if level.upper() not in get_args(Level):
            raise ValueError(f"must be module=level, with a level of {', '.join(get_args(Level))}")
        if not _is_module(name):
            raise ValueError("must name modules that exist, such as shared.kafka or services.ingest.api")
        if level.upper() == "DEBUG" and name.partition(".")[0] not in ("services", "shared"):
            raise ValueError("must not have DEBUG for a library: its DEBUG lines may be about customers")
        found[name] = level.upper()
    return found


def _is_module(name: str) -> bool:
    """Whether there is such a module; of libraries, whose loggers have names of their own, its package."""
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", name):
        return False
    top = name.partition(".")[0]
    try:
        return find_spec(name if top in ("services", "shared") else top) is not None
    except ImportError:
        return False


def _levels(value: str) -> str:
    levels_of(value)
    return value


def _zone(value: str) -> str:
    zone = zone_named(value)
    if zone is None:
        raise ValueError("must be the name of a time zone of the IANA database, such as Europe/Berlin")
    return zone


Milliseconds = Annotated[int, Field(ge=0), Kind("milliseconds, whole")]
Seconds = Annotated[float, Field(allow_inf_nan=False), Kind("seconds")]
Port = Annotated[int, Field(ge=1, le=65_535)]
Line = Annotated[str, AfterValidator(_one_line), Kind("text")]
Host = Annotated[str, AfterValidator(_host), Kind("host")]
PublicHost = Annotated[str, AfterValidator(_public_host), Kind("host or host:port")]
BrokerList = Annotated[str, AfterValidator(_brokers), Kind("host:port, …")]
RootUrl = Annotated[str, AfterValidator(_root_url), Kind("URL")]
HttpUrl = Annotated[str, AfterValidator(_http_url), Kind("URL")]
FilePath = Annotated[str, AfterValidator(_file), Kind("file")]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database), Kind("URL, secret")]
PublicKey = Annotated[str, AfterValidator(_public_key), Kind("PEM")]
LogLevels = Annotated[str, AfterValidator(_levels), Kind("module=level, …")]
ZoneName = Annotated[str, AfterValidator(_zone), Kind("time zone")]
LogLevel = Annotated[Level, BeforeValidator(_upper)]
SmtpTls = Annotated[Literal["false", "true", "starttls", "implicit"], BeforeValidator(_tls_word)]
# Of asymmetric keys alone: with HS256 whoever verifies could sign.
Algorithm = Literal["EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
