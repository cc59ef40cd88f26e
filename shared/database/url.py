"""The URL of a database: SQLAlchemy's form, with libpq's words for TLS, which asyncpg understands.

`sslmode` (`disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`), `sslrootcert`, `sslcert` and `sslkey`
mean what they mean in libpq. SQLAlchemy would hand them to asyncpg as arguments, which has them in its DSN only.
"""

from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from shared.service.tls import certificate_problem, client_context

SHAPE: Final = "postgresql+asyncpg://USER:PASSWORD@HOST:PORT/DATABASE"
DRIVER: Final = "postgresql+asyncpg"
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
TLS_PARAMETERS: Final = ("sslmode", "sslrootcert", "sslcert", "sslkey")
OTHER_PARAMETERS: Final = ("host", "port", "prepared_statement_cache_size")  # SQLAlchemy's own


def connect_arguments(database_url: str) -> tuple[URL, dict[str, Any]]:
    """Returns the URL as SQLAlchemy takes it, and what asyncpg has to be told besides."""
    url = make_url(database_url)
    tls = {name: str(url.query[name]) for name in TLS_PARAMETERS if name in url.query}
    if not tls:
        return url, {}
    return url.difference_update_query(tls), {"dsn": f"postgresql://?{urlencode(tls)}"}


def problem_of(database_url: str) -> str | None:
    """Returns what is wrong with a URL, without saying any part of it; None if it can be used."""
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        return f"must be {SHAPE}"
    if url.drivername != DRIVER or not (url.host or url.query.get("host")):
        return f"must be {SHAPE}"
    known = (*TLS_PARAMETERS, *OTHER_PARAMETERS)
    if any(name not in known or not isinstance(value, str) for name, value in url.query.items()):
        return f"may have these parameters, each once: {', '.join(known)}"
    return _tls_problem({name: str(value) for name, value in url.query.items()})


def _tls_problem(parameters: dict[str, str]) -> str | None:
    mode = parameters.get("sslmode", "")
    if mode and mode not in SSL_MODES:
        return f"its sslmode must be one of {', '.join(SSL_MODES)}"
    authority, certificate, key = (parameters.get(name, "") for name in ("sslrootcert", "sslcert", "sslkey"))
    if (authority or certificate) and mode in ("", "disable"):
        return "has a certificate, and no sslmode that uses it"
    if mode in ("verify-ca", "verify-full") and not authority:
        return f"its sslmode={mode} needs sslrootcert, the file of the authority's certificate"
    if bool(certificate) != bool(key):
        return "must have both sslcert and sslkey, or none"
    if not authority:
        return None
    try:
        client_context(authority=authority, certificate=certificate, key=key)
    except (OSError, ValueError) as error:
        return f"its certificates can't be used: {certificate_problem(error)}"
    return None
