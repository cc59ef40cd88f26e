"""Whatever way the Kafka client fails, its caller gets a `KafkaError`."""

import asyncio

import pytest
import uvloop
from aiokafka.errors import KafkaError

from shared.kafka.failures import failures_raise


async def _cancelled_by_the_client() -> None:
    answer = asyncio.get_running_loop().create_future()
    answer.cancel()
    with failures_raise():
        await answer


async def test_a_future_that_the_client_cancelled_is_no_cancellation_of_its_caller() -> None:
    with pytest.raises(KafkaError):
        await _cancelled_by_the_client()


async def test_a_cancellation_of_the_caller_stays_one() -> None:
    async with asyncio.TaskGroup() as tasks:

        async def waiting() -> None:
            with failures_raise():
                await asyncio.get_running_loop().create_future()

        task = tasks.create_task(waiting())
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()


def test_a_write_on_a_connection_that_was_just_reset_is_a_failure_of_the_client() -> None:
    async def write() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.close()
            await writer.wait_closed()
            with failures_raise():
                writer.write(b"request")

    with pytest.raises(KafkaError, match="the handler is closed"):
        uvloop.run(write())


def test_any_other_error_is_nobodys_failure_but_our_own() -> None:
    with pytest.raises(RuntimeError, match="ours"), failures_raise():
        raise RuntimeError("ours")
