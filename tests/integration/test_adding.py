"""The recipes of `docs/adding.md` work: planted kinds do what they are for, through to the end."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from deploy.local.settings import CHECKOUT
from tests.conftest import DatabaseFactory
from tests.support.recipes import follow

# Runs in the copy, whose `services` and `shared` have the planted kinds.
SCRIPT = """
import asyncio, base64, hashlib, hmac, json, sys
from datetime import UTC, datetime
from uuid import UUID

from services.campaign.channels import channels
from services.campaign.content import known
from services.campaign.domain.contact import Contact
from services.campaign.domain.delivery import Message
from services.campaign.domain.gate import Candidate, gate
from services.campaign.domain.message_definition import Cap, MessageDefinition
from services.campaign.settings import CampaignSettings
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.formats.webhooks import registry
from services.ingest.domain.formats.webhooks.delivery import Delivery
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.main import build
from services.ingest.service import triage
from services.ingest.settings import IngestSettings
from services.profile.service import read
from services.profile.service.fold import fold_events
from shared.contracts import asyncapi, wire
from shared.contracts.envelope import SourceKind
from shared.database.database import Database
from shared.service.clock import SystemClock

BY = UUID(int=7)
SECRET = b"a shared secret"
PARTITION = "4f1d9c3a7b2e8d6f0a5c1b9e7d3f2a6c"
CARD = {"customer": {"user_id": "42"}, "occurred_at": "2026-01-31T12:00:00Z", "card_id": "G-7", "currency": "EUR",
        "amount": "50.00"}
SAID = {"type": "track", "event": "Gift card bought", "messageId": "m-1", "userId": "42",
        "properties": {"card_id": "G-8", "currency": "EUR", "amount": 20, "wrapped": True}}
RECEIPT = {"number": "R-7", "card": "42", "sold_at": "2026-01-31T12:00:00Z", "currency": "EUR", "sum": "9.50"}


def taken(way, body, form="tracking", **around):
    source = Source(id=BY, name="shop", kind=SourceKind.SERVER, format=form)
    context = triage.context_for(source, datetime.now(UTC))
    payload = Payload(way=way, raw=json.dumps(body).encode(), around=around)
    done = triage.triage_payloads([payload], source, context, partition_secret=b"secret")
    assert not done.refused, done.refused
    return [wire.decode(one.headers, one.value) for one in done.accepted]


def held_on_sunday():
    sunday = datetime(2026, 3, 1, 12, tzinfo=UTC)
    one = Candidate(BY, MessageDefinition(id="news", version=1, template="news"), "t", sunday, sunday, sunday)
    ann = Contact(BY, "ann@example.com", {"email": True}, time_zone="Asia/Shanghai")
    found = gate(one, ann, [], paused=False, stopped=False, awaiting=False, send_cutoff=None,
                 customer_cap=Cap(3, 168), now=sunday)
    return [found.reason, found.until.isoformat(), found.evidence.check]


async def by_kiosk():
    settings = CampaignSettings(database_url="postgresql+asyncpg://u@nowhere/d", kafka_bootstrap="nowhere:9092",
                                http_port=8004, partition_secret=PARTITION, mail_from="hello@shop.example",
                                smtp_host="nowhere.invalid", smtp_port=25, kiosk_url="http://127.0.0.1:1/print")
    made = channels(settings, deliver=None)
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    one = Candidate(BY, MessageDefinition(id="n", version=1, template="n", channel="kiosk"), "t", now, now, now)
    found = gate(one, Contact(BY, None, {}), [], paused=False, stopped=False, awaiting=False, send_cutoff=None,
                 customer_cap=Cap(3, 168), now=now)
    reply = await made["kiosk"].send(Message(id=BY, to=found.address, parts={"text": "Hello"}, at=now))
    for channel in made.values():
        await channel.close()
    return [found.address, "kiosk" in known(made).channels, type(reply).__name__]


async def main(url):
    raw = json.dumps(RECEIPT).encode()
    signature = base64.b64encode(hmac.digest(SECRET, raw, hashlib.sha256)).decode()
    headers = {"x-tillsoft-signature": signature}
    registry.verify("tillsoft", SECRET, Delivery(raw=raw, headers=headers), now=datetime.now(UTC))
    events = [
        *taken(IngestMethod.TYPED, CARD, kind="gift-cards"),
        *taken(IngestMethod.TRACKING, SAID),
        *taken(IngestMethod.WEBHOOK, RECEIPT, "tillsoft", headers=registry.vouched("tillsoft", SECRET, headers)),
    ]
    database = Database(url, application="planted", clock=SystemClock())
    async with database.work() as work:
        await fold_events(work, events)
    async with database.work() as work:
        ids = [row.profile_id for row in await work.rows("SELECT DISTINCT profile_id FROM timeline")]
        rows = [row for one in ids for row in await read.timeline(work, one, before=None, limit=10)]
    settings = {"database_url": url, "kafka_bootstrap": "nowhere:9092", "http_port": 8001}
    document = build(IngestSettings(**settings, partition_secret=PARTITION)).app.openapi()
    await database.close()
    print(json.dumps({
        "profiles": len(ids),
        "timeline": sorted(str(row.type) for row in rows),
        "bodies": [json.loads(wire.encode(one)[1])["data"] for one in events],
        "route": document["paths"]["/v1/gift-cards"]["post"]["summary"],
        "formats": json.dumps(document).count('"tillsoft"'),
        "gate": held_on_sunday(),
        "kiosk": await by_kiosk(),
        "asyncapi": "GiftCardBought" in asyncapi.document()["channels"]["rapport.profile-events.v1"]["messages"],
    }))

asyncio.run(main(sys.argv[1]))
"""


async def test_a_planted_event_and_vendor_reach_a_customers_timeline_and_a_planted_check_and_channel_have_messages(
    database_factory: DatabaseFactory, tmp_path: Path
) -> None:
    for package in ("services", "shared"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / package, tmp_path / package, copy_function=os.link, ignore=ignored)
    _break_links(tmp_path)
    touched = follow(CHECKOUT / "docs" / "adding.md", tmp_path)
    assert sum(name.endswith(("/registry.py", "/__init__.py")) for name in touched) == 6
    assert len(touched) == 13, "one file for each kind, its class on the bus, and a line in each registry"

    found = await _run(tmp_path, await database_factory("profile"))
    assert found["profiles"] == 1
    assert found["timeline"] == [
        "rapport.gift_card_bought.v1",
        "rapport.gift_card_bought.v1",
        "rapport.order_placed.v2",
    ]
    assert found["bodies"][0] == {"card_id": "G-7", "currency": "EUR", "amount_minor": 5000}
    assert found["bodies"][1] == {
        "extra": {"wrapped": True},
        "card_id": "G-8",
        "currency": "EUR",
        "amount_minor": 2000,
    }
    assert found["bodies"][2] == {
        "order_id": "R-7",
        "currency": "EUR",
        "total_minor": 950,
        "placed_at": "2026-01-31T12:00:00Z",
        "state": "placed",
        "whole": True,
    }
    assert found["route"] == "A customer bought a gift card"
    assert found["formats"] > 0, "OpenAPI says that a source may have this format"
    assert found["asyncapi"]
    assert found["kiosk"] == [str(UUID(int=7)), True, "Deferred"]
    assert found["gate"] == ["sunday", "2026-03-01T16:00:00+00:00", "sunday"]


def _break_links(root: Path) -> None:
    """Files that the recipes change must not be the checkout's own."""
    for name in ("services/ingest/domain", "services/campaign", "shared/contracts"):
        for file in (root / name).rglob("*.py"):
            text = file.read_text()
            file.unlink()
            file.write_text(text)


async def _run(root: Path, url: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SCRIPT,
        url,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-2000:]
    return json.loads(out.decode().splitlines()[-1])
