"""A customer who was two is parted, and one of them forgotten, over HTTP: every service follows."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from operator import eq
from typing import Any, Final

import httpx2
import pytest

from deploy.local.stack import Stack
from tests.e2e.test_canaries import still_waiting
from tests.support.running import eventually

pytestmark = pytest.mark.any_broker

FOLLOWERS: Final = ("segment", "campaign")  # who keep something of everybody
SLOW_SECONDS: Final = 60


@asynccontextmanager
async def client_of(stack: Stack, service: str) -> AsyncIterator[httpx2.AsyncClient]:
    bearer = {"Authorization": f"Bearer {stack.admin_token}"}
    async with httpx2.AsyncClient(base_url=stack.url(service), headers=bearer, trust_env=False, timeout=30) as client:
        yield client


async def taken_in(stack: Stack, batch: Sequence[Mapping[str, Any]]) -> None:
    async with httpx2.AsyncClient(base_url=stack.url("ingest"), auth=(stack.write_key, ""), trust_env=False) as client:
        (await client.post("/v1/batch", json={"batch": list(batch)})).raise_for_status()
    await drained(stack)


async def drained(stack: Stack) -> None:
    await eventually(lambda: still_waiting(stack), lambda left: left == 0, deadline_seconds=SLOW_SECONDS)


async def kept(stack: Stack, service: str, profile_id: str) -> dict[str, list[dict[str, Any]]]:
    """What a service keeps of a customer, by table."""
    async with client_of(stack, service) as client:
        answer = (await client.get(f"/v1/customer-data/{profile_id}")).raise_for_status()
    found: dict[str, list[dict[str, Any]]] = {}
    for line in answer.text.splitlines()[1:-1]:
        told = json.loads(line)
        found.setdefault(told["table"], []).append(told["row"])
    return found


def order(who: str, number: int) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"order-{who}-{number}",
        "userId": who,
        "properties": {"order_id": f"{who}-{number}", "currency": "USD", "total": 50},
    }


def identified(who: str) -> dict[str, Any]:
    return {
        "type": "identify",
        "messageId": f"identify-{who}",
        "userId": who,
        "traits": {"email": f"{who}@shop.example", "firstName": who},
    }


async def test_every_service_follows_a_split_and_an_erasure(stack: Stack) -> None:
    batch = [identified("ann"), identified("bob"), *(order("ann", n) for n in range(2)), order("bob", 9)]
    await taken_in(stack, batch)
    await taken_in(stack, [{"type": "alias", "messageId": "alias", "userId": "ann", "previousId": "bob"}])
    async with client_of(stack, "profile") as profile:
        one = (await profile.get("/v1/profiles/user_id:ann")).raise_for_status().json()
        assert (one["orders"], len(one["merged_ids"])) == (3, 1)
        assert (await profile.get("/v1/profiles/user_id:bob")).json()["id"] == one["id"]

        body = {"undo": one["merged_ids"][0], "reason": "two neighbours"}
        (await profile.post("/v1/profiles/user_id:ann/split", json=body)).raise_for_status()

        ids = {who: (await profile.get(f"/v1/profiles/user_id:{who}")).json()["id"] for who in ("ann", "bob")}
    assert ids["ann"] != ids["bob"]
    for who, orders in (("ann", 2), ("bob", 1)):
        at_segment = partial(orders_at_segment, stack, ids[who])
        await eventually(at_segment, partial(eq, orders), deadline_seconds=SLOW_SECONDS)
        contacts = (await kept(stack, "campaign", ids[who]))["contacts"]
        assert [(row["email"], row["orders"]) for row in contacts] == [(f"{who}@shop.example", orders)]

    async with client_of(stack, "profile") as profile:
        erased = (await profile.delete("/v1/profiles/user_id:ann")).raise_for_status().json()
    assert erased["profile_id"] == ids["ann"]
    assert erased["events"] >= 4  # and whatever was sent to her meanwhile
    async with client_of(stack, "ingest") as ingest:
        (await ingest.post("/v1/erasures", json={"identities": erased["identities"]})).raise_for_status()
    for service in FOLLOWERS:
        of_ann = partial(kept, stack, service, ids["ann"])
        await eventually(of_ann, lambda found: not found, deadline_seconds=SLOW_SECONDS)
        assert await kept(stack, service, ids["bob"])

    await taken_in(stack, batch)  # a sender's retry, long after
    async with client_of(stack, "profile") as profile:
        assert (await profile.get("/v1/profiles/user_id:ann")).status_code == httpx2.codes.NOT_FOUND
        assert (await profile.get("/v1/profiles/user_id:bob")).json()["orders"] == 1


async def orders_at_segment(stack: Stack, profile_id: str) -> int:
    rows = (await kept(stack, "segment", profile_id)).get("standings", [])
    return int(rows[0]["orders"]) if rows else 0
