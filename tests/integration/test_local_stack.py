"""The parts of the local stack, and how it fails."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import asyncpg
import httpx2
import pytest

from deploy.local.broker import EmbeddedBroker
from deploy.local.mail_page import create_app
from deploy.local.mail_sink import MailSink
from deploy.local.placement import own_home, remove_data
from deploy.local.postgres import ROLE_CONNECTIONS, Postgres
from deploy.local.process import (
    Child,
    StackError,
    answers,
    free_port,
    open_log,
    port_owner,
    require_free,
    run_to_end,
)
from deploy.local.settings import CHECKOUT, Ports
from deploy.local.stack import _left
from shared.database import migrate

DEADLINE_SECONDS = 60.0

# Stands in for every service: what the stack asks of one, and nothing else.
FAKE_SERVICE = """
import http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"lag": 0, "cluster": null, "outbox": 0}')

if sys.argv[1] == "source":
    print("a-write-key")
elif sys.argv[1] == "serve":
    http.server.HTTPServer((os.environ["HTTP_HOST"], int(os.environ["HTTP_PORT"])), Handler).serve_forever()
"""
FAILING_SERVICE = "import sys; sys.exit('the coffee machine is on fire' if sys.argv[1] == 'serve' else 0)"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Postgres]:
    """A PostgreSQL of the test's own, to kill."""
    server = Postgres(tmp_path, free_port(), durable=False)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()
        remove_data(tmp_path)


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[MailSink]:
    sink = MailSink(tmp_path / "mail", free_port())
    await sink.start()
    yield sink
    await sink.stop()


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A checkout whose five services are fakes."""
    root = tmp_path / "checkout"
    for part in ("deploy", "shared"):
        shutil.copytree(CHECKOUT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    for service in ("ingest", "profile", "segment", "campaign", "feedback"):
        migrations = root / "services" / service / "migrations"
        (migrations / "versions").mkdir(parents=True)
        (migrations / "env.py").write_text("")
        (root / "services" / service / "__main__.py").write_text(FAKE_SERVICE)
    yield root
    remove_data(root / ".rapport")


@pytest.fixture
def ports() -> Ports:
    return Ports.free()


async def test_the_log_of_an_import_takes_no_room_after_the_next_checkpoint(postgres: Postgres) -> None:
    async with postgres.administration() as connection:
        for _ in range(96):
            await connection.execute("SELECT pg_logical_emit_message(false, 'import', repeat('x', 1048576))")
        await connection.execute("CHECKPOINT")
        kept = await connection.fetchval("SELECT sum(size) FROM pg_ls_waldir()")
    assert kept <= 64 << 20


async def test_committed_rows_survive_a_kill_of_postgresql(server: Postgres) -> None:
    async with server.administration() as connection:
        await connection.execute("CREATE TABLE kept (number int)")
        await connection.execute("INSERT INTO kept VALUES (42)")

    await server.kill()
    await server.start()

    async with server.administration() as connection:
        assert await connection.fetchval("SELECT number FROM kept") == 42
    assert not server.created


async def test_a_service_cannot_enter_the_database_of_another(postgres: Postgres) -> None:
    await postgres.create_service_databases(["left", "right"])
    own = postgres.database_url("left").replace("+asyncpg", "")
    connection = await asyncpg.connect(own)
    await connection.execute("CREATE TABLE mine (number int)")
    await connection.close()

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(postgres.url("rapport_right", "rapport_left").replace("+asyncpg", ""))


@pytest.mark.parametrize("database", ["postgres", "template1"])
async def test_a_service_enters_no_database_that_postgresql_itself_has(postgres: Postgres, database: str) -> None:
    await postgres.create_service_databases(["left"])

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(postgres.url(database, "rapport_left").replace("+asyncpg", ""))


async def test_a_service_takes_no_more_than_its_part_of_the_connections(postgres: Postgres) -> None:
    await postgres.create_service_databases(["greedy", "modest"])
    url = postgres.database_url("greedy").replace("+asyncpg", "")

    async with contextlib.AsyncExitStack() as stack:
        for _ in range(ROLE_CONNECTIONS):
            stack.push_async_callback((await asyncpg.connect(url)).close)
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await asyncpg.connect(url)
        other = await asyncpg.connect(postgres.database_url("modest").replace("+asyncpg", ""))
        stack.push_async_callback(other.close)
        assert await other.fetchval("SHOW statement_timeout") == "1min"


async def test_the_log_of_postgresql_says_nothing_of_the_data(server: Postgres, tmp_path: Path) -> None:
    async with server.administration() as connection:
        await connection.execute("CREATE TABLE kept (mail text PRIMARY KEY)")
        await connection.execute("INSERT INTO kept VALUES ($1)", "canary@shop.example")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("INSERT INTO kept VALUES ('canary@shop.example')")
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            await connection.fetch("""SELECT json '{"email": "canary@shop.example", wrong}'""")

    log = (tmp_path / "logs" / "postgres.log").read_text()
    assert "ERROR" in log
    assert "canary" not in log


def test_what_is_at_home_is_for_its_owner_only(tmp_path: Path) -> None:
    home = own_home(tmp_path / "home")
    (home / "logs").mkdir(mode=0o755)  # as an earlier release made it
    with open_log(home / "logs" / "a.log") as log:
        log.write(b"a customer")

    assert stat.S_IMODE(home.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    assert stat.S_IMODE((home / "logs").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "logs" / "a.log").stat().st_mode) == 0o600


async def test_what_a_part_writes_is_for_its_owner_only(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import pathlib; pathlib.Path('made').mkdir(); pathlib.Path('kept').touch()"]
    await run_to_end("a part", command, log=tmp_path / "logs" / "part.log", deadline_seconds=60, cwd=tmp_path)

    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o600


async def test_creating_the_service_databases_again_keeps_their_rows(postgres: Postgres) -> None:
    await postgres.create_service_databases(["again"])
    url = postgres.database_url("again").replace("+asyncpg", "")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE mine (number int)")
    await connection.close()

    await postgres.create_service_databases(["again"])

    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT count(*) FROM mine") == 0
    await connection.close()


async def test_the_embedded_broker_is_a_new_cluster_at_every_start(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, free_port())
    await broker.start()
    first = broker.cluster_id
    await broker.restart()
    second = broker.cluster_id
    await broker.kill()

    assert first != second
    host, _, port = broker.bootstrap.partition(":")
    assert not await answers(host, int(port))


async def test_the_sink_keeps_mail_and_counts_what_came_twice(sink: MailSink) -> None:
    for trigger in ("order-1", "order-2", "order-2"):
        await send(sink, "ann@example.com", trigger)

    counts = sink.counts()
    assert (counts["total"], counts["distinct"]) == (3, 2)
    assert counts["duplicates"] == [{"profile": "p1", "journey": "welcome", "trigger": "order-2", "count": 2}]


@pytest.mark.parametrize(("local_part", "code"), [("defer-ann", 451), ("busy-ann", 421), ("reject-ann", 550)])
async def test_the_sink_refuses_the_addresses_that_ask_for_it(sink: MailSink, local_part: str, code: int) -> None:
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send(sink, f"{local_part}@example.com", "order-1")

    assert refused.value.recipients[0].code == code
    assert sink.messages == []


async def test_the_sink_keeps_a_mail_whose_answer_is_cut_off(sink: MailSink) -> None:
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(sink, "cut-ann@example.com", "order-1")

    assert len(sink.messages) == 1


async def test_the_sink_remembers_its_mail_after_a_restart_and_forgets_a_torn_line(tmp_path: Path) -> None:
    sink = MailSink(tmp_path, free_port())
    await sink.start()
    await send(sink, "ann@example.com", "order-1")
    before = [asdict(message) for message in sink.messages]
    await sink.stop()
    with (tmp_path / "index.ndjson").open("a") as index:
        index.write('{"id": 2, "torn')

    sink = MailSink(tmp_path, sink.port)
    await sink.start()
    assert [asdict(message) for message in sink.messages] == before
    await send(sink, "ann@example.com", "order-2")
    assert [message.id for message in sink.messages] == [1, 2]
    await sink.stop()


async def test_the_sink_writes_down_each_step_of_a_send(sink: MailSink) -> None:
    await send(sink, "ann@example.com", "order-1")

    steps = steps_of(sink)
    assert [(step["event"], step.get("to"), step.get("id")) for step in steps] == [
        ("connected", None, None),
        ("recipient", "ann@example.com", None),
        ("kept", "ann@example.com", 1),
        ("answered", "ann@example.com", 1),
    ]
    assert len({step["connection"] for step in steps}) == 1
    assert all(datetime.fromisoformat(step["at"]).tzinfo for step in steps)


@pytest.mark.parametrize("last_word", ["MAIL FROM:<a@b.example>", "RCPT TO:<ann@example.com>", "DATA", "kept"])
async def test_a_sender_that_dies_leaves_a_lost_send_once_a_recipient_was_accepted(
    sink: MailSink, last_word: str
) -> None:
    sink.answer_delay_milliseconds = 60_000
    lines = ["EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<ann@example.com>", "DATA"]
    reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
    await reader.readline()
    for line in lines[: lines.index(last_word) + 1] if last_word in lines else lines:
        writer.write(f"{line}\r\n".encode())
        while b"-" in (await reader.readline())[:4]:
            pass
    if last_word == "kept":
        writer.write(b"Subject: x\r\n\r\nx\r\n.\r\n")
        await until(lambda: len(sink.messages) == 1)
    writer.close()

    await until(lambda: not sink._connections)
    wanted = {"MAIL FROM:<a@b.example>": [], "kept": ["recipient", "kept", "lost"]}
    assert events_of(sink)[1:] == wanted.get(last_word, ["recipient", "lost"])


async def test_a_sender_that_withdraws_or_is_refused_loses_nothing(sink: MailSink) -> None:
    for ending in ("rset", "ehlo", "quit"):
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=sink.port) as client:
            await client.ehlo()
            await client.mail("a@b.example")
            await client.rcpt("ann@example.com")
            await getattr(client, ending)()
            client.close()
    with contextlib.suppress(aiosmtplib.SMTPRecipientsRefused):
        await send(sink, "reject-ann@example.com", "order-1")

    await until(lambda: not sink._connections)
    assert events_of(sink) == ["connected", "recipient"] * 3 + ["connected"]


async def test_a_cut_answer_and_a_stop_of_the_sink_are_lost_sends(sink: MailSink) -> None:
    with contextlib.suppress(aiosmtplib.SMTPServerDisconnected):
        await send(sink, "cut-ann@example.com", "order-1")
    sink.answer_delay_milliseconds = 60_000
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(cut_off(sink))
        await until(lambda: len(sink.messages) == 2)
        await sink.stop()

    assert events_of(sink) == ["connected", "recipient", "kept", "lost"] * 2
    await sink.start()
    sink.answer_delay_milliseconds = 0
    await send(sink, "ann@example.com", "order-3")
    assert events_of(sink)[8:] == ["connected", "recipient", "kept", "answered"]


async def test_the_answer_delay_is_set_through_the_page_and_wrong_ones_are_refused(sink: MailSink) -> None:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(create_app(sink)), base_url="http://mail") as client:
        for wrong in (b"", b"[]", b"{}", b'{"milliseconds": -1}', b'{"milliseconds": true}', b'{"milliseconds": 1e9}'):
            assert (await client.post("/api/answer-delay", content=wrong)).status_code == 400
        assert (await client.post("/api/answer-delay", json={"milliseconds": 150})).status_code == 204
    started = asyncio.get_running_loop().time()
    await send(sink, "ann@example.com", "order-1")

    assert asyncio.get_running_loop().time() - started >= 0.15


async def test_the_mail_page_shows_a_mail_without_running_it(sink: MailSink) -> None:
    await send(sink, "ann@example.com", "order-1", html="<p>Hi</p><script>alert(1)</script>")

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(create_app(sink)), base_url="http://mail") as client:
        page = await client.get("/messages/1")
        body = await client.get("/messages/1/html")
        listed = (await client.get("/api/messages", params={"after": 0, "limit": 10})).json()

    assert "<script>" not in page.text
    assert "Grüße &lt;b&gt;" in page.text
    assert "default-src 'none'" in body.headers["content-security-policy"]
    assert listed["messages"][0]["rapport"]["x-rapport-trigger"] == "order-1"


def test_a_busy_port_is_told_with_its_owner_and_the_variable_to_set() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {port}, wanted for mail, .*RAPPORT_SMTP_PORT"):
            require_free(port, "mail", "RAPPORT_SMTP_PORT")
        if Path("/proc/net/tcp").exists():
            assert f"pid {os.getpid()}" in port_owner(port)


async def test_a_child_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells a child that its parent has died")
    program = (
        "import asyncio, sys, pathlib\n"
        "from deploy.local.process import Child\n"
        "async def main():\n"
        "    child = await Child.spawn('child', ['sleep', '1000'], log=pathlib.Path(sys.argv[1]))\n"
        "    print(child.pid, flush=True)\n"
        "    await child.wait()\n"
        "asyncio.run(main())\n"
    )
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(tmp_path / "log")), stdout=asyncio.subprocess.PIPE, cwd=CHECKOUT
    )
    assert supervisor.stdout is not None
    pid = int(await supervisor.stdout.readline())

    supervisor.kill()
    await supervisor.wait()

    await until_gone(pid)


async def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    child = await Child.spawn("stubborn", ["sh", "-c", "trap '' TERM; echo ready; sleep 1000"], log=tmp_path / "log")
    await until_logged(child, "ready")

    assert await child.terminate(grace_seconds=0.2) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("report", "left"),
    [
        ({"lag": 2, "cluster": "now", "outbox": 1}, 3),
        ({"lag": 0, "cluster": "now", "outbox": 0}, 0),
        ({"lag": 0, "cluster": None, "outbox": 0}, 0),
        ({"lag": None, "cluster": "now", "outbox": 0}, 1),
        ({"lag": 0, "cluster": "before", "outbox": 0}, 1),
        ({"lag": 0, "cluster": "now", "outbox": 0, "publishes_to": "now"}, 0),
        ({"lag": 0, "cluster": None, "outbox": 0, "publishes_to": "before"}, 1),
        ({"lag": 0, "cluster": "now", "outbox": 0, "publishes_to": None}, 1),
        ({}, 1),
    ],
)
async def test_what_does_not_know_its_lag_is_not_drained(report: dict[str, int | str | None], left: int) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=report))
    async with httpx2.AsyncClient(transport=transport) as client:
        assert await _left(client, "http://service", "now") == left


async def test_the_stack_runs_and_stops_and_leaves_nothing(checkout: Path, ports: Ports) -> None:
    stack = await rapport(checkout, ports, "run", "--no-demo")
    assert stack.stdout is not None
    await until_printed(stack.stdout, "Rapport is running")
    kept = (checkout / ".rapport" / "write-key").read_text()
    token = checkout / ".rapport" / "admin-token"
    second = await finished(await rapport(checkout, ports, "run", "--no-demo"))
    stopped = await finished(await rapport(checkout, ports, "stop"))

    assert kept == "a-write-key\n"
    assert token.read_text().count(".") == 2
    assert token.stat().st_mode & 0o777 == 0o600
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "already running" in second.stderr
    assert stopped.returncode == 0
    assert (await finished(stack)).returncode == 0
    await nothing_listens(ports)


async def test_the_stack_ends_with_one_line_when_a_service_dies(checkout: Path, ports: Ports) -> None:
    (checkout / "services" / "segment" / "__main__.py").write_text(FAILING_SERVICE)

    ended = await finished(await rapport(checkout, ports, "run", "--no-demo"))

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "the service segment ended with exit code 1: the coffee machine is on fire" in ended.stderr
    await nothing_listens(ports)


async def test_a_part_that_is_killed_is_started_again_while_the_others_stay(checkout: Path, ports: Ports) -> None:
    stack = await rapport(checkout, ports, "run", "--no-demo")
    assert stack.stdout is not None
    await until_printed(stack.stdout, "Rapport is running")
    parts = {"the service profile": ports.profile, "the embedded broker": ports.kafka, "the mail sink": ports.smtp}
    parts["PostgreSQL"] = ports.postgres
    first = {name: owner(port) for name, port in parts.items()}

    for name, port in parts.items():
        others = {one: owner(parts[one]) for one in parts if one != name}
        os.kill(first[name], signal.SIGKILL)
        await until_printed(stack.stdout, f"{name[:1].upper()}{name[1:]} was ended by SIGKILL")
        await until_another_listens(port, first[name])
        assert {one: owner(parts[one]) for one in others} == others

    assert stack.returncode is None
    stopped = await finished(await rapport(checkout, ports, "stop"))
    assert (stopped.returncode, (await finished(stack)).returncode) == (0, 0)
    await nothing_listens(ports)


async def test_a_part_that_ends_again_and_again_ends_the_stack_with_its_reason(checkout: Path, ports: Ports) -> None:
    stack = await rapport(checkout, ports, "run", "--no-demo")
    assert stack.stdout is not None
    await until_printed(stack.stdout, "Rapport is running")
    (checkout / "services" / "profile" / "__main__.py").write_text(FAILING_SERVICE)
    os.kill(owner(ports.profile), signal.SIGKILL)

    ended = await finished(stack)

    assert ended.returncode == 1
    assert ended.stderr.startswith("rapport: the service profile ended 5 times within 60 s, and is not started again.")
    assert "ended with exit code 1: the coffee machine is on fire" in ended.stderr
    assert ended.stderr.count("\n") == 1
    await nothing_listens(ports)


async def test_the_stack_ends_with_one_line_when_a_port_is_busy(checkout: Path, ports: Ports) -> None:
    with socket.create_server(("127.0.0.1", ports.kafka)):
        ended = await finished(await rapport(checkout, ports, "run", "--no-demo"))

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"port {ports.kafka}, wanted for the broker" in ended.stderr
    await nothing_listens(ports)


async def send(sink: MailSink, recipient: str, trigger: str, html: str = "<p>Hi</p>") -> None:
    message = EmailMessage()
    message["From"] = "hello@rapport.example"
    message["To"] = recipient
    message["Subject"] = "Grüße <b>"
    message["X-Rapport-Profile"] = "p1"
    message["X-Rapport-Journey"] = "welcome"
    message["X-Rapport-Trigger"] = trigger
    message.set_content("Hi")
    message.add_alternative(html, subtype="html")
    await aiosmtplib.send(message, hostname="127.0.0.1", port=sink.port)


async def cut_off(sink: MailSink) -> None:
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(sink, "ann@example.com", "order-2")


def steps_of(sink: MailSink) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (sink._data / "sessions.ndjson").read_text().splitlines()]


def events_of(sink: MailSink) -> list[str]:
    return [step["event"] for step in steps_of(sink)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def rapport(checkout: Path, ports: Ports, *arguments: str) -> asyncio.subprocess.Process:
    environment = {variable: str(ports.of(name)) for name, variable in Ports.variables()}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.local", *arguments),
        cwd=checkout,
        env={**os.environ, **environment, "RAPPORT_HOME": "", "RAPPORT_BROKER": "embedded"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finished(process: asyncio.subprocess.Process) -> subprocess.CompletedProcess[str]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        stdout, stderr = await process.communicate()
    return subprocess.CompletedProcess([], process.returncode or 0, stdout.decode(), stderr.decode())


async def until_printed(stream: asyncio.StreamReader, text: str) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while text.encode() not in (line := await stream.readline()):
            assert line, f"ended without printing {text!r}"


async def until_logged(child: Child, text: str) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            if text in child.tail_of_log():
                return
            await asyncio.sleep(0.01)


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(pid, 0)
                await asyncio.sleep(0.01)


def owner(port: int) -> int:
    """The process that listens there; 0 if none does."""
    return int("".join(filter(str.isdigit, port_owner(port).rpartition("pid ")[2])) or 0)


async def until_another_listens(port: int, before: int) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            if owner(port) not in (0, before):
                return
            await asyncio.sleep(0.05)


async def nothing_listens(ports: Ports) -> None:
    for name, _ in Ports.variables():
        assert not await answers("127.0.0.1", ports.of(name)), f"{name} still answers"


async def test_the_tables_of_a_service_go_over_to_a_role_of_their_own_with_all_that_is_in_them(
    postgres: Postgres,
) -> None:
    await postgres.create_service_databases(["feedback"])
    await postgres.create_database("feedback_beside", "rapport_feedback")
    await migrate.upgrade("feedback", postgres.database_url("feedback"))  # as one role had both before
    connection = await asyncpg.connect(postgres.database_url("feedback").replace("+asyncpg", ""))
    await connection.execute("INSERT INTO outbox (topic, key, headers, value) VALUES ('t', '', '[]', '')")
    await connection.close()

    for _ in range(2):
        await postgres.give_to_owner("feedback")
        await migrate.upgrade("feedback", postgres.owner_url("feedback"), user="rapport_feedback")

    connection = await asyncpg.connect(postgres.database_url("feedback").replace("+asyncpg", ""))
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 1
    await connection.execute("DELETE FROM outbox")
    for change in ("DROP TABLE outbox", "CREATE TABLE mine (number int)", "ALTER TABLE outbox ADD COLUMN more text"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(change)
    await connection.close()
    beside = await asyncpg.connect(postgres.url("feedback_beside", "rapport_feedback").replace("+asyncpg", ""))
    await beside.close()  # what else the role has stays its own
    for name in ("rapport_feedback", "feedback_beside"):
        await postgres.drop_database(name)
