"""One SMTP session, step by step, so that each negative reply is known with the stage at which it came."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from aiosmtplib import SMTP, SMTPException, SMTPResponseException, SMTPServerDisconnected

from services.campaign.domain.addresses import Envelope
from services.campaign.domain.replies import ProviderReply, Stage, read
from services.campaign.settings import CampaignSettings

AWAY: Final = (SMTPException, OSError, TimeoutError)  # the provider can't be reached, or broke off
READ_SECONDS: Final = 0.5  # for a reply that lies there unread; within the lease's slack
_CONTENT_WANTED: Final = 354
_TAKEN: Final = 250


class Negative(Exception):
    """The provider refused a step, for now or for good."""

    def __init__(self, reply: ProviderReply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class BadAddress(Exception):
    """The address can't be put into a command."""


class Unclear(Exception):
    """What the provider replied to the content means neither yes nor no."""


@contextmanager
def _at(stage: Stage) -> Iterator[None]:
    """Raises `Negative` in the place of a negative reply to this step."""
    try:
        yield
    except SMTPResponseException as error:
        raise Negative(read(stage, error.code, error.message)) from error
    except SMTPException as error:
        if isinstance(error.__cause__, ssl.SSLError):
            raise _without_tls(error.__cause__) from error
        raise
    except ssl.SSLError as error:
        raise _without_tls(error) from error


def _without_tls(error: ssl.SSLError) -> Exception:
    """What no TLS means: a connection that was cut, which passes, or a certificate or a version that is not ours."""
    cut = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
    return error if cut else Negative(read(Stage.STARTTLS, 0, f"no TLS: {error}"))


async def connected(
    settings: CampaignSettings, *, local_hostname: str, tls: ssl.SSLContext | None, timeout_seconds: float
) -> SMTP:
    """Returns a connection over which mail can be sent: encrypted and logged in, where the settings say so.

    Raises `Negative` if the provider refuses us, else one of `AWAY`.
    """
    client = SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        local_hostname=local_hostname,
        timeout=timeout_seconds,
        use_tls=settings.smtp_implicit_tls,
        start_tls=False,
        tls_context=tls,
    )
    with closed_on_error(client):
        with _at(Stage.CONNECT):
            await client.connect()
        with _at(Stage.EHLO):
            await client.ehlo()
        if settings.smtp_start_tls:
            await _start_tls(client, tls)
        if settings.smtp_username:
            await _log_in(client, settings)
    return client


async def _start_tls(client: SMTP, tls: ssl.SSLContext | None) -> None:
    if not client.supports_extension("starttls"):
        raise Negative(read(Stage.STARTTLS, 0, "the server does not offer STARTTLS"))
    with _at(Stage.STARTTLS):
        await client.starttls(tls_context=tls)
    with _at(Stage.EHLO):
        await client.ehlo()


async def _log_in(client: SMTP, settings: CampaignSettings) -> None:
    if not client.supports_extension("auth") or not client.supported_auth_methods:
        raise Negative(read(Stage.AUTH, 0, "the server offers no login that this sender knows"))
    with _at(Stage.AUTH):
        await client.login(settings.smtp_username, settings.smtp_password.get_secret_value())


async def address(client: SMTP, envelope: Envelope) -> None:
    """Names sender and recipient. Raises `Negative` if one is refused, `BadAddress` if it can't be named, or one of
    `AWAY`.
    """
    options = ("SMTPUTF8",) if envelope.utf8 else ()
    encoding = "utf-8" if envelope.utf8 else "ascii"
    with closed_on_error(client):
        with _at(Stage.MAIL):
            await client.mail(envelope.sender, options=options, encoding=encoding)
        with _at(Stage.RCPT):
            try:
                await client.rcpt(envelope.recipient, encoding=encoding)
            except ValueError as error:
                raise BadAddress(str(error)) from error


async def begin_content(client: SMTP) -> None:
    """Asks whether the content may come. Raises `Negative` if not, else one of `AWAY`: none of it was sent."""
    with closed_on_error(client):
        reply = await client.execute_command(b"DATA", timeout=None)
        if reply.code != _CONTENT_WANTED:
            raise Negative(read(Stage.DATA, reply.code, reply.message))


async def send_content(client: SMTP, content: bytes) -> None:
    """Sends the content, whose lines end with CRLF. Raises `Negative` if it is refused, for now or for good.

    Else raises `Unclear` or one of `AWAY`: then the provider may have it.
    """
    with closed_on_error(client):
        if client.protocol is None:
            raise SMTPServerDisconnected("the connection ended")
        client.protocol.write(b".".join((content.replace(b"\r\n.", b"\r\n.."), b"\r\n")))
        try:
            reply = await client.protocol.read_response(timeout=None)
        except SMTPResponseException as error:
            raise Unclear(f"{error.code} {error.message}") from error
        if 400 <= reply.code <= 599:
            raise Negative(read(Stage.END_OF_DATA, reply.code, reply.message))
        if reply.code != _TAKEN:
            raise Unclear(f"{reply.code} {reply.message}")


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """Raises `TimeoutError` when the time is over, but first reads what has come by then.

    A process that stood still wakes with the reply and the end of its time together; uvloop runs its timers first.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        over = loop.call_later(seconds, lambda: limit.reschedule(loop.time() + READ_SECONDS))
        try:
            yield
        finally:
            over.cancel()


@contextmanager
def closed_on_error(client: SMTP) -> Iterator[None]:
    """Throws a connection away unless all goes well, cancellation included: its next reply may be an old one."""
    try:
        yield
    except BaseException:
        client.close()
        raise
