"""What a server refuses for its size, before any application sees it, on real sockets."""

import asyncio
from dataclasses import replace

import pytest

from tests.support.connections import GET, PATIENT, POST, answered, assert_problem, connected, served


async def test_a_request_line_beyond_its_limit_is_414() -> None:
    limits = replace(PATIENT, request_line_bytes=1_000)
    target = b"/echo?" + b"a" * 1_000
    assert_problem(await answered(limits, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n"), 414)


async def test_a_request_line_that_never_ends_is_414_before_it_has_ended() -> None:
    limits = replace(PATIENT, request_line_bytes=1_000)
    assert_problem(await answered(limits, b"GET /", b"a" * 800, b"a" * 800), 414)


async def test_headers_beyond_their_limit_are_431() -> None:
    limits = replace(PATIENT, header_bytes=2_000)
    assert_problem(await answered(limits, GET[:-2] + b"A: " + b"b" * 2_000 + b"\r\n\r\n"), 431)


async def test_a_header_that_never_ends_is_431_before_it_has_ended() -> None:
    limits = replace(PATIENT, header_bytes=2_000, request_line_bytes=1_000)
    assert_problem(await answered(limits, GET[:-2] + b"A: ", b"b" * 2_000, b"b" * 2_000), 431)


async def test_too_many_headers_are_431() -> None:
    limits = replace(PATIENT, headers=10)
    assert_problem(await answered(limits, GET[:-2] + b"A: b\r\n" * 10 + b"\r\n"), 431)


async def test_as_many_and_as_large_headers_as_allowed_are_served() -> None:
    limits = replace(PATIENT, headers=10, header_bytes=1_000)
    head = GET[:-2] + b"A: b\r\n" * 8 + b"B: " + b"c" * 900 + b"\r\n\r\n"
    assert (await answered(limits, head + GET[:0]))[0] == 200


async def test_an_announced_body_beyond_the_limit_is_413_before_it_comes() -> None:
    limits = replace(PATIENT, body_bytes=1_000)
    assert_problem(await answered(limits, POST + b"Content-Length: 1001\r\n\r\n"), 413)


async def test_a_body_in_chunks_beyond_the_limit_is_413() -> None:
    limits = replace(PATIENT, body_bytes=1_000)
    chunk = b"190\r\n" + b"x" * 400 + b"\r\n"
    assert_problem(await answered(limits, POST + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, chunk), 413)


async def test_what_stands_around_the_chunks_counts_as_it_comes_over_the_wire() -> None:
    limits = replace(PATIENT, body_bytes=1_000)
    chunk = b"1;" + b"e" * 600 + b"\r\nx\r\n"
    async with served(limits) as port, connected(port) as client:
        await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            await client.send(chunk)
            await asyncio.sleep(0.05)
        assert_problem(await client.answer(), 413)


async def test_a_body_of_the_largest_size_is_served_and_so_is_a_larger_one_where_its_address_takes_it() -> None:
    limits = replace(PATIENT, body_bytes=1_000, larger_bodies={"/imports/": 200_000})
    assert (await answered(limits, POST + b"Content-Length: 1000\r\n\r\n", b"x" * 1_000))[2] == b"1000"
    larger = POST.replace(b"/echo", b"/imports/echo") + b"Content-Length: 200000\r\n\r\n"
    assert (await answered(limits, larger, b"x" * 200_000))[2] == b"200000"


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"])
async def test_a_request_has_exactly_one_host(hosts: bytes) -> None:
    assert_problem(await answered(PATIENT, b"GET /echo HTTP/1.1\r\n" + hosts + b"\r\n"), 400)


async def test_a_request_of_http_1_0_needs_no_host() -> None:
    assert (await answered(PATIENT, b"GET /echo HTTP/1.0\r\n\r\n"))[0] == 200


async def test_what_is_not_http_is_a_problem_and_ends_the_connection() -> None:
    assert_problem(await answered(PATIENT, b"HELLO\r\n\r\n"), 400)


async def test_another_protocol_is_answered_in_http_and_is_the_last_on_its_connection() -> None:
    asks = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
    status, headers, _ = await answered(PATIENT, asks)
    assert (status, headers["connection"]) == (200, "close")


async def test_no_answer_names_the_server() -> None:
    assert "server" not in (await answered(PATIENT, GET))[1]
