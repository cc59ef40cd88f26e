"""All SQL of feedback."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from shared.contracts.envelope import Event
from shared.contracts.events import FeedbackSubmitted
from shared.database import of_customers
from shared.database.database import Work
from shared.database.rows import columns, row_as, rows_as


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A response in a list."""

    id: UUID
    survey: str
    rating: int
    text: str
    order_id: str | None
    profile_id: UUID | None
    occurred_at: datetime
    unsolicited: str | None


class UnsolicitedResponse(StoredResponse, frozen=True, kw_only=True):
    """A response that counts in nothing, and when it was received."""

    received_at: datetime


class StoredCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case, with the response that opened it."""

    id: UUID
    status: str
    reason: str
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    note: str
    profile_id: UUID | None
    survey: str
    rating: int
    text: str
    order_id: str | None


async def insert_response(work: Work, event: Event, *, published_here: bool, unsolicited: str | None) -> bool:
    """Stores a response under its event's id. Returns False if it was there already."""
    body = event.body
    assert isinstance(body, FeedbackSubmitted)
    row = await work.row(
        """
        INSERT INTO responses (
               id, survey, rating, text, order_id, identities, profile_id, unsolicited, published_here,
               occurred_at, received_at
               )
        VALUES (
               :id, :survey, :rating, :text, :order_id, CAST(:identities AS jsonb), :profile_id, :unsolicited,
               :published_here, :occurred_at, :received_at
               )
            ON CONFLICT (id) DO NOTHING
        RETURNING id
        """,
        id=event.event_id,
        survey=body.survey,
        rating=body.rating,
        text=body.text,
        order_id=body.order_id,
        identities=msgspec.json.encode(event.identities).decode(),
        profile_id=event.profile_id,
        unsolicited=unsolicited,
        published_here=published_here,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
    )
    return row is not None


async def set_profile(work: Work, response_id: UUID, profile_id: UUID) -> None:
    """Notes whose response it is."""
    await work.run(
        "UPDATE responses SET profile_id = :profile_id WHERE id = :id", id=response_id, profile_id=profile_id
    )


async def erase(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Makes the responses of these ids nobody's, without their words, and deletes all else that is kept of them."""
    ids = sorted(set(profile_ids))
    mine = "SELECT id FROM responses WHERE profile_id = ANY(CAST(:ids AS uuid[]))"
    await work.run(f"DELETE FROM occasions WHERE response_id IN ({mine})", ids=ids)
    await work.run(f"UPDATE cases SET note = '' WHERE note <> '' AND id IN ({mine})", ids=ids)
    await work.run(
        """
        UPDATE responses
           SET profile_id = NULL, text = '', order_id = NULL, identities = '[]'
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=ids,
    )
    await of_customers.delete(work, ("customer_orders",), ids)


async def claim_occasion(work: Work, occasion: str, response_id: UUID) -> bool:
    """Returns whether a response is the one that counts for an occasion: the first one is, for ever."""
    return await _lock_occasion(work, occasion, response_id) == response_id


async def _lock_occasion(work: Work, occasion: str, response_id: UUID) -> UUID:
    """Returns the response that counts for an occasion, which is this one if there is no other."""
    row = await work.row(
        """
        INSERT INTO occasions AS o (occasion, response_id)
        VALUES (:occasion, :response_id)
        ON CONFLICT (occasion) DO UPDATE SET response_id = o.response_id
        RETURNING response_id
        """,
        occasion=occasion,
        response_id=response_id,
    )
    assert row is not None
    found: UUID = row.response_id
    return found


async def correct(work: Work, occasion: str, response_id: UUID, *, reason: str) -> None:
    """Lets the newer of two stored responses count for an occasion: of this one, and of the one that counted so far.

    The order of responses is total: read again, and in any order, they end the same.
    """
    former_id = await _lock_occasion(work, occasion, response_id)
    if former_id == response_id:
        return
    await work.run(
        """
        WITH newest AS (
            SELECT id
              FROM responses
             WHERE id IN (:response_id, :former_id)
             ORDER BY occurred_at DESC, received_at DESC, id DESC
             LIMIT 1
        ), counting AS (
            UPDATE occasions SET response_id = newest.id FROM newest WHERE occasion = :occasion
        )
        UPDATE responses
           SET unsolicited = :reason
          FROM newest
         WHERE responses.id IN (:response_id, :former_id) AND responses.id <> newest.id AND unsolicited IS NULL
        """,
        occasion=occasion,
        response_id=response_id,
        former_id=former_id,
        reason=reason,
    )


async def unsolicited(work: Work, response_id: UUID) -> str | None:
    """Returns why a response counts in nothing; None if it counts."""
    row = await work.row("SELECT unsolicited FROM responses WHERE id = :id", id=response_id)
    return None if row is None else row.unsolicited


async def note_orders(work: Work, owned: Iterable[tuple[str, UUID]]) -> None:
    """Notes whose orders are, given (order id, profile id)."""
    rows = sorted(set(owned))
    await work.run(
        """
        INSERT INTO customer_orders (order_id, profile_id)
        SELECT * FROM unnest(CAST(:orders AS text[]), CAST(:profiles AS uuid[]))
        ON CONFLICT DO NOTHING
        """,
        orders=[order_id for order_id, _ in rows],
        profiles=[profile_id for _, profile_id in rows],
    )


async def has_order(work: Work, profile_ids: Sequence[UUID], order_id: str) -> bool:
    """Returns whether an order belongs to a customer, under any of the customer's ids."""
    row = await work.row(
        """
        SELECT 1 FROM customer_orders
        WHERE order_id = :order_id AND profile_id = ANY(CAST(:profile_ids AS uuid[]))
        """,
        order_id=order_id,
        profile_ids=list(profile_ids),
    )
    return row is not None


async def open_case(work: Work, response_id: UUID, *, reason: str) -> bool:
    """Opens a case on a response, once. Returns whether there was none."""
    opened = await work.run(
        """
        INSERT INTO cases (id, reason, opened_at)
        VALUES (:id, :reason, :now)
            ON CONFLICT (id) DO NOTHING
        """,
        id=response_id,
        reason=reason,
        now=work.now,
    )
    return opened == 1


async def close_case(work: Work, case_id: UUID, *, closed_by: str, note: str) -> bool:
    """Closes an open case. Returns False if it was not open."""
    closed = await work.run(
        """
        UPDATE cases SET status = 'closed', closed_at = :now, closed_by = :closed_by, note = :note
         WHERE id = :id AND status = 'open'
        """,
        id=case_id,
        closed_by=closed_by,
        note=note,
        now=work.now,
    )
    return closed == 1


_CASES: Final = f"SELECT {columns(StoredCase)} FROM cases JOIN responses USING (id)"


async def case(work: Work, case_id: UUID) -> StoredCase | None:
    """Returns one case with its response."""
    return await row_as(work, StoredCase, f"{_CASES} WHERE id = :id", id=case_id)


async def cases(work: Work, *, status: str, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[StoredCase]:
    """Returns the cases of a status after a position, newest first."""
    opened_at, case_id = after or (None, None)
    return await rows_as(
        work,
        StoredCase,
        f"""
        {_CASES}
         WHERE status = :status
           AND (CAST(:opened_at AS timestamptz) IS NULL OR (opened_at, id) < (:opened_at, CAST(:case_id AS uuid)))
         ORDER BY opened_at DESC, id DESC
         LIMIT :limit
        """,
        status=status,
        opened_at=opened_at,
        case_id=case_id,
        limit=limit,
    )


async def responses_of(
    work: Work, profile_ids: Sequence[UUID], *, unsolicited: bool | None, limit: int
) -> Sequence[StoredResponse]:
    """Returns the responses under any of a customer's ids, newest first: all, those that count, or the others."""
    return await rows_as(
        work,
        StoredResponse,
        f"""
        SELECT {columns(StoredResponse)}
          FROM responses
         WHERE profile_id = ANY(CAST(:profile_ids AS uuid[]))
           AND (CAST(:unsolicited AS boolean) IS NULL OR (unsolicited IS NOT NULL) = :unsolicited)
         ORDER BY occurred_at DESC, id DESC
         LIMIT :limit
        """,
        unsolicited=unsolicited,
        profile_ids=profile_ids,
        limit=limit,
    )


async def unsolicited_page(
    work: Work, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[UnsolicitedResponse]:
    """Returns the responses after a position that count in nothing, in the order they were received, newest first."""
    received_at, response_id = after or (None, None)
    return await rows_as(
        work,
        UnsolicitedResponse,
        f"""
        SELECT {columns(UnsolicitedResponse)}
          FROM responses
         WHERE unsolicited IS NOT NULL
           AND (CAST(:received_at AS timestamptz) IS NULL OR (received_at, id) < (:received_at, CAST(:id AS uuid)))
         ORDER BY received_at DESC, id DESC
         LIMIT :limit
        """,
        received_at=received_at,
        id=response_id,
        limit=limit,
    )


async def ratings(work: Work, survey: str, *, since: datetime, until: datetime) -> dict[int, int]:
    """Returns how often each rating was given in `[since, until)`, by responses that count."""
    rows = await work.rows(
        """
        SELECT rating, count(*) AS given
        FROM responses
        WHERE survey = :survey AND occurred_at >= :since AND occurred_at < :until AND unsolicited IS NULL
        GROUP BY rating
        """,
        survey=survey,
        since=since,
        until=until,
    )
    return {row.rating: row.given for row in rows}


async def unsolicited_responses(work: Work, survey: str, *, since: datetime, until: datetime) -> int:
    """Returns how many responses given in `[since, until)` count in nothing."""
    row = await work.row(
        """
        SELECT count(*) AS given
        FROM responses
        WHERE survey = :survey AND occurred_at >= :since AND occurred_at < :until AND unsolicited IS NOT NULL
        """,
        survey=survey,
        since=since,
        until=until,
    )
    assert row is not None
    given: int = row.given
    return given
