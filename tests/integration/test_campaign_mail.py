"""The mail channel against a real SMTP server, and against one that is not well."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from socket import create_server, socket, socketpair
from threading import Event
from time import sleep
from typing import Any, Final
from uuid import UUID

import pytest
import uvloop

from deploy.local.mail_sink import MailSink
from deploy.local.process import LOOPBACK, free_port
from services.campaign.channels.email import EmailChannel
from services.campaign.domain.delivery import (
    Accepted,
    Deferred,
    Lost,
    Message,
    Rejected,
    Reply,
    Undeliverable,
    Withheld,
)
from services.campaign.domain.replies import ProviderReply, Stage
from services.campaign.settings import CampaignSettings
from tests.support.events import SECRET

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def settings(port: int, **changes: Any) -> CampaignSettings:
    fields: dict[str, Any] = {
        "database_url": "postgresql+asyncpg://nowhere",
        "kafka_bootstrap": "nowhere:9092",
        "partition_secret": SECRET.decode(),
        "http_port": 8004,
        "mail_from": "店铺 <hello@shop.example>",
        "smtp_host": LOOPBACK,
        "smtp_port": port,
    }
    return CampaignSettings(**(fields | changes))


def mail(to: str = "ann@example.com", number: int = 1) -> Message:
    return Message(
        id=UUID(int=number),
        to=to,
        parts={
            "subject": "Ann，欢迎成为金卡会员",
            "text": "您好！\n.\nA line of one dot is no end.",
            "html": "<p>您好！</p>",
        },
        at=NOON,
        headers={"X-Rapport-Profile": "p", "X-Rapport-Journey": "j", "X-Rapport-Trigger": "t"},
    )


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[MailSink]:
    server = MailSink(tmp_path / "mail", free_port())
    await server.start()
    yield server
    await server.stop()


@asynccontextmanager
async def channel_to(port: int, **changes: Any) -> AsyncIterator[EmailChannel]:
    channel = EmailChannel(settings(port, **changes))
    try:
        yield channel
    finally:
        await channel.close()


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[int]:
    """A server that does what a test says; its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, LOOPBACK, 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def script(*answers: str, then_silence: bool = False, seen: list[str] | None = None) -> Serve:
    """Greets and answers each line in turn; after the last it hangs up, or says nothing more.

    What it is asked is added to `seen`. After a 354 the whole content counts as one line.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            writer.write(answer.encode() + b"\r\n")
            await writer.drain()
            if answer.startswith("354"):
                await reader.readuntil(b"\r\n.\r\n")
            elif not (line := await reader.readline()):
                return
            elif seen is not None:
                seen.append(line.decode().strip())
        if then_silence:
            await reader.read()

    return serve


DATA_SECONDS: Final = 0.3
ENVELOPE_SECONDS: Final = 0.3
DEADLINE_SECONDS: Final = 20
UP_TO_DATA: Final = ("220 hello", "250 hello", "250 sender ok", "250 recipient ok")


async def test_a_mail_arrives_whole_with_the_headers_that_name_its_cause(sink: MailSink) -> None:
    async with channel_to(sink.port) as channel:
        assert await channel.send(mail()) == Accepted()
    (message,) = sink.messages
    assert message.triple == ("p", "j", "t")
    assert message.message_id == f"<{UUID(int=1)}@shop.example>"
    assert message.mail_from == "hello@shop.example"
    parsed = message_from_bytes(sink.path(message.id).read_bytes(), policy=policy.default)
    assert parsed["Subject"] == mail().part("subject")
    assert parsed["From"].addresses[0].display_name == "店铺"
    text, html = parsed.iter_parts()
    assert text.get_content().splitlines() == mail().part("text").splitlines()
    assert html.get_content().strip() == mail().part("html")


async def test_an_address_outside_ascii_is_served_where_the_server_can(sink: MailSink) -> None:
    async with channel_to(sink.port) as channel:
        assert await channel.send(mail("安@example.com")) == Accepted()
    assert sink.messages[0].rcpt == ["安@example.com"]


async def test_a_connection_serves_the_next_mail_and_one_that_ended_is_replaced(sink: MailSink) -> None:
    async with channel_to(sink.port) as channel:
        assert [await channel.send(mail(number=number)) for number in (1, 2)] == [Accepted()] * 2
        assert len(sink._connections) == 1
        await sink.stop()
        await sink.start()
        assert await channel.send(mail(number=3)) == Accepted()
    assert [message.message_id for message in sink.messages] == [f"<{UUID(int=n)}@shop.example>" for n in (1, 2, 3)]


@pytest.mark.parametrize("to", ["defer-1@example.com", "busy-1@example.com"])
async def test_a_refusal_for_now_is_deferred(sink: MailSink, to: str) -> None:
    async with channel_to(sink.port) as channel:
        assert isinstance(await channel.send(mail(to)), Deferred)
        assert await channel.send(mail()) == Accepted()


@pytest.mark.parametrize(
    ("to", "meaning"),
    [
        ("reject-1@example.com", Undeliverable),
        ("no address", Rejected),
        ("a@b\r\nBcc: c@d", Rejected),
        ("a@-b-.例子", Rejected),
        ("", Rejected),
    ],
)
async def test_a_refusal_for_good_and_an_address_that_is_none_are_not_tried_again(
    sink: MailSink, to: str, meaning: type
) -> None:
    async with channel_to(sink.port) as channel:
        assert isinstance(await channel.send(mail(to)), meaning)
        assert await channel.send(mail()) == Accepted()
    assert len(sink.messages) == 1


async def test_a_connection_cut_after_the_mail_was_taken_leaves_it_unknown(sink: MailSink) -> None:
    async with channel_to(sink.port) as channel:
        assert isinstance(await channel.send(mail("cut-1@example.com")), Lost)
        assert await channel.send(mail()) == Accepted()
    assert len(sink.messages) == 2


async def test_a_provider_that_is_not_there_is_waited_for() -> None:
    async with channel_to(free_port()) as channel:
        assert isinstance(await channel.send(mail()), Deferred)


@pytest.mark.parametrize("answers", [(), UP_TO_DATA[:2], UP_TO_DATA[:3]])
async def test_a_provider_that_ends_before_data_has_nothing(answers: tuple[str, ...]) -> None:
    async with server(script(*answers)) as port, channel_to(port) as channel:
        answer = await channel.send(mail())
    assert isinstance(answer, Deferred)
    assert not answer.counted


@pytest.mark.parametrize(
    ("answers", "meaning", "stage"),
    [
        (("554 not today",), Withheld, Stage.CONNECT),
        (("220 hello", "554 not you"), Withheld, Stage.EHLO),
        ((*UP_TO_DATA[:2], "550 5.4.5 quota"), Withheld, Stage.MAIL),
        ((*UP_TO_DATA[:2], "552 5.3.4 too large"), Rejected, Stage.MAIL),
        ((*UP_TO_DATA[:2], "421 4.7.0 busy"), Deferred, Stage.MAIL),
        ((*UP_TO_DATA[:3], "550 5.1.1 unknown"), Undeliverable, Stage.RCPT),
        ((*UP_TO_DATA[:3], "554 5.7.1 relay access denied"), Withheld, Stage.RCPT),
        ((*UP_TO_DATA, "554 5.5.1 no"), Rejected, Stage.DATA),
        ((*UP_TO_DATA, "451 4.3.0 no"), Deferred, Stage.DATA),
        ((*UP_TO_DATA, "354 go on", "554 5.7.1 account suspended"), Withheld, Stage.END_OF_DATA),
        ((*UP_TO_DATA, "354 go on", "554 5.6.0 malformed"), Rejected, Stage.END_OF_DATA),
    ],
)
async def test_a_refusal_is_known_with_its_stage(answers: tuple[str, ...], meaning: type, stage: Stage) -> None:
    async with server(script(*answers)) as port, channel_to(port) as channel:
        answer = await channel.send(mail())
    assert isinstance(answer, meaning)
    assert not isinstance(answer, Accepted | Lost)
    assert (answer.reply.stage if isinstance(answer, Withheld | Undeliverable) else answer.stage) is stage


async def test_a_reply_that_repeats_the_recipient_is_kept_without_it() -> None:
    refused = "550-5.1.1 <Ann@Example.com> is\r\n550 5.1.1 nobody here: ann@example.com"
    async with server(script(*UP_TO_DATA[:3], refused)) as port, channel_to(port) as channel:
        answer = await channel.send(mail())
    said = "<the recipient> is nobody here: the recipient"
    assert answer == Undeliverable(ProviderReply(Stage.RCPT, 550, "5.1.1", said))


@pytest.mark.parametrize("greeting", ["250 hello", "250-hello\r\n250-8BITMIME\r\n250 SMTPUTF8"])
async def test_a_domain_outside_ascii_is_reached_by_its_a_label(greeting: str) -> None:
    seen: list[str] = []
    answers = ("220 hello", greeting, "250 ok", "250 ok", "354 go on", "250 kept", "221 bye")
    async with server(script(*answers, seen=seen)) as port, channel_to(port) as channel:
        assert await channel.send(mail("kim@straße.example")) == Accepted()
        assert b"To: kim@xn--strae-oqa.example\r\n" in channel._compose(mail(), "kim@xn--strae-oqa.example")
    assert seen[1:3] == ["MAIL FROM:<hello@shop.example>", "RCPT TO:<kim@xn--strae-oqa.example>"]


async def test_a_name_outside_ascii_fails_where_the_server_has_no_form_for_it() -> None:
    async with server(script(*UP_TO_DATA, "354 go on", "250 kept")) as port, channel_to(port) as channel:
        answer = await channel.send(mail("jörg@example.com"))
        assert isinstance(answer, Rejected)
        assert "SMTPUTF8" in answer.reason
        assert await channel.send(mail()) == Accepted()


async def test_a_sender_at_a_domain_outside_ascii_is_named_by_its_a_label(sink: MailSink) -> None:
    async with channel_to(sink.port, mail_from="Shop <hello@bücher.example>") as channel:
        assert await channel.send(mail()) == Accepted()
    assert sink.messages[0].mail_from == "hello@xn--bcher-kva.example"


@pytest.mark.parametrize("answers", [(), UP_TO_DATA[:1], UP_TO_DATA[:2], UP_TO_DATA[:3]])
async def test_a_provider_that_falls_silent_before_data_has_nothing(answers: tuple[str, ...]) -> None:
    async with (
        server(script(*answers, then_silence=True)) as port,
        channel_to(port, smtp_envelope_seconds=0.3) as channel,
    ):
        assert isinstance(await channel.send(mail()), Deferred)


async def test_a_provider_that_falls_silent_after_data_leaves_it_unknown() -> None:
    async with (
        server(script(*UP_TO_DATA, "354 go on", then_silence=True)) as port,
        channel_to(port, smtp_data_seconds=0.3) as channel,
    ):
        assert isinstance(await channel.send(mail()), Lost)


def test_an_answer_that_came_while_this_process_stood_still_is_read() -> None:
    # A machine that was paused, or too busy, finds the answer and the end of its patience together; the services'
    # loop, woken from its wait for the network, then looks at its timers first.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(_answer_after_standing_still()) == Accepted()


async def _answer_after_standing_still() -> Reply:
    loop, stands_still, answered = asyncio.get_running_loop(), Event(), Event()
    bell, button = socketpair()

    def stand_still() -> None:
        loop.remove_reader(bell)
        stands_still.set()
        assert answered.wait(DEADLINE_SECONDS)
        sleep(2 * DATA_SECONDS)

    def serve(listening: socket) -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as lines:
            for answer in (*UP_TO_DATA, "354 go on"):
                connection.sendall(answer.encode() + b"\r\n")
                lines.readline()
            while lines.readline() != b".\r\n":
                pass
            button.sendall(b"stand still")
            assert stands_still.wait(DEADLINE_SECONDS)
            connection.sendall(b"250 kept\r\n")
            answered.set()
            lines.readline()

    loop.add_reader(bell, stand_still)
    with bell, button, create_server((LOOPBACK, 0)) as listening:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(serve, listening))
            async with channel_to(listening.getsockname()[1], smtp_data_seconds=DATA_SECONDS) as channel:
                return await channel.send(mail())


async def test_a_provider_may_take_its_time_for_the_data_and_not_for_the_envelope() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (*UP_TO_DATA, "354 go on"):
            writer.write(answer.encode() + b"\r\n")
            await reader.readline()
        await reader.readuntil(b"\r\n.\r\n")
        await asyncio.sleep(2 * ENVELOPE_SECONDS)
        writer.write(b"250 kept\r\n")
        await reader.read()

    async with server(serve) as port, channel_to(port, smtp_envelope_seconds=ENVELOPE_SECONDS) as channel:
        assert await channel.send(mail()) == Accepted()


async def test_a_provider_that_answers_nonsense_after_data_leaves_it_unknown() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script(*UP_TO_DATA)(reader, writer)
        writer.write(b"354 go on\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"what was that?\r\n")
        await writer.drain()

    async with server(serve) as port, channel_to(port) as channel:
        assert isinstance(await channel.send(mail()), Lost)


@pytest.mark.parametrize(("answer", "meaning"), [("452 full", Deferred), ("554 spam", Rejected)])
async def test_an_answer_to_the_data_itself_is_believed(answer: str, meaning: type) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script(*UP_TO_DATA)(reader, writer)
        writer.write(b"354 go on\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()

    async with server(serve) as port, channel_to(port) as channel:
        assert isinstance(await channel.send(mail()), meaning)
