"""Mail by SMTP, over connections that are kept for the next message."""

import asyncio
import re
from email.errors import MessageError
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr
from typing import Final

import msgspec
from aiosmtplib import SMTP, SMTPException

from services.campaign.channels.email import smtp
from services.campaign.channels.email.smtp import AWAY, BadAddress, Negative, Unclear
from services.campaign.domain.addresses import Envelope, as_header, as_sent
from services.campaign.domain.delivery import Accepted, Deferred, Lost, Message, Rejected, Reply, meaning
from services.campaign.domain.replies import ProviderReply, Stage
from services.campaign.settings import CampaignSettings
from shared.service.failpoints import failpoint
from shared.service.tls import client_context

REASON_CHARACTERS: Final = 300
NO_UTF8: Final = "address: the name before the @ is outside ASCII, and the provider's server does not know SMTPUTF8"

# The modern policies parse every header that they are given, and take five times as long for one mail.
_POLICY: Final = compat32.clone(linesep="\r\n")


class _NoUtf8(Exception):
    """The address has no form in ASCII, and the server knows no other."""


class EmailChannel:
    """Mail by SMTP."""

    def __init__(self, settings: CampaignSettings) -> None:
        self._settings = settings
        name, address = parseaddr(settings.mail_from)
        self._address = as_sent(address)
        self._domain = self._address.rpartition("@")[2]
        self._from = formataddr((name, self._address))
        self._idle: list[SMTP] = []
        encrypted = settings.smtp_implicit_tls or settings.smtp_start_tls
        self._tls = client_context(authority=settings.smtp_ca_file) if encrypted else None

    async def send(self, message: Message) -> Reply:
        """Hands one message over. A failure before its content was sent can be tried again; a silence after it never.

        Replies name the recipient nowhere: they are shown to operators.
        """
        try:
            recipient = as_sent(message.to)
            content = self._compose(message, recipient)
        except (ValueError, IndexError, MessageError) as error:
            return Rejected(_reason("address", error))
        envelope = Envelope(self._address, recipient, utf8=not recipient.isascii())
        try:
            async with asyncio.timeout(self._settings.smtp_envelope_seconds):
                client = await self._addressed(envelope)
            failpoint("channel.after_envelope")
        except Negative as error:
            return meaning(_without(error.reply, message.to, recipient))
        except _NoUtf8:
            return Rejected(NO_UTF8)
        except AWAY as error:
            return Deferred(_reason("provider", error), counted=False)
        except BadAddress as error:
            return Rejected(_reason("address", error))
        begun = False
        try:
            async with smtp.patience(self._settings.smtp_data_seconds):
                await smtp.begin_content(client)
                begun = True
                await smtp.send_content(client, content)
            failpoint("channel.after_data")
        except Negative as error:
            return meaning(_without(error.reply, message.to, recipient))
        except (Unclear, *AWAY) as error:
            return Lost(_reason("no answer", error)) if begun else Deferred(_reason("provider", error))
        self._idle.append(client)
        return Accepted()

    async def close(self) -> None:
        """Ends idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _compose(self, message: Message, recipient: str) -> bytes:
        """Returns the mail as it travels. Raises `ValueError` or `MessageError` if the address is invalid."""
        mail = MIMEMultipart("alternative", policy=_POLICY)
        mail["From"] = self._from
        mail["To"] = as_header(recipient)
        mail["Subject"] = Header(message.part("subject"), "utf-8", header_name="Subject").encode()
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = f"<{message.id}@{self._domain}>"
        for name, value in self._unsubscribing(message).items():
            mail[name] = value
        for name, value in message.headers.items():
            mail[name] = value
        mail.attach(MIMEText(message.part("text"), "plain", "utf-8", policy=_POLICY))
        mail.attach(MIMEText(message.part("html"), "html", "utf-8", policy=_POLICY))
        return mail.as_bytes(policy=_POLICY)

    def _unsubscribing(self, message: Message) -> dict[str, str]:
        """What lets a mail program show a button for it (RFC 2369, RFC 8058); else nothing."""
        if message.transactional:
            return {}
        by_mail = f"<mailto:{self._address}?subject=unsubscribe>"
        if not message.unsubscribe_url:
            return {"List-Unsubscribe": by_mail}
        return {
            "List-Unsubscribe": f"<{message.unsubscribe_url}>, {by_mail}",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

    async def _addressed(self, envelope: Envelope) -> SMTP:
        """A connection on which the recipient was accepted: an idle one if it still lives, else a fresh one."""
        while self._idle:
            client = self._idle.pop()
            try:
                await self._address_to(client, envelope)
            except Negative as error:
                if error.reply.stage is Stage.RCPT:
                    raise
                continue  # the provider ended the session while it lay idle; nothing was sent on it
            except (SMTPException, OSError):
                continue  # or the connection
            return client
        client = await smtp.connected(
            self._settings,
            local_hostname=self._domain,
            tls=self._tls,
            timeout_seconds=self._settings.smtp_envelope_seconds,
        )
        await self._address_to(client, envelope)
        return client

    async def _address_to(self, client: SMTP, envelope: Envelope) -> None:
        if envelope.utf8 and not client.supports_extension("smtputf8"):
            self._idle.append(client)
            raise _NoUtf8
        await smtp.address(client, envelope)


def _without(reply: ProviderReply, *addresses: str) -> ProviderReply:
    """The reply without the recipient's address, which servers like to repeat."""
    text = reply.text
    for address in addresses:
        text = re.sub(re.escape(address), "the recipient", text, flags=re.IGNORECASE)
    return msgspec.structs.replace(reply, text=text)


def _reason(what: str, error: BaseException) -> str:
    return f"{what}: {error}"[:REASON_CHARACTERS] if str(error) else f"{what}: {type(error).__name__}"
