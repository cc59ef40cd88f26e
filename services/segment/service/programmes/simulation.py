"""A changed programme tried out on the whole base: who would move where, and what it would cost. Nothing is stored."""

import asyncio
from datetime import datetime
from typing import Final
from uuid import UUID

from services.segment.domain.programmes.definition import parse
from services.segment.domain.programmes.simulation import Simulation
from services.segment.domain.programmes.tier_standing import tier
from services.segment.repository.programmes import customers, versions
from services.segment.service import rates
from services.segment.service.programmes.definitions import AT
from shared.database.database import Database

CHUNK: Final = 500  # customers that are looked at between two looks at other requests
NOBODY: Final = UUID(int=0)


async def simulate(database: Database, programme: str, document: object) -> tuple[Simulation, datetime]:
    """Returns what a candidate would make of everybody, beside what the version in force makes of them, and when.

    Exact, and of one moment: both are computed from all orders. A customer whom an event moves meanwhile may be seen
    before or after it. Raises `InvalidDefinition`.
    """
    candidate = parse(document, at=AT)
    async with database.work() as work:
        now = work.now
        in_force = (await versions.in_force(work, since=now)).at(now).get(programme)
        converter = await rates.converter(work)
    current = None if in_force is None else in_force.programme
    found = Simulation(current, candidate)
    margins = "margin" in {candidate.basis, current.basis if current else ""}
    after, seen = NOBODY, 0
    while True:
        async with database.work() as work:
            ids = await customers.buyers(work, after, limit=CHUNK)
            orders = await customers.orders(work, ids, margins=margins)
            given = await customers.overrides(work, ids)
            everybody = 0 if ids else await customers.customers(work)
        if not ids:
            break
        for one in ids:
            override = given[one][programme].override if programme in given.get(one, {}) else None
            bought = orders.get(one, [])
            before = None if current is None else tier(current, bought, now, override=override, rates=converter)
            found.add(one, before, tier(candidate, bought, now, override=override, rates=converter))
        after, seen = ids[-1], seen + len(ids)
        await asyncio.sleep(0)  # a chunk is tens of milliseconds of computing: others' turn
    found.add_without_orders(max(0, everybody - seen))
    return found, now
