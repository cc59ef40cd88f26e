"""The audit log: every change of a definition leaves one entry, in its transaction, in a chain that shows tampering."""

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import httpx2
import pytest

from shared import audit
from shared.audit import command, log
from shared.audit.chain import Head
from shared.database.database import Database
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.actors import OPERATOR
from tests.support.applications import SERVICES, asking, build, token
from tests.support.commands import run_command
from tests.support.events import SECRET as SECRET_OF_TESTS
from tests.support.ingest import bearer, ingesting

SECRET: Final = "whsec_c2VjcmV0LWNhbmFyeS1zZWNyZXQtY2FuYXJ5"
NOTE: Final = "called ann@canary.example"


async def opened(factory: DatabaseFactory, service: str = "segment", pool_size: int = 4) -> Database:
    url = await factory(service)
    return Database(url, application="test-audit", clock=SystemClock(timedelta()), pool_size=pool_size)


async def write(database: Database, count: int) -> None:
    for n in range(count):
        async with database.work() as work:
            await audit.record(work, OPERATOR, "thing.changed", "thing", n, {"n": [n, n + 1]})


async def verified(database: Database, known: Head | None = None) -> tuple[Head, list[int]]:
    async with database.work() as work:
        head, found = await log.verify(work, known=known)
    return head, [one.sequence for one in found]


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_tells_its_admins_who_changed_what(database_factory: DatabaseFactory, service: str) -> None:
    made = build(service, await database_factory(service))
    async with asking(made, token(scope=f"{service}:admin")) as client:
        await write(made.database, 5)
        first = (await client.get("/v1/audit?limit=3")).json()
        rest = (await client.get("/v1/audit", params={"limit": 3, "cursor": first["next"]})).json()
        assert [one["sequence"] for one in first["entries"] + rest["entries"]] == [5, 4, 3, 2, 1]
        assert rest["next"] is None
        newest = first["entries"][0]
        assert (newest["subject"], newest["scopes"], newest["action"]) == ("operator", ["test:admin"], "thing.changed")
        assert newest["change"] == {"n": [4, 5]}
        assert newest["previous"] == first["entries"][1]["hash"]
        for scope in (f"{service}:write", f"{service}:read", "other:admin"):
            assert (await client.get("/v1/audit", headers=token(scope=scope))).status_code == 403


async def test_a_change_that_is_rolled_back_leaves_no_entry(database_factory: DatabaseFactory) -> None:
    database = await opened(database_factory)
    await write(database, 1)
    async with database.work() as work:
        with contextlib.suppress(RuntimeError):
            async with work.savepoint():
                await audit.record(work, OPERATOR, "thing.changed", "thing", 2)
                raise RuntimeError
    await write(database, 1)
    head, broken = await verified(database)
    assert (head.sequence, broken) == (2, [])
    await database.close()


async def test_changes_at_the_same_time_make_one_chain_without_gaps(database_factory: DatabaseFactory) -> None:
    database = await opened(database_factory)
    await asyncio.gather(*(write(database, 5) for _ in range(6)))
    head, broken = await verified(database)
    assert (head.sequence, broken) == (30, [])
    await database.close()


TAMPERINGS: Final = {
    "a subject changed": "UPDATE audit_log SET subject = 'somebody else' WHERE sequence = 3",
    "a moment changed": "UPDATE audit_log SET at = at + interval '1 microsecond' WHERE sequence = 3",
    "a change rewritten": "UPDATE audit_log SET change = CAST('{\"n\":[2,4]}' AS json) WHERE sequence = 3",
    "an object changed": "UPDATE audit_log SET object_id = '7' WHERE sequence = 1",
    "scopes changed": "UPDATE audit_log SET scopes = '' WHERE sequence = 5",
    "the first removed": "DELETE FROM audit_log WHERE sequence = 1",
    "one removed": "DELETE FROM audit_log WHERE sequence = 3",
    "the last removed": "DELETE FROM audit_log WHERE sequence = 5",
    "all removed": "DELETE FROM audit_log",
    "the head forgotten": "DELETE FROM audit_head",
    "two exchanged": "UPDATE audit_log SET sequence = 9 - sequence WHERE sequence IN (4, 5)",
    "one moved": "UPDATE audit_log SET sequence = 6 WHERE sequence = 2",
}


@pytest.mark.parametrize("statement", TAMPERINGS.values(), ids=list(TAMPERINGS))
async def test_tampering_with_the_table_is_found(database_factory: DatabaseFactory, statement: str) -> None:
    database = await opened(database_factory)
    await write(database, 5)
    assert (await verified(database))[1] == []
    if "9 - sequence" in statement:  # by way of numbers that are free: each row must be unique at any time
        async with database.work() as work:
            await work.run("UPDATE audit_log SET sequence = -sequence WHERE sequence IN (4, 5)")
            await work.run("UPDATE audit_log SET sequence = 9 + sequence WHERE sequence < 0")
    else:
        async with database.work() as work:
            await work.run(statement)
    assert (await verified(database))[1] != []
    await database.close()


async def test_a_chain_that_was_made_anew_is_found_by_a_head_that_was_noted(database_factory: DatabaseFactory) -> None:
    database = await opened(database_factory)
    await write(database, 3)
    noted, _ = await verified(database)
    async with database.work() as work:
        await work.run("DELETE FROM audit_log")
        await work.run("UPDATE audit_head SET sequence = 0, hash = decode(repeat('00', 32), 'hex')")
    await write(database, 2)
    assert (await verified(database))[1] == []
    assert (await verified(database, noted))[1] == [3]
    await write(database, 2)
    assert (await verified(database, noted))[1] == [3]
    await database.close()


async def test_the_command_says_whether_the_chain_holds(
    database_factory: DatabaseFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    database = await opened(database_factory)
    await write(database, 2)
    assert await command.run("segment", database, ["verify"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("2 entries, head 2:")
    head = printed.split()[-1]
    await write(database, 1)
    assert await command.run("segment", database, ["verify", "--head", head]) == 0
    async with database.work() as work:
        await work.run("UPDATE audit_log SET subject = 'nobody' WHERE sequence = 2")
    assert await command.run("segment", database, ["verify"]) == 1
    assert "entry 2 its content is not what its hash was made of" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        await command.run("segment", database, ["verify", "--head", "nonsense"])
    await database.close()


async def test_a_command_leaves_an_entry_with_the_user_who_ran_it(database_factory: DatabaseFactory) -> None:
    database = await opened(database_factory)
    assert await _command(database, "resume", "--accept", "3") == (0, "")
    status, printed = await _command(database, "audit", "verify")
    assert (status, printed.split(",")[0]) == (0, "1 entries")
    async with database.work() as work:
        (entry,) = await log.page(work, before=None, limit=10)
    assert (entry.action, entry.object_id, entry.scopes) == ("partitions.resumed", "segment", "command line")
    assert entry.subject == command.user().subject
    await database.close()


async def _command(database: Database, *arguments: str) -> tuple[int, str]:
    """A command of segment in a process of its own: its exit status, and what it printed to standard output."""
    environment = {
        "DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
        "KAFKA_BOOTSTRAP": "nowhere.invalid:9092",
        "PARTITION_SECRET": SECRET_OF_TESTS.decode(),
        "HTTP_PORT": "1",
    }
    status, printed, _ = await run_command("segment", *arguments, env={**os.environ, **environment})
    return status, printed


# What leaves an entry

Steps = Callable[[httpx2.AsyncClient], Awaitable[None]]


async def entries(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    answer = (await client.get("/v1/audit?limit=200")).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["entries"]
    return found[::-1]


async def test_what_operators_do_at_ingest_leaves_entries_without_secrets(database_factory: DatabaseFactory) -> None:
    async with ingesting(await database_factory("ingest")) as ingest:
        http, admin = ingest.http, bearer("ingest:admin")
        http.headers.update(admin)
        before = len(await entries(http))
        await ingest.post("track", {"event": "Order Completed", "userId": "ann@canary.example"})
        await ingest.post("track", {"event": "Order Completed", "userId": "ben@canary.example"})
        made = (await http.post("/v1/sources", json={"name": "shop", "format": "shopify", "secret": SECRET})).json()
        source = f"/v1/sources/{made['id']}"
        sent: dict[str, Any] = {"headers": {"If-Match": '"1"'}}
        assert (await http.patch(source, json={"secret": SECRET + "x", "mapping": None}, **sent)).status_code == 200
        key = (await http.post(f"{source}/keys", json={"grace_hours": 1})).json()["write_key"]
        for _ in range(2):  # the second time nothing changes
            await http.post(f"{source}/disable")
        await http.post(f"{source}/enable")
        await http.put(f"{source}/plan", json={"events": {}})
        await http.put(f"{source}/plan/in-force", json={"version": None})
        options = {"source_id": made["id"], "name": "a.csv", "options": {"format": "csv", "preset": "orders"}}
        announced = (await http.post("/v1/imports", json=options)).json()["id"]
        assert (await http.put(f"/v1/imports/{announced}/content", content=b"order_id\n1\n")).status_code == 202
        spare = (await http.post("/v1/sources", json={"name": "spare"})).json()["id"]
        await http.delete(f"/v1/sources/{spare}")
        first, second = (one["id"] for one in await ingest.quarantined())
        repair = {
            "set": {
                "properties.order_id": {"value": "1"},
                "properties.currency": {"value": "EUR"},
                "properties.total": {"value": "1.00"},
                "properties.note": {"value": NOTE},
            },
        }
        released = (await http.post(f"/v1/quarantine/{first}/release", json={"repair": repair})).json()
        assert released["released"], released
        await http.post(f"/v1/quarantine/{first}/release", json={"dry_run": True})
        assert (await http.post(f"/v1/quarantine/{second}/drop", json={"note": NOTE})).status_code == 204
        found = (await entries(http))[before:]
        assert [one["action"] for one in found] == [
            *("source.created", "source.changed", "source.key_rotated", "source.disabled", "source.enabled"),
            *("plan.written", "plan.put_in_force", "import.announced", "import.uploaded", "source.created"),
            *("source.deleted", "quarantine.released", "quarantine.dropped"),
        ]
        assert {(one["subject"], *one["scopes"]) for one in found} == {("operator", "ingest:admin")}
        text = json.dumps(found)
        for canary in (SECRET, key, made["write_key"], "canary.example"):
            assert canary not in text


async def test_what_operators_do_at_campaign_leaves_entries(database_factory: DatabaseFactory) -> None:
    made = build("campaign", await database_factory("campaign"))
    async with asking(made, token("carol", "campaign:admin")) as client:
        for _ in range(2):
            await client.post("/v1/journeys/win-back/pause")
        await client.post("/v1/journeys/win-back/resume")
        await client.post("/v1/journeys/nonsense/pause")
        for _ in range(2):
            await client.post("/v1/send-stop")
        for _ in range(2):
            await client.delete("/v1/send-stop")
        assert (await client.post("/v1/send-cutoff", json={"at": "2026-03-01T12:00:00Z"})).status_code == 200
        found = await entries(client)
    assert [(one["action"], one["object_id"], one["subject"]) for one in found] == [
        ("journey.paused", "win-back", "carol"),
        ("journey.resumed", "win-back", "carol"),
        ("sending.stopped", "campaign", "carol"),
        ("sending.resumed", "campaign", "carol"),
        ("send_cutoff.set", "campaign", "carol"),
    ]


async def test_a_case_that_is_closed_leaves_an_entry_without_its_note(database_factory: DatabaseFactory) -> None:
    made = build("feedback", await database_factory("feedback"))
    async with asking(made, token("carol", "feedback:admin")) as client:
        answer = {"customer": {"profile_id": str(UUID(int=42, version=4))}, "survey": "nps", "rating": 1}
        case = (await client.post("/v1/feedback", json=answer)).json()["id"]
        for _ in range(2):
            await client.post(f"/v1/cases/{case}/close", json={"note": NOTE})
        (one,) = await entries(client)
    assert (one["action"], one["object_id"], one["subject"]) == ("case.closed", case, "carol")
    assert NOTE not in json.dumps(one)
