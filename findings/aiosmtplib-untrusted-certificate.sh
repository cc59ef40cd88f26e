#!/usr/bin/env bash
# aiosmtplib 5.1.3 and a server (aiosmtpd 1.4.6) whose certificate it has no reason to trust.
#
# Most expect: the refusal is one error, whichever way the connection is secured, and is not the one of a server that is
# away: a wrong certificate wants a person, a server that is away wants another try. And it is an SMTPException, as the
# library's other errors are.
# It is two: over implicit TLS an SMTPConnectError, as when nobody listens (the certificate is told by its __cause__
# only); after STARTTLS the bare ssl.SSLCertVerificationError, which is neither an SMTPException nor a ConnectionError,
# but is a ValueError. So a change of the port from 465 to 587 takes one error past the handler of the other.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check aiosmtplib==5.1.3 aiosmtpd==1.4.6 trustme==1.2.1
"$work/venv/bin/python" -W ignore::DeprecationWarning - <<'PYTHON'
import asyncio
import logging
import socket
import ssl

import aiosmtplib
import trustme
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP

logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)  # the server's own report of the refusal


async def send(port, **options):
    try:
        await aiosmtplib.send(
            "Subject: Your order\r\n\r\nThank you.",
            sender="shop@example.com",
            recipients=["customer@example.com"],
            hostname="localhost",
            port=port,
            timeout=10,
            **options,
        )
    except (OSError, aiosmtplib.SMTPException) as error:
        return error
    return None


async def main():
    loop = asyncio.get_running_loop()
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    implicit = await loop.create_server(lambda: SMTP(Sink(), loop=loop), "127.0.0.1", 0, ssl=context)
    upgraded = await loop.create_server(lambda: SMTP(Sink(), loop=loop, tls_context=context), "127.0.0.1", 0)
    port, submission = (server.sockets[0].getsockname()[1] for server in (implicit, upgraded))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    assert await send(port, use_tls=True, tls_context=trusting) is None
    assert await send(submission, start_tls=True, tls_context=trusting) is None
    errors = {
        "implicit TLS": await send(port, use_tls=True),
        "STARTTLS": await send(submission, start_tls=True),
        "nobody listens": await send(closed, use_tls=True),
    }
    implicit.close()
    upgraded.close()
    for name, error in errors.items():
        kinds = [
            kind.__name__ for kind in (aiosmtplib.SMTPException, ConnectionError, ValueError) if isinstance(error, kind)
        ]
        print(f"{name:15} {type(error).__name__}: {', '.join(kinds)}")
    first, second, away = errors.values()
    assert type(first) is type(away) is aiosmtplib.SMTPConnectError
    assert type(first.__cause__) is type(second) is ssl.SSLCertVerificationError
    assert not isinstance(second, (aiosmtplib.SMTPException, ConnectionError))
    assert isinstance(second, ValueError)


asyncio.run(main())
PYTHON
