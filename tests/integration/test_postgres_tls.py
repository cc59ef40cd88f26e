"""PostgreSQL over TLS, as the URL of a database asks for it.

The embedded server is built without TLS, so before it stands a front that speaks it: it answers PostgreSQL's request
for TLS, shows its certificate, demands the client's, and hands on what comes. What is tested is our side.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest

from deploy.local.postgres import Postgres
from deploy.local.process import LOOPBACK
from shared.database import migrate
from shared.database.database import DATABASE_ERRORS, Database
from shared.database.url import problem_of
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.certificates import Authority

TLS_REQUEST: Final = (8).to_bytes(4) + (80_877_103).to_bytes(4)  # PostgreSQL's protocol, SSLRequest
CHUNK_BYTES: Final = 65_536


@dataclass(frozen=True)
class Front:
    """Where the front listens, and files of certificates."""

    port: int
    authority: Path
    stranger: Path
    certificate: Path
    key: Path

    def url(self, plain: str, port: int, **parameters: object) -> str:
        """The URL of a database by way of the front; parameters replace those that are right."""
        good = {"sslmode": "verify-full", "sslrootcert": self.authority, "sslcert": self.certificate}
        asked = {name: value for name, value in {**good, "sslkey": self.key, **parameters}.items() if value}
        return f"{plain.replace(f':{port}/', f':{self.port}/')}?{urlencode(asked)}"


@pytest.fixture(scope="module")
async def front(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    folder = tmp_path_factory.mktemp("postgres-tls")
    authority, stranger = Authority(folder), Authority(folder, "stranger")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.load_cert_chain(*authority.sign("postgres"))
    context.verify_mode = ssl.CERT_REQUIRED

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            if await reader.readexactly(len(TLS_REQUEST)) != TLS_REQUEST:
                return  # as a server with `hostssl` alone
            writer.write(b"S")
            await writer.start_tls(context)
            inner, outer = await asyncio.open_connection(LOOPBACK, postgres.port)
            with contextlib.closing(outer):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_hand_on(reader, outer))
                    tasks.create_task(_hand_on(inner, writer))

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    async with server:
        yield Front(server.sockets[0].getsockname()[1], authority.file, stranger.file, *authority.sign("client"))


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


async def _answers(url: str) -> bool:
    assert problem_of(url) is None
    database = Database(url, application="test", clock=SystemClock(), pool_size=1)
    try:
        await database.ping()
    except DATABASE_ERRORS:
        return False
    finally:
        await database.close()
    return True


async def test_what_the_url_asks_for_is_verified(
    front: Front, postgres: Postgres, database_factory: DatabaseFactory
) -> None:
    plain, port = await database_factory("feedback"), postgres.port
    by_name = plain.replace(LOOPBACK, "localhost")
    assert {
        "all is right": await _answers(front.url(plain, port)),
        "another name, which is not asked for": await _answers(front.url(by_name, port, sslmode="verify-ca")),
    } == {"all is right": True, "another name, which is not asked for": True}
    wrong = {
        "another authority": front.url(plain, port, sslrootcert=front.stranger),
        "another name": front.url(by_name, port),
        "no certificate of ours": front.url(plain, port, sslcert=None, sslkey=None),
        "no TLS": front.url(plain, port, sslmode="disable", sslrootcert=None, sslcert=None, sslkey=None),
    }
    assert [what for what, url in wrong.items() if await _answers(url)] == []


async def test_migrations_go_the_same_way(front: Front, postgres: Postgres, database_factory: DatabaseFactory) -> None:
    await migrate.upgrade("feedback", front.url(await database_factory("feedback"), postgres.port))
