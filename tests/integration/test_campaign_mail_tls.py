"""The mail channel with TLS and a login, against servers that demand both."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from deploy.local.process import LOOPBACK
from services.campaign.channels.email import EmailChannel
from services.campaign.domain.delivery import Accepted, Deferred, Message, Reply, Withheld
from services.campaign.settings import CampaignSettings
from tests.support.certificates import Authority
from tests.support.events import SECRET

USERNAME: Final = "shop"
PASSWORD: Final = "canary-4711"
MAIL: Final = Message(
    id=UUID(int=1),
    to="ann@example.com",
    parts={"subject": "Hello", "text": "Hello", "html": "<p>Hello</p>"},
    at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    headers={},
)


@dataclass
class Taken:
    """What a server was given, and over which connection."""

    by: list[str] = field(default_factory=list)

    async def handle_MAIL(self, _: SMTP, session: Session, envelope: Envelope, address: str, __: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        if not session.authenticated:
            return "530 5.7.0 authentication required"
        envelope.mail_from = address
        return "250 go on"

    async def handle_DATA(self, _: SMTP, session: Session, __: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.by.append(str(session.auth_data))
        return "250 kept"


def _login(_: SMTP, __: Session, ___: Envelope, ____: str, credentials: Any) -> AuthResult:
    good = isinstance(credentials, LoginPassword) and (credentials.login, credentials.password) == (
        USERNAME.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=good, handled=good, auth_data=USERNAME if good else None)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("smtp-tls"))


@asynccontextmanager
async def provider(authority: Authority, *, implicit: bool) -> AsyncIterator[tuple[int, Taken]]:
    """A provider that takes mail over TLS from who has logged in, and nothing else; its port, and what it took."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.sign("provider"))
    taken = Taken()

    def connection() -> SMTP:
        starttls: dict[str, Any] = {} if implicit else {"tls_context": context, "require_starttls": True}
        return SMTP(
            taken,
            hostname="provider",
            authenticator=_login,
            auth_require_tls=not implicit,  # of STARTTLS only: it does not see TLS from the first byte
            **starttls,
        )

    server = await asyncio.get_running_loop().create_server(connection, LOOPBACK, 0, ssl=context if implicit else None)
    async with server:
        yield server.sockets[0].getsockname()[1], taken


async def _sent(port: int, **changes: Any) -> Reply:
    given: dict[str, Any] = {
        "database_url": "postgresql+asyncpg://nowhere",
        "kafka_bootstrap": "nowhere:9092",
        "partition_secret": SECRET.decode(),
        "http_port": 8004,
        "mail_from": "hello@shop.example",
        "smtp_host": LOOPBACK,
        "smtp_port": port,
        "smtp_username": USERNAME,
        "smtp_password": PASSWORD,
        **changes,
    }
    channel = EmailChannel(CampaignSettings(**given))
    try:
        return await channel.send(MAIL)
    finally:
        await channel.close()


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_a_mail_goes_over_tls_after_a_login_or_waits(mode: str, authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    own = {"smtp_tls": mode, "smtp_ca_file": str(authority.file)}
    async with provider(authority, implicit=mode == "implicit") as (port, taken):
        assert await _sent(port, **own) == Accepted()
        refused = {
            "another authority": await _sent(port, **own | {"smtp_ca_file": str(stranger.file)}),
            "the system's authorities": await _sent(port, smtp_tls=mode),
            "another name": await _sent(port, **own, smtp_host="localhost"),
            "another password": await _sent(port, **own, smtp_password="canary-4712"),
            "no login": await _sent(port, **own, smtp_username="", smtp_password=""),
            "no TLS": await _sent(port, smtp_envelope_seconds=1),
        }
    # A server that only knows TLS says nothing to somebody without it, and that may pass by itself.
    silent = {"no TLS": Deferred if mode == "implicit" else Withheld}
    assert {what: type(answer) for what, answer in refused.items()} == dict.fromkeys(refused, Withheld) | silent
    assert "canary" not in repr(refused)
    assert taken.by == [USERNAME]
