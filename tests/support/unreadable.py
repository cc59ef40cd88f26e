"""A record that aiokafka can't read."""

from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

CRC_AT: Final = 17  # the byte of a batch at which its checksum stands (KIP-98)
CRC_FROM: Final = 21  # and the first of those that it is of


async def produce_with_a_bad_name(bootstrap: str, topic: str) -> None:
    """Sends a record to partition 0 that has a header whose name is no text in UTF-8.

    librdkafka lets its callers do so, and aiokafka does not: a good batch is changed on its way out.
    """
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        batch = producer.create_batch()
        batch.append(key=b"k", value=b"{}", timestamp=None, headers=[("name", b"v")])
        good = batch._build

        def bad() -> bytearray:
            data = bytearray(good())
            place = data.index(b"name")
            data[place : place + 4] = b"\xff\xfe\xff\xfe"
            data[CRC_AT:CRC_FROM] = calc_crc32c(bytes(data[CRC_FROM:])).to_bytes(4, "big")
            return data

        batch._build = bad
        await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()
