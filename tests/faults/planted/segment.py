"""A segment service that forgets what falls due, or does not look at all of its base by a new definition."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from msgspec import structs

from services.segment.domain.conditions.customer import Customer
from services.segment.domain.definitions import Definitions
from services.segment.domain.membership import Looked, MembershipState
from services.segment.repository import memberships as repository
from services.segment.service import memberships
from shared.database.database import Work
from shared.service.process import Service
from tests.faults.planted.patching import patch


def forgotten_due(_: Service) -> None:
    """Whose membership falls due is noted as done, and not looked at."""

    def pass_time(made: Definitions, customer: Customer, known: Mapping[str, MembershipState], now: datetime) -> Looked:
        del made, customer
        done = {name for name, one in known.items() if one.due_at is not None and one.due_at <= now}
        return Looked(known={name: structs.replace(known[name], due_at=None) for name in done})

    patch(memberships, pass_time=pass_time)


def hasty_backfill(_: Service) -> None:
    """Who is known of any segment already is not looked at by a new definition."""
    every = repository.next_customers

    async def next_customers(work: Work, after: UUID | None, *, limit: int) -> list[UUID]:
        ids = await every(work, after, limit=limit)
        known = await repository.of(work, ids)
        return [one for one in ids if one not in known]

    patch(repository, next_customers=next_customers)
