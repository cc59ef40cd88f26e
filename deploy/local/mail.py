"""The mail sink of the local stack: it accepts mail, keeps it, and shows it on a page; and SMS beside it.

`python -m deploy.local.mail --smtp-port 8012 --http-port 8013 --data DIR`
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from deploy.local.mail_page import create_app
from deploy.local.mail_sink import MailSink
from deploy.local.process import LOOPBACK
from deploy.local.sms_sink import SmsSink


async def serve(smtp_port: int, http_port: int, data: Path, answer_delay_milliseconds: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    sink = MailSink(data, smtp_port, answer_delay_milliseconds=answer_delay_milliseconds)
    sms = SmsSink(data)
    await sink.start()
    sms.open()
    try:
        app = create_app(sink, sms)
        config = uvicorn.Config(app, host=LOOPBACK, port=http_port, access_log=False, lifespan="off")
        await uvicorn.Server(config).serve()
    finally:
        sms.close()
        await sink.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.mail", description="Keep mail and show it.")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--answer-delay-milliseconds", type=int, default=0, help="time between keeping a message and answering"
    )
    options = parser.parse_args(arguments)
    asyncio.run(serve(options.smtp_port, options.http_port, options.data, options.answer_delay_milliseconds))


if __name__ == "__main__":
    main()
