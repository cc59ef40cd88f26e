"""The reader of the provider's log, on a log that a real sink wrote."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from deploy.local.mail_sink import MailSink
from deploy.local.process import LOOPBACK, free_port
from shared.service.clock import SystemClock
from tests.faults import provider
from tests.support.running import eventually

MOMENT = timedelta(microseconds=1)


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[MailSink]:
    server = MailSink(tmp_path, free_port())
    await server.start()
    yield server
    await server.stop()


async def test_an_absent_log_is_an_empty_one(tmp_path: Path) -> None:
    log = provider.read(tmp_path / "nothing")
    assert (log.messages, log.steps, log.duplicates, log.unfinished) == ((), (), {}, 0)


async def test_messages_and_those_that_came_twice_are_read(sink: MailSink, tmp_path: Path) -> None:
    started = SystemClock().now()
    for trigger in ("t1", "t2", "t2", ""):
        await send(sink, trigger)

    log = provider.read(tmp_path)
    assert [kept.triple for kept in log.messages] == [("p", "j", trigger) for trigger in ("t1", "t2", "t2", "")]
    assert [kept.message_id for kept in log.messages] == ["<mt1@x>", "<mt2@x>", "<mt2@x>", "<m@x>"]
    assert log.duplicates == {("p", "j", "t2"): 2}
    assert log.answered_between(started, SystemClock().now()) == 4
    assert (log.in_flight_between(started, SystemClock().now()), log.unfinished) == (0, 0)


async def test_sends_that_were_cut_off_are_counted_in_their_time(sink: MailSink, tmp_path: Path) -> None:
    sink.answer_delay_milliseconds = 60_000
    clients = [await addressed(sink.port) for _ in range(2)]
    assert provider.read(tmp_path).unfinished == 2
    started = SystemClock().now()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lost(clients[0]))
        await eventually(lambda: kept(sink), lambda count: count == 1)
        for client in clients:
            client.close()

    log = await eventually(lambda: read(tmp_path), lambda log: log.unfinished == 0)
    ends = [step.at for step in log.steps if step.event == "lost"]
    assert log.in_flight_between(started, SystemClock().now()) == 2
    assert log.in_flight_between(started, min(ends) - MOMENT) == 0
    assert log.in_flight_between(max(ends) + MOMENT, SystemClock().now()) == 0


async def test_a_line_that_is_being_written_is_left_out(sink: MailSink, tmp_path: Path) -> None:
    await send(sink, "t1")
    before = provider.read(tmp_path)
    for name in ("index.ndjson", "sessions.ndjson"):
        with (tmp_path / name).open("a") as file:
            file.write('{"at": "2026-')

    assert provider.read(tmp_path) == before
    await sink.stop()
    await sink.start()
    await send(sink, "t2")
    assert len(provider.read(tmp_path).messages) == 2


async def send(sink: MailSink, trigger: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = "shop@x", "ann@x", f"<m{trigger}@x>"
    message["X-Rapport-Profile"], message["X-Rapport-Journey"] = "p", "j"
    if trigger:
        message["X-Rapport-Trigger"] = trigger
    await aiosmtplib.send(message, hostname=LOOPBACK, port=sink.port)


async def addressed(port: int) -> aiosmtplib.SMTP:
    """A client whose recipient was accepted."""
    client = aiosmtplib.SMTP(hostname=LOOPBACK, port=port)
    await client.connect()
    await client.ehlo()
    await client.mail("shop@x.example")
    await client.rcpt("ann@x.example")
    return client


async def lost(client: aiosmtplib.SMTP) -> None:
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await client.data(b"Subject: x\r\n\r\nx\r\n")


async def kept(sink: MailSink) -> int:
    return len(sink.messages)


async def read(data: Path) -> provider.ProviderLog:
    return provider.read(data)
