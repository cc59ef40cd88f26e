"""How long a client may hold a connection, on real sockets. What is slow here is slow by limits of about a second."""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import replace
from typing import Final

import httpx2
import pytest

from deploy.local.process import LOOPBACK
from shared.http.server import protocol
from shared.http.server.limits import PROBE_CONNECTIONS
from tests.support.connections import (
    GET,
    IMPATIENT,
    LARGE_ANSWER_BYTES,
    PATIENT,
    POST,
    Raw,
    assert_problem,
    connected,
    open_connections,
    served,
)
from tests.support.running import eventually

OTHER_ADDRESS: Final = "127.0.0.2"
SLOW_CLIENTS_OF_A_KIND: Final = 60


async def _connections() -> float:
    return open_connections()


async def test_a_client_that_says_nothing_is_let_go() -> None:
    async with served(IMPATIENT) as port, connected(port) as client:
        assert await client.ended()


async def test_headers_that_take_too_long_are_408() -> None:
    async with served(IMPATIENT) as port, connected(port) as client:
        await client.send(GET[:20])
        assert_problem(await client.answer(), 408)
        assert await client.ended()


async def test_a_body_that_stops_is_408() -> None:
    async with served(IMPATIENT) as port, connected(port) as client:
        await client.send(POST + b"Content-Length: 100000\r\n\r\n" + b"x" * 50_000)
        assert_problem(await client.answer(), 408)
        assert await client.ended()


async def test_a_body_that_comes_at_the_least_rate_is_served_however_long_it_takes() -> None:
    limits = replace(IMPATIENT, stall_seconds=0.4, bytes_per_second=1_000)
    async with served(limits) as port, connected(port) as client:
        await client.send(POST + b"Content-Length: 20000\r\n\r\n")
        for _ in range(20):
            await client.send(b"x" * 1_000)
            await asyncio.sleep(0.05)
        assert (await client.answer())[2] == b"20000"


async def test_a_client_that_waits_to_be_asked_for_its_body_is_not_slow() -> None:
    async with served(IMPATIENT) as port, connected(port) as client:
        await client.send(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.answer())[0] == 100
        await client.send(b"ab")
        assert (await client.answer())[2] == b"2"


async def test_an_answer_that_takes_long_is_waited_for() -> None:
    async with served(IMPATIENT) as port, connected(port) as client:
        await client.send(GET.replace(b"/echo", b"/echo?pause=2.5"))
        assert (await client.answer())[0] == 200


async def test_a_client_that_does_not_take_its_answer_is_cut_off() -> None:
    async with served(IMPATIENT) as port, connected(port) as client:
        await client.send(GET.replace(b"/echo", b"/large"))
        await eventually(_connections, lambda found: found == 0)


async def test_a_client_that_takes_a_large_answer_gets_all_of_it() -> None:
    async with served(IMPATIENT) as port, httpx2.AsyncClient(trust_env=False) as client:
        assert len((await client.get(f"http://{LOOPBACK}:{port}/large")).content) == LARGE_ANSWER_BYTES


async def test_an_idle_connection_is_let_go_and_one_in_use_is_kept() -> None:
    async with served(IMPATIENT) as port, connected(port) as idle, connected(port) as busy:
        await idle.send(GET)
        assert (await idle.answer())[0] == 200
        async with asyncio.TaskGroup() as tasks:
            ended = tasks.create_task(idle.ended())
            while not ended.done():
                await busy.send(GET)
                assert (await busy.answer())[0] == 200
                await asyncio.sleep(0.1)


async def test_an_answer_before_the_body_leaves_the_connection_usable() -> None:
    async with served(PATIENT) as port, connected(port) as client:
        await client.send(POST.replace(b"/echo", b"/hasty") + b"Content-Length: 10\r\n\r\n")
        assert (await client.answer())[0] == 401
        await client.send(b"x" * 10 + GET)
        assert (await client.answer())[0] == 200


async def test_requests_sent_at_once_are_answered_in_order() -> None:
    async with served(PATIENT) as port, connected(port) as client:
        sizes = [b"%d" % n for n in range(1, 20)]
        await client.send(b"".join(POST + b"Content-Length: " + n + b"\r\n\r\n" + b"x" * int(n) for n in sizes))
        assert [(await client.answer())[2] for _ in sizes] == sizes


async def test_more_requests_at_once_than_may_wait_end_the_connection() -> None:
    async with served(PATIENT) as port, connected(port) as client:
        await client.send(GET * 1_000)
        assert await client.ended()


# Numbers


async def test_one_address_has_so_many_connections_and_others_are_served() -> None:
    limits = replace(PATIENT, connections_per_address=5)
    async with served(limits) as port, contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            await (await stack.enter_async_context(connected(port))).send(GET[:10])
        assert_problem(await (await stack.enter_async_context(connected(port))).answer(), 503)
        other = await stack.enter_async_context(connected(port, OTHER_ADDRESS))
        await other.send(GET)
        assert (await other.answer())[0] == 200


async def test_a_trusted_proxy_has_as_many_connections_as_there_are() -> None:
    limits = replace(PATIENT, connections_per_address=1, trusted_proxies="10.0.0.0/8, 127.0.0.1")
    async with served(limits) as port, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(port)) for _ in range(5)]
        for client in clients:
            await client.send(GET)
            assert (await client.answer())[0] == 200


async def test_the_connection_that_is_idle_longest_makes_way_for_a_new_one() -> None:
    limits = replace(PATIENT, connections_per_address=3)
    async with served(limits) as port, contextlib.AsyncExitStack() as stack:
        for _ in range(6):
            client = await stack.enter_async_context(connected(port))
            await client.send(GET)
            assert (await client.answer())[0] == 200


async def test_health_is_answered_when_there_are_as_many_connections_as_there_may_be() -> None:
    limits = replace(PATIENT, connections=5)
    async with served(limits) as port, contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            await (await stack.enter_async_context(connected(port))).send(GET[:10])
        client = await stack.enter_async_context(connected(port, OTHER_ADDRESS))
        await client.send(GET)
        assert_problem(await client.answer(), 503)
        probe = await stack.enter_async_context(connected(port, OTHER_ADDRESS))
        await probe.send(GET.replace(b"/echo", b"/health/live"))
        assert (await probe.answer())[2] == b"live"


async def test_beyond_the_connections_of_probes_a_connection_is_refused_at_once() -> None:
    async with served(replace(PATIENT, connections=5)) as port, contextlib.AsyncExitStack() as stack:
        for _ in range(5 + PROBE_CONNECTIONS):
            await (await stack.enter_async_context(connected(port))).send(GET[:10])
        assert_problem(await (await stack.enter_async_context(connected(port))).answer(), 503)


async def test_a_flood_of_refused_connections_holds_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "FAREWELL_SECONDS", 600)  # as if those that stay to read why stayed for ever
    limits = replace(PATIENT, connections_per_address=5)
    async with served(limits) as port, contextlib.AsyncExitStack() as stack:
        for _ in range(200):
            await stack.enter_async_context(connected(port))
        await eventually(_connections, lambda found: found <= 10)
        other = await stack.enter_async_context(connected(port, OTHER_ADDRESS))
        await other.send(GET)
        assert (await other.answer())[0] == 200


# All of it at once


async def _silent(_: Raw) -> None:
    """Sends nothing."""


async def _slow_headers(client: Raw) -> None:
    for byte in GET[:-2] + b"X: " + b"y" * 1_000:
        await client.send(bytes([byte]))
        await asyncio.sleep(0.1)


async def _slow_body(client: Raw) -> None:
    await client.send(POST + b"Content-Length: 100000\r\n\r\n")
    for _ in range(1_000):
        await client.send(b"x")
        await asyncio.sleep(0.1)


async def _idle(client: Raw) -> None:
    await client.send(GET)
    assert (await client.answer())[0] == 200


async def _slow_reader(client: Raw) -> None:
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await client.send(GET.replace(b"/echo", b"/large"))


async def test_three_hundred_slow_clients_hold_nothing_and_an_honest_one_is_answered_meanwhile() -> None:
    limits = replace(IMPATIENT, connections_per_address=400)
    async with served(limits) as port, contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        honest = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
        slow = []
        for behave in (_silent, _slow_headers, _slow_body, _idle, _slow_reader):
            for _ in range(SLOW_CLIENTS_OF_A_KIND):
                client = await stack.enter_async_context(connected(port))
                slow.append(tasks.create_task(_until_cut_off(behave(client))))

        async def left() -> float:
            assert (await honest.get(f"http://{LOOPBACK}:{port}/echo")).status_code == 200
            return open_connections()

        await eventually(left, lambda found: found <= 1)  # the honest client's own
        for task in slow:
            task.cancel()


async def _until_cut_off(behaviour: Coroutine[None, None, None]) -> None:
    with contextlib.suppress(ConnectionError):
        await behaviour
