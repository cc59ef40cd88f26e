"""An error that nothing answers is a problem, and the connection it came on goes on; half an answer ends it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from functools import partial

import pytest
import uvicorn
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from structlog.testing import capture_logs

from deploy.local.process import LOOPBACK, free_port
from shared.database.database import Database
from shared.http.app import create_app
from shared.http.auth import Verifier
from shared.http.openapi import PROBLEM
from shared.http.operations import Health
from shared.service.clock import SystemClock
from shared.service.heartbeats import Heartbeat
from tests.support.running import eventually

router = APIRouter()


class OurBug(Exception):
    """Something that nobody thought of."""


@router.post("/v1/fails")
async def fails(body: dict[str, str]) -> None:
    raise OurBug(body)


@router.get("/v1/breaks-off")
async def breaks_off() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"the first half"
        raise OurBug

    return StreamingResponse(parts())


@router.get("/v1/works")
async def works() -> Mapping[str, bool]:
    return {"works": True}


async def hot(_: Request) -> Response:
    raise OurBug


@pytest.fixture
async def port() -> AsyncIterator[int]:
    database = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing", application="test", clock=SystemClock())
    app = create_app(
        title="test",
        description="",
        routers=[router],
        fast_routes={"/v1/hot": hot},
        health=Health(Heartbeat(), database, None),
        verifier=Verifier(public_key="", jwks_url="", algorithm="EdDSA", issuer="rapport"),
    )
    number = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=number, log_config=None))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        await eventually(partial(asyncio.to_thread, lambda: server.started), bool)
        yield number
        server.should_exit = True
    await database.close()


async def asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection that is open."""
    body = b"{}" if method == "POST" else b""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: test",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    return int(first.split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0)))


@pytest.mark.parametrize("path", ["/v1/fails", "/v1/hot"])
async def test_a_500_is_a_problem_and_the_connection_goes_on(port: int, path: str) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    with capture_logs() as logged:
        for _ in range(3):
            status, headers, body = await asked(reader, writer, "POST", path)
            assert (status, headers["content-type"]) == (500, PROBLEM)
            assert json.loads(body)["type"].endswith("/internal-error")
            assert headers.get("connection", "keep-alive") == "keep-alive"
            assert len(headers["trace-id"]) == 32
    assert [(one["event"], one["log_level"]) for one in logged] == [("http.unexpected", "error")] * 3
    status, _, body = await asked(reader, writer, "GET", "/v1/works")
    assert (status, json.loads(body)) == (200, {"works": True})
    writer.close()


async def test_an_answer_that_breaks_off_ends_its_connection(port: int) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    status, headers, _ = await asked(reader, writer, "GET", "/v1/breaks-off")
    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    rest = await reader.read()  # to the connection's end
    assert b"the first half" in rest
    assert not rest.endswith(b"0\r\n\r\n")
    writer.close()
