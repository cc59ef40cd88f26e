"""Channels: where campaign talks to the outside world, and nowhere else.

This room is campaign's own, beside the rooms that all services share. A channel does I/O and decides nothing: it
hands one message over and says in one of four words what came of it (`domain/delivery.py`). Its one duty is never to
say `Deferred` or `Rejected` of a message that the provider may have.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr
from typing import Final, Protocol

from aiosmtplib import SMTP, SMTPException, SMTPRecipientRefused, SMTPResponseException

from services.campaign.domain.delivery import Accepted, Deferred, Lost, Mail, Rejected, Reply
from services.campaign.settings import CampaignSettings
from shared.service.failpoints import failpoint
from shared.service.tls import client_context

NOT_LET_IN: Final = (530, 534, 535, 538)  # RFC 4954: of our login, not of the message, which waits until that is mended
REASON_CHARACTERS: Final = 300
READ_SECONDS: Final = 0.5  # for an answer that lies there unread; within the lease's slack

# The modern policies parse every header that they are given, and take five times as long for one mail.
_POLICY: Final = compat32.clone(linesep="\r\n")

_AWAY: Final = (SMTPException, OSError, TimeoutError)


class Channel(Protocol):
    """A way to a customer."""

    async def send(self, mail: Mail) -> Reply:
        """Hands one message over. Answers well within the lease, whatever the provider does, and does not raise."""
        ...

    async def close(self) -> None:
        """Ends idle connections."""
        ...


class _NotReady(Exception):
    """The provider can't be reached, or does not let us in: no fault of the message."""


class EmailChannel:
    """Mail by SMTP, over connections that are kept for the next message."""

    def __init__(self, settings: CampaignSettings) -> None:
        self._settings = settings
        name, self._address = parseaddr(settings.mail_from)
        self._domain = self._address.rpartition("@")[2]
        self._from = formataddr((name, self._address))
        self._idle: list[SMTP] = []
        self._tls = None if settings.smtp_tls == "false" else client_context(authority=settings.smtp_ca_file)

    async def send(self, mail: Mail) -> Reply:
        """Hands one message over. A failure before DATA can be tried again; a silence after it is never."""
        try:
            content = self._compose(mail)
        except (ValueError, IndexError, MessageError) as error:
            return Rejected(_reason("address", error))
        try:
            async with asyncio.timeout(self._settings.smtp_envelope_seconds):
                client = await self._addressed(mail)
            failpoint("channel.after_envelope")
        except SMTPResponseException as error:
            return _refusal(error) or Deferred(_reason("provider", error))
        except (_NotReady, *_AWAY) as error:
            return Deferred(_reason("provider", error))
        try:
            with _closed_on_error(client):
                async with _patience(self._settings.smtp_data_seconds):
                    await client.data(content, timeout=None)
            failpoint("channel.after_data")
        except SMTPResponseException as error:
            return _refusal(error) or Lost(_reason("no answer", error))
        except _AWAY as error:
            return Lost(_reason("no answer", error))
        self._idle.append(client)
        return Accepted()

    async def close(self) -> None:
        """Ends idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _compose(self, mail: Mail) -> bytes:
        """Returns the mail as it travels. Raises `ValueError` or `MessageError` if the address is invalid."""
        message = MIMEMultipart("alternative", policy=_POLICY)
        message["From"] = self._from
        message["To"] = _recipient(mail.to)
        message["Subject"] = Header(mail.subject, "utf-8", header_name="Subject").encode()
        message["Date"] = format_datetime(mail.at)
        message["Message-ID"] = f"<{mail.message_id}@{self._domain}>"
        for name, value in self._unsubscribing(mail).items():
            message[name] = value
        for name, value in mail.headers.items():
            message[name] = value
        message.attach(MIMEText(mail.text, "plain", "utf-8", policy=_POLICY))
        message.attach(MIMEText(mail.html, "html", "utf-8", policy=_POLICY))
        return message.as_bytes(policy=_POLICY)

    def _unsubscribing(self, mail: Mail) -> dict[str, str]:
        """What lets a mail program show a button for it (RFC 2369, RFC 8058); else nothing."""
        if mail.transactional:
            return {}
        by_mail = f"<mailto:{self._address}?subject=unsubscribe>"
        if not mail.unsubscribe_url:
            return {"List-Unsubscribe": by_mail}
        return {
            "List-Unsubscribe": f"<{mail.unsubscribe_url}>, {by_mail}",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

    async def _addressed(self, mail: Mail) -> SMTP:
        """A connection on which the recipient was accepted: an idle one if it still lives, else a fresh one."""
        while self._idle:
            client = self._idle.pop()
            try:
                await self._address_to(client, mail)
            except SMTPRecipientRefused:
                raise
            except (SMTPException, OSError):
                continue  # the provider ended it while it lay idle; nothing was sent on it
            return client
        client = await self._connected()
        await self._address_to(client, mail)
        return client

    async def _address_to(self, client: SMTP, mail: Mail) -> None:
        ascii_only = mail.to.isascii()
        with _closed_on_error(client):
            await client.mail(
                self._address, options=() if ascii_only else ("SMTPUTF8",), encoding="ascii" if ascii_only else "utf-8"
            )
            await client.rcpt(mail.to, encoding="ascii" if ascii_only else "utf-8")

    async def _connected(self) -> SMTP:
        settings = self._settings
        client = SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username or None,
            password=settings.smtp_password.get_secret_value() or None,
            local_hostname=self._domain,
            timeout=settings.smtp_envelope_seconds,
            use_tls=settings.smtp_implicit_tls,
            start_tls=settings.smtp_start_tls,
            tls_context=self._tls,
        )
        with _closed_on_error(client):
            try:
                await client.connect()
                await client.ehlo()
            except (SMTPException, OSError) as error:
                raise _NotReady(f"{type(error).__name__}: {error}") from error
        return client


def _recipient(address: str) -> str:
    """The address as a header; one outside ASCII travels in UTF-8, to servers that know SMTPUTF8 (RFC 6531)."""
    if address.isascii():
        return str(Address(addr_spec=address))
    username, _, domain = address.rpartition("@")
    return str(Address(username=username, domain=domain)).encode().decode("ascii", "surrogateescape")


@asynccontextmanager
async def _patience(seconds: float) -> AsyncIterator[None]:
    """Raises `TimeoutError` when the time is over, but first reads what has come by then.

    A process that stood still wakes with the answer and the end of its time together; uvloop runs its timers first.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:
        over = loop.call_later(seconds, lambda: limit.reschedule(loop.time() + READ_SECONDS))
        try:
            yield
        finally:
            over.cancel()


@contextmanager
def _closed_on_error(client: SMTP) -> Iterator[None]:
    """Throws a connection away unless all goes well, cancellation included: its next answer may be an old one."""
    try:
        yield
    except BaseException:
        client.close()
        raise


def _refusal(error: SMTPResponseException) -> Reply | None:
    """What a negative reply says of the message, if it is one. RFC 5321, section 4.2.1."""
    if error.code in NOT_LET_IN:
        return Deferred(_reason("provider", error))
    if error.code in range(400, 500):
        return Deferred(_reason("deferred", error))
    if error.code in range(500, 600):
        return Rejected(_reason("rejected", error))
    return None


def _reason(what: str, error: BaseException) -> str:
    reason = f"{error.code} {error.message}" if isinstance(error, SMTPResponseException) else str(error)
    return f"{what}: {reason or type(error).__name__}"[:REASON_CHARACTERS]
