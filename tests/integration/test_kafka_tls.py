"""Kafka with TLS, logins and certificates of the client: one broker, with a listener for each."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka.errors import KafkaError

from deploy.local.kafka import ApacheKafka, Listener
from deploy.local.process import LOOPBACK, free_port
from shared.contracts import topics
from shared.contracts.wire import Message
from shared.kafka import log
from shared.kafka.connection import KafkaConnection, Mechanism
from shared.kafka.producer import Producer
from shared.kafka.topics import ensure_topics
from shared.service import process
from tests.conftest import DatabaseFactory
from tests.support.applications import build
from tests.support.certificates import Authority
from tests.support.running import KAFKA_SESSION_MILLISECONDS, eventually, running

USER: Final = "rapport"
PASSWORD: Final = "canary4711canary"
KEY_PASSWORD: Final = "opens-the-key"
PLAIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"
LOGINS: Final = {
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "plain.sasl.jaas.config": f'{PLAIN} required user_{USER}="{PASSWORD}";',
    "scram-sha-256.sasl.jaas.config": f"{SCRAM} required;",
    "scram-sha-512.sasl.jaas.config": f"{SCRAM} required;",
}

pytestmark = pytest.mark.needs_kafka


@dataclass(frozen=True)
class Secured:
    """A broker's listeners, and what clients need for them."""

    login_tls: KafkaConnection
    login_plain: KafkaConnection
    certificate: KafkaConnection
    stranger: Path
    """The certificate of an authority that signed nothing here."""


@pytest.fixture(scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    home = tmp_path_factory.mktemp("kafka-tls")
    authority, stranger = Authority(home), Authority(home, "stranger")
    certificate, key = authority.sign("broker")
    store = home / "broker-store.pem"
    store.write_bytes(key.read_bytes() + certificate.read_bytes())
    own, own_key = authority.sign("client", password=KEY_PASSWORD)
    tls = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
    }
    listeners = (
        Listener("LOGINTLS", free_port(), "SASL_SSL", {**tls, **LOGINS}),
        Listener("LOGIN", free_port(), "SASL_PLAINTEXT", LOGINS),
        Listener("MUTUAL", free_port(), "SSL", {**tls, "ssl.client.auth": "required"}),
    )
    login = KafkaConnection(
        listeners[0].address, "SASL_SSL", username=USER, password=PASSWORD, authority=str(authority.file)
    )
    broker = ApacheKafka(home, free_port(), quick=True, listeners=listeners, scram_users={USER: PASSWORD})
    try:
        await broker.start()
        yield Secured(
            login_tls=login,
            login_plain=KafkaConnection(
                listeners[1].address, "SASL_PLAINTEXT", "SCRAM-SHA-512", username=USER, password=PASSWORD
            ),
            certificate=KafkaConnection(
                listeners[2].address,
                "SSL",
                authority=str(authority.file),
                certificate=str(own),
                key=str(own_key),
                key_password=KEY_PASSWORD,
            ),
            stranger=stranger.file,
        )
    finally:
        await broker.kill()


async def _goes_round(connection: KafkaConnection, name: str) -> None:
    """Makes the topics, writes a record and reads it: the admin client, the producer and the reader."""
    await ensure_topics(connection, topics.ALL, replication=1, patience_seconds=10)
    producer = Producer(connection, client_id="test")
    await producer.send([Message(topic=topics.SEGMENTS, key=b"k", value=name.encode(), headers=[])])
    await producer.close()
    assert name.encode() in {one.value for one in await log.read(connection, topics.SEGMENTS)}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_with_tls_and_a_login(secured: Secured, mechanism: Mechanism) -> None:
    await _goes_round(replace(secured.login_tls, mechanism=mechanism), mechanism)


async def test_with_a_login_alone(secured: Secured) -> None:
    await _goes_round(secured.login_plain, "login")


async def test_with_a_certificate_of_the_client_and_a_locked_key(secured: Secured) -> None:
    await _goes_round(secured.certificate, "certificate")


async def test_what_is_not_trusted_is_not_spoken_to(secured: Secured) -> None:
    good = secured.login_tls
    wrong = {
        "the broker's authority": replace(good, authority=str(secured.stranger)),
        "its name": replace(good, bootstrap=good.bootstrap.replace(LOOPBACK, "localhost")),
        "the password": replace(good, password=PASSWORD[1:]),
        "the mechanism's password": replace(good, password=PASSWORD[1:], mechanism="SCRAM-SHA-256"),
        "no certificate": replace(secured.certificate, certificate="", key=""),
        "no TLS": KafkaConnection(good.bootstrap),
    }
    assert [what for what, connection in wrong.items() if not await _refused(connection)] == []


async def _refused(connection: KafkaConnection) -> bool:
    try:
        await ensure_topics(connection, topics.ALL, replication=1, patience_seconds=0)
    except (KafkaError, OSError, TimeoutError):
        return True
    return False


async def test_a_service_reads_and_publishes_with_the_same_login(
    secured: Secured, database_factory: DatabaseFactory
) -> None:
    connection = secured.login_tls
    settings: dict[str, Any] = {
        "kafka_bootstrap": connection.bootstrap,
        "kafka_security_protocol": connection.protocol,
        "kafka_sasl_mechanism": "SCRAM-SHA-256",
        "kafka_sasl_username": connection.username,
        "kafka_sasl_password": connection.password,
        "kafka_tls_ca_file": connection.authority,
        "kafka_session_timeout_milliseconds": KAFKA_SESSION_MILLISECONDS,
    }
    service = build("feedback", await database_factory("feedback"), **settings)
    assert service.consumer is not None
    consumer = service.consumer
    async with running(service):
        assert await eventually(lambda: _answer(consumer.is_connected()), bool)
        async with service.database.work() as work:
            await work.run(
                "INSERT INTO outbox (topic, key, headers, value) VALUES (:topic, 'k', '{}', 'from the outbox')",
                topic=topics.SEGMENTS,
            )
        await eventually(lambda: _published(service), lambda left: left == 0)
    assert b"from the outbox" in {one.value for one in await log.read(connection, topics.SEGMENTS)}


async def _answer(value: bool) -> bool:
    await asyncio.sleep(0)
    return value


async def _published(service: process.Service) -> int:
    async with service.database.work() as work:
        row = await work.row("SELECT count(*) AS left FROM outbox")
    return int(row.left) if row else 0
