"""Gathers the evidence when the dust has settled."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid5

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer

from shared.contracts import topics
from tests.faults import ledger, provider
from tests.faults.evidence import Decision, Evidence, Folded, Handed, Letter, Message, Profile, Rebuilt, Record, Sent
from tests.faults.ledger import Outcome
from tests.faults.world import READS, Connected, moment
from tests.support.logs import log_ends


class Settled(Protocol):
    """A system that is at rest, as far as evidence is taken of it.

    `whole_logs` says whether its topics hold all that was ever published.
    """

    home: Path
    whole_logs: bool

    @property
    def running(self) -> set[str]: ...

    @property
    def direct(self) -> str: ...

    def database(self, name: str) -> Connected: ...

    async def lag(self) -> dict[str, Any]: ...


TURNS = ("rapport.segment_entered.", "rapport.segment_exited.")
_RANK = {Outcome.FAILED: 0, Outcome.UNKNOWN: 1, Outcome.OK: 2}


async def gather(world: Settled, history: Path) -> Evidence:
    """Reads everything; the world must be idle."""
    lines = list(ledger.read(history))
    running = world.running
    async with world.database("ingest") as connection:
        source_id: UUID = await connection.fetchval("SELECT id FROM sources WHERE name = 'demo'")
        quarantine = [row["message_id"] for row in await connection.fetch("SELECT message_id FROM quarantine")]
    reports = await world.lag()
    logs = await read_topics(world.direct, topics.ALL)
    return Evidence(
        source_id=source_id,
        sent=_sent(lines, source_id),
        answered=frozenset(line["key"] for line in lines if line["kind"] == "feedback" and line["outcome"] == "ok"),
        quarantine=quarantine,
        withdrawn=_withdrawn(lines),
        sending_at_kills=frozenset(UUID(one) for line in lines if line["kind"] == "kill" for one in line["sending"]),
        rebuilt={
            line["table"]: Rebuilt(line["before"], line["after"], tuple(line["differing"]))
            for line in lines
            if line["kind"] == "rebuilt"
        },
        whole_logs=world.whole_logs,
        logs={name: [_record(one) for one in found] for name, found in logs.items()},
        poison=_poison(lines, running),
        dead=await _dead(world, running),
        lag={key: one and one["lag"] for key, one in reports.items()},
        outbox={key: one["outbox"] for key, one in reports.items() if one},
        **await _profile(world),
        **(await _segment(world) if "segment" in running else {}),
        **(await _campaign(world) if "campaign" in running else {}),
        **(await _feedback(world) if "feedback" in running else {}),
        **(await _tally(world) if "tally" in running else {}),
    )


def _sent(lines: Sequence[Mapping[str, Any]], source_id: UUID) -> dict[UUID, Sent]:
    contents: dict[str, Mapping[str, Any]] = {}
    calls: dict[str, int] = defaultdict(int)
    fates: dict[str, list[Outcome]] = defaultdict(list)
    for line in lines:
        if line["kind"] == "call":
            for event in line["events"]:
                contents[event["messageId"]] = event
                calls[event["messageId"]] += 1
        elif line["kind"] == "answer":
            for message_id in line["ids"]:
                fates[message_id].append(Outcome(line["outcome"]))
    found: dict[UUID, Sent] = {}
    for message_id, content in contents.items():
        known = fates[message_id]
        if len(known) < calls[message_id]:  # a call that never came back
            known.append(Outcome.UNKNOWN)
        found[uuid5(source_id, message_id)] = Sent(message_id, content, max(known, key=_RANK.__getitem__))
    return found


def _withdrawn(lines: Sequence[Mapping[str, Any]]) -> dict[str, datetime]:
    return {to: moment(line["at"]) for line in lines if line["kind"] == "withdrawn" for to in line["addresses"]}


def _poison(lines: Sequence[Mapping[str, Any]], running: set[str]) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {name: {} for name in READS if name in running}
    for line in lines:
        if line["kind"] == "poison":
            for name in found:
                if line["topic"] in READS[name]:
                    found[name][line["place"]] = line["value"].encode()
    return found


async def _profile(world: Settled) -> dict[str, Any]:
    async with world.database("profile") as connection:
        timeline = await connection.fetch(
            "SELECT event_id, profile_id, type, source_id, claim, occurred_at FROM timeline"
        )
        profiles = await connection.fetch(
            "SELECT id, coalesce((state->>'events')::int, 0) AS events, coalesce((state->>'page_views')::int, 0) AS "
            "page_views, orders, coalesce((spend_minor->>'USD')::bigint, 0) AS spend_minor FROM profiles"
        )
        owners = await connection.fetch(
            "SELECT value, coalesce(a.canonical_id, i.profile_id) AS owner FROM identities i "
            "LEFT JOIN profile_aliases a USING (profile_id) WHERE namespace = 'user_id' AND profile_id IS NOT NULL"
        )
        orders = await _orders(connection)
    return {
        "timeline": [Folded(*row) for row in timeline],
        "profiles": _profiles(profiles),
        "owners": {row["value"]: row["owner"] for row in owners},
        "profile_orders": orders,
    }


def _profiles(rows: Sequence[Any]) -> dict[UUID, Profile]:
    return {r["id"]: Profile(r["events"], r["page_views"], r["orders"], r["spend_minor"]) for r in rows}


async def _orders(connection: asyncpg.Connection) -> dict[tuple[UUID, str], tuple[bool, int]]:
    rows = await connection.fetch("SELECT profile_id, order_id, counts, net_minor FROM orders")
    return {(row["profile_id"], row["order_id"]): (row["counts"], row["net_minor"]) for row in rows}


async def _segment(world: Settled) -> dict[str, Any]:
    async with world.database("segment") as connection:
        members = await connection.fetch("SELECT profile_id, segment_id FROM memberships WHERE member")
        aliases = await connection.fetch("SELECT profile_id FROM profile_aliases")
        return {
            "segment_orders": await _orders(connection),
            "memberships": frozenset((str(row["profile_id"]), row["segment_id"]) for row in members),
            "merged": frozenset(str(row["profile_id"]) for row in aliases),
        }


async def _campaign(world: Settled) -> dict[str, Any]:
    async with world.database("campaign") as connection:
        messages = await connection.fetch("SELECT id, profile_id, journey_id, trigger_id, state FROM messages")
        decisions = await connection.fetch("SELECT trigger_id, outcome FROM decisions")
    kept = provider.read(world.home / "mail").messages
    return {
        "campaign": True,
        "messages": [Message(*row) for row in messages],
        "decisions": [Decision(*row) for row in decisions],
        "handed": [Handed(one.triple, one.to, one.at) for one in kept],
    }


async def _feedback(world: Settled) -> dict[str, Any]:
    async with world.database("feedback") as connection:
        rows = await connection.fetch("SELECT text FROM responses WHERE published_here")
    return {"responses": [row["text"] for row in rows]}


async def _tally(world: Settled) -> dict[str, Any]:
    async with world.database("tally") as connection:
        return {"tally": {row["event_id"]: row["times"] for row in await connection.fetch("SELECT * FROM tally")}}


async def _dead(world: Settled, running: set[str]) -> dict[str, list[Letter]]:
    found: dict[str, list[Letter]] = {}
    for name in READS:
        if name in running:
            records = (await read_topics(world.direct, [topics.dead_letters(name)]))[topics.dead_letters(name)]
            async with world.database(name) as connection:
                rows = await connection.fetch("SELECT place FROM dead_letter_decisions WHERE decision = 'retried'")
            retried = {row["place"] for row in rows}  # these were taken in after all, which is for `kept` to judge
            found[name] = [_letter(one) for one in records if one.key.decode() not in retried]
    return found


def _letter(record: Any) -> Letter:
    headers = {name: value.decode() for name, value in record.headers if name.startswith("dlq_") and name != "dlq_key"}
    return Letter(f"{headers['dlq_topic']}/{headers['dlq_partition']}/{headers['dlq_offset']}", record.value)


def _record(record: Any) -> Record:
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    type_ = headers.get("ce_type", "")
    body = _body(record.value) if "_changed." in type_ or type_.startswith(TURNS) else {}
    return Record(
        partition=record.partition,
        event_id=headers.get("ce_id"),
        profile_id=headers.get("ce_profileid"),
        origin=int(headers["ce_origin"]) if "ce_origin" in headers else None,
        sequence=int(headers["ce_sequence"]) if "ce_sequence" in headers else None,
        version=body.get("version"),
        rises=body.get("direction") == "up",
        historical=headers.get("ce_historical") == "true",
        segment_id=body.get("segment_id"),
        enters=type_.startswith(TURNS[0]),
    )


def _body(value: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(value)["data"]
    return found


async def read_topics(bootstrap: str, names: Sequence[str]) -> dict[str, list[Any]]:
    """Every record of these topics, each partition in its order."""
    ends = await log_ends(bootstrap, names)
    found: dict[str, list[Any]] = {name: [] for name in names}
    left = {partition: end for partition, end in ends.items() if end > 0}
    if not left:
        return found
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=10)
    await consumer.start()
    try:
        consumer.assign(list(left))
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                found[partition.topic] += records
            left = {one: end for one, end in left.items() if await consumer.position(one) < end}
    finally:
        await consumer.stop()
    return found
