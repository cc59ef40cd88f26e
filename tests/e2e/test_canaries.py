"""Personal data and secrets stay where they belong: what no log, metric, problem or process list may say is sent
through every route and by many records, and then looked for.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx2
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.postgres import Postgres
from deploy.local.settings import SERVICES
from deploy.local.stack import Stack, still_to_do
from shared.contracts import topics
from tests.support.clusters import INITIALISE
from tests.support.running import eventually

pytestmark = pytest.mark.any_broker

CANARY: Final = uuid4().hex
MAIL: Final = f"canary-{CANARY}@shop.example"
PHONE: Final = f"+49151{int(CANARY[:8], 16) % 10**8:08}"
NAME: Final = f"Canary {CANARY}"
WEBHOOK_SECRET: Final = f"webhook-secret-{CANARY}"
FOREIGN_TOKEN: Final = f"eyJhbGciOiJFZERTQSJ9.{CANARY}.{CANARY}"
PERSONAL: Final = (MAIL, PHONE, NAME)
DRAINED_SECONDS: Final = 60
METHODS: Final = ("get", "post", "put", "patch", "delete")
ID: Final = "0192a000-0000-7000-8000-000000000001"


@dataclass
class Shown:
    """What the services answered: the texts of problems, of headers, and all else."""

    problems: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    def note(self, answer: httpx2.Response) -> None:
        self.headers += [f"{name}: {value}" for name, value in answer.headers.items()]
        if answer.is_error:
            text = answer.text
            for asked in filter(None, answer.request.url.path.split("/")):  # what is not there is named as it was asked
                text = text.replace(asked, "")
            self.problems.append(text)
        assert answer.status_code < httpx2.codes.INTERNAL_SERVER_ERROR, (answer.request.url, answer.text)


@asynccontextmanager
async def client_of(stack: Stack, service: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=stack.url(service), trust_env=False, timeout=30) as client:
        yield client


async def secrets_of(stack: Stack) -> tuple[str, ...]:
    """What nobody may read anywhere."""
    passwords = json.loads((stack.home / "postgres-passwords.json").read_text()).values()
    kept = [(stack.home / name).read_text().strip() for name in ("partition-secret", "secrets-key", "auth-key.pem")]
    return (stack.write_key, stack.admin_token, WEBHOOK_SECRET, FOREIGN_TOKEN, *passwords, *kept)


def customer() -> dict[str, Any]:
    return {"email": MAIL, "phone": PHONE, "first_name": NAME, "user_id": f"u-{CANARY}"}


def event(**more: Any) -> dict[str, Any]:
    return {"type": "track", "userId": f"u-{CANARY}", "event": "Looked", "context": {"traits": customer()}, **more}


def bodies(key: str) -> Iterator[bytes]:
    """Right and wrong, as any sender might say them."""
    order = {"order_id": f"o-{CANARY}", "currency": "EUR", "total": "1.00", "email": MAIL}
    yield json.dumps({"batch": [event(), event(type="identify", traits=customer())], "writeKey": key}).encode()
    yield json.dumps(event(event="Order Completed", properties=order)).encode()
    yield json.dumps({"customer": customer(), **order, "name": NAME, "secret": WEBHOOK_SECRET}).encode()
    yield json.dumps({"profile_id": MAIL, "rating": NAME, "comment": f"{NAME} {MAIL} {PHONE}"}).encode()
    yield json.dumps([MAIL, key]).encode()
    yield f'{{"email": "{MAIL}", "writeKey": "{key}", '.encode()
    yield f'{{"email": "{MAIL}\\ud800", "note": "{NAME}\\u0000"}}'.encode()


def refused(key: str) -> Iterator[str]:
    """Events that the quarantine keeps, with a write key at some place and in some spelling."""
    wrong = '"type": "track", "event": "Order Completed", "properties": {"total": "none"'
    escaped = "".join(f"\\u{ord(character):04x}" for character in key)
    yield f'{{{wrong}}}, "messageId": "1", "writeKey": "{key}"}}'
    yield f'{{{wrong}}}, "messageId": "2", "write\\u004bey": "{key}"}}'
    yield f'{{{wrong}, "writeKey": "{key}"}}, "messageId": "3"}}'
    yield f'{{{wrong}}}, "messageId": "4", "context": {{"page": {{"url": "https://a.example/?k={key}"}}}}}}'
    yield f'{{{wrong}}}, "messageId": "5", "context": {{"a": [{{"WRITE_KEY": "{escaped}"}}]}}}}'


async def through_every_route(stack: Stack, service: str, shown: Shown) -> None:
    """Canaries in the path, the query, the body and the headers of each route, by an operator and by a stranger."""
    async with client_of(stack, service) as client:
        document = (await client.get("/openapi.json")).json()
        for path, routes in document["paths"].items():
            values = (ID, f"email:{MAIL}", stack.write_key) if "{" in path else (ID,)
            for method in (name for name in routes if name in METHODS):
                for value in values:
                    await _ask(client, stack, method, _filled(path, value), shown)


async def _ask(client: httpx2.AsyncClient, stack: Stack, method: str, path: str, shown: Shown) -> None:
    if "send-stop" in path or "disable" in path:  # would change what the others find
        return
    for token in (stack.admin_token, FOREIGN_TOKEN):
        headers = {"Authorization": f"Bearer {token}", "If-Match": f'"{MAIL}"', "Idempotency-Key": f"{MAIL}/{uuid4()}"}
        query = {"q": MAIL, "cursor": MAIL, "writeKey": stack.write_key, "limit": NAME}
        shown.note(await client.request(method, path, params=query, headers=headers))
        if method in ("post", "put", "patch"):
            for body in bodies(stack.write_key):
                shown.note(await client.request(method, path, content=body, headers=headers))
    if method == "post":
        passwords = cycle((ID, f"email:{MAIL}", stack.write_key))
        for body, password in zip(bodies(stack.write_key), passwords, strict=False):
            shown.note(await client.post(path, content=body, auth=(stack.write_key, password)))


def _filled(path: str, value: str) -> str:
    while "{" in path:
        begin, end = path.index("{"), path.index("}")
        path = path[:begin] + value + path[end + 1 :]
    return path


async def by_records(stack: Stack) -> None:
    """Records that no reader can take in, with canaries in each part of them."""
    producer = AIOKafkaProducer(bootstrap_servers=stack.broker.bootstrap)
    await producer.start()
    value = json.dumps({"email": MAIL, "name": NAME}).encode()
    try:
        for topic in (topics.EVENTS, topics.PROFILE_EVENTS, topics.PROFILES, topics.INBOUND):
            for headers in (
                [],
                [("ce_id", MAIL.encode()), ("ce_type", NAME.encode())],
                [("ce_id", ID.encode()), ("ce_type", b"rapport.order_placed.v1"), ("ce_source", MAIL.encode())],
            ):
                for content in (value, value[:-1], MAIL.encode()):
                    await producer.send_and_wait(topic, content, key=MAIL.encode(), headers=headers, partition=0)
    finally:
        await producer.stop()


async def still_waiting(stack: Stack) -> int:
    waiting = 0
    for service in SERVICES:
        async with client_of(stack, service) as client:
            waiting += still_to_do((await client.get("/health/lag")).json(), stack.broker.cluster_id)
    return waiting


def found(texts: Mapping[str, str], canaries: tuple[str, ...]) -> list[str]:
    """Where a canary stands, and which, by its beginning."""
    return sorted({f"{place}: {canary[:12]}" for place, text in texts.items() for canary in canaries if canary in text})


def command_lines() -> dict[str, str]:
    """What `ps` shows of every process."""
    told = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told[process.name] = (process / "cmdline").read_text(errors="replace")
        except OSError:
            continue  # it has ended
    return told


@pytest.fixture(autouse=True)
def _own_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a copied cluster are other tests' too, and one of those may show them to whom it likes."""
    monkeypatch.setattr(Postgres, "_initialise", INITIALISE)


async def test_no_canary_stands_where_nobody_may_read_it(stack: Stack) -> None:
    shown = Shown()
    for service in SERVICES:
        await through_every_route(stack, service, shown)
    async with client_of(stack, "ingest") as client:
        batch = f'{{"batch": [{", ".join(refused(stack.write_key))}], "context": {{"writeKey": "{stack.write_key}"}}}}'
        shown.note(await client.post("/v1/batch", content=batch.encode(), auth=(stack.write_key, "")))
        shown.note(await client.get("/v1/pixel.gif", params={"writeKey": stack.write_key, "userId": MAIL}))
    await by_records(stack)
    await eventually(lambda: still_waiting(stack), lambda waiting: waiting == 0, deadline_seconds=DRAINED_SECONDS)

    secrets = await secrets_of(stack)
    logs = {path.name: path.read_text(errors="replace") for path in (stack.home / "logs").iterdir()}
    assert all(f"{service}.log" in logs for service in SERVICES)
    assert found(logs, (*secrets, *PERSONAL)) == []
    assert found({str(n): text for n, text in enumerate(shown.headers)}, (*secrets, *PERSONAL)) == []
    assert found({str(n): text for n, text in enumerate(shown.problems)}, secrets) == []
    assert found(command_lines(), (*secrets, *PERSONAL)) == []
    for service in SERVICES:
        async with client_of(stack, service) as client:
            assert found({service: (await client.get("/metrics")).text}, (*secrets, *PERSONAL)) == []
    kept = await quarantined(stack)
    assert len(kept) >= 5
    assert found(kept, (stack.write_key, stack.admin_token, "\\u0072\\u006b\\u005f")) == []


async def quarantined(stack: Stack) -> dict[str, str]:
    """Each payload of the quarantine, whole, by its id."""
    kept: dict[str, str] = {}
    cursor: dict[str, str] = {}
    async with client_of(stack, "ingest") as client:
        client.headers["Authorization"] = f"Bearer {stack.admin_token}"
        while True:
            page = (await client.get("/v1/quarantine", params={"limit": 200, **cursor})).raise_for_status().json()
            for one in page["events"]:
                kept[one["id"]] = json.dumps((await client.get(f"/v1/quarantine/{one['id']}")).json())
            if page["next"] is None:
                return kept
            cursor = {"cursor": page["next"]}
