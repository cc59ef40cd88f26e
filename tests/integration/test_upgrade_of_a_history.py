"""A customer base that the first release filled, upgraded and rebuilt, has the orders, refunds and figures of the same
history read anew.

`upgrade/history.json` is what came in, one step a delivery. `upgrade/profile_of_the_first_release.json` are the rows
that the first release of profile, at its revision 0003, made of it. What differs is known: of a refund that a shop
deleted the first release kept no trace, and a provider's charge was an order of its own.
"""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import pytest

from deploy.local.postgres import Postgres
from services.ingest.domain.definitions.source import Source
from services.ingest.domain.payload import IngestMethod, Payload
from services.ingest.domain.request.owners import Owners
from services.ingest.service import owners, triage
from services.ingest.service.triage import TriageResult
from services.profile.service import read
from services.profile.service.fold import fold_events
from services.profile.service.rebuild import NOBODY, fill_identities, mend_aliases, mend_profiles
from shared.contracts import wire
from shared.contracts.envelope import SourceKind
from shared.database import migrate
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.webhooks import TOPIC_HEADERS

FOLDER: Final = Path(__file__).parent / "upgrade"
FIRST_REVISION: Final = "0003"
CUSTOMERS: Final = ("ann", "ben", "cleo", "dora", "emil", "finn", "ann.other")


@pytest.fixture
async def of_the_first_release(postgres: Postgres) -> AsyncIterator[Database]:
    """What the first release left, upgraded and rebuilt."""
    name = f"test_history_{uuid4().hex[:12]}"
    url = await postgres.create_database(name, "rapport_profile")
    await migrate.upgrade("profile", url, version=FIRST_REVISION)
    database = Database(url, application="test", clock=SystemClock())
    tables = json.loads((FOLDER / "profile_of_the_first_release.json").read_text(encoding="utf-8"))
    async with database.work() as work:
        for table, rows in tables.items():
            always = "OVERRIDING SYSTEM VALUE" if table == "identity_log" else ""
            populated = f"json_populate_recordset(CAST(NULL AS {table}), CAST(:rows AS json))"
            await work.run(f"INSERT INTO {table} {always} SELECT * FROM {populated}", rows=json.dumps(rows))
    await migrate.upgrade("profile", url)
    async with database.work() as work:
        await mend_aliases(work)
        await fill_identities(work)
    after: UUID | None = NOBODY
    while after is not None:
        async with database.work() as work:
            after, _, _ = await mend_profiles(work, after)
    yield database
    await database.close()
    await postgres.drop_database(name)


def taken(step: dict[str, Any], known: dict[str, Any]) -> TriageResult:
    """What ingest makes of a delivery today, from a source of the common space, as those of before are."""
    way, number = step["way"], ("track", "shopify", "woocommerce", "stripe").index(step["way"])
    form = "tracking" if way == "track" else way
    source = Source(id=UUID(int=0x100 + number), name=way, kind=SourceKind.SERVER, format=form)
    context = triage.context_for(source, datetime.fromisoformat(step["at"]))
    raw = json.dumps(step["body"]).encode()
    if way == "track":
        return triage.triage_messages([raw], context, partition_secret=b"test")
    payload = Payload(
        way=IngestMethod.WEBHOOK, raw=raw, around={"headers": {TOPIC_HEADERS.get(way, "x"): step.get("topic", "")}}
    )
    owned: Owners = known
    done = triage.triage_payloads([payload], source, context, partition_secret=b"test", owners=owned)
    known |= owners.stated(done)
    return done


async def read_anew(database: Database) -> None:
    """Takes in the history as it came."""
    known: dict[str, Any] = {}
    for step in json.loads((FOLDER / "history.json").read_text(encoding="utf-8")):
        done = taken(step, known)
        assert done.refused == []
        async with database.work() as work:
            work.origin = 0
            await fold_events(work, [wire.decode(one.headers, one.value) for one in done.accepted])


async def figures(database: Database) -> dict[str, Any]:
    """By customer, what the profile says of orders and money."""
    found = {}
    async with database.work() as work:
        for name in CUSTOMERS:
            one = await read.profile(work, await read.resolve(work, f"email:{name}@example.com"))
            money = ("orders", "spend_minor", "refunded_minor", "first_order_at", "last_order_at")
            found[name] = {field: one[field] for field in money}
    return found


async def test_an_upgraded_history_has_the_orders_and_figures_of_the_same_history_read_anew(
    of_the_first_release: Database, database_factory: DatabaseFactory
) -> None:
    anew = Database(await database_factory("profile"), application="test", clock=SystemClock())
    await read_anew(anew)
    expected = await figures(anew)
    await anew.close()

    assert await figures(of_the_first_release) == expected
    spend = {name: one["spend_minor"] for name, one in msgspec.to_builtins(expected).items()}
    assert spend == {
        "ann": {"EUR": 55_00},
        "ben": {"USD": 15_00},
        "cleo": {"EUR": 26_00},
        "dora": {"EUR": 50_00},
        "emil": {"EUR": 30_00},
        "finn": {"EUR": 80_00},
        "ann.other": {"EUR": 11_00},
    }
