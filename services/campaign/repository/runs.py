"""SQL on runs of journeys, and on the steps that they took."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from services.campaign.domain.journey.run import Cause, Run, RunState, Signal, Step
from shared.database.database import Work
from shared.database.rows import Json, arrays, columns, rows_as, unnest, upsert

CUSTOMERS_LOCK: Final = 0x5275_6E73  # any number that nobody else locks


class StoredRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is kept. Field names are column names."""

    id: UUID
    journey_id: str
    version: int
    profile_id: UUID
    entry_key: str
    trigger_id: str
    triggered_at: datetime
    entered_at: datetime
    state: str
    reason: str
    ended_at: datetime | None
    node: str
    visit: int
    data: Json
    awaits: str
    signal: str | None
    waiting_since: datetime
    due_at: datetime | None
    cause_id: UUID
    cause_occurred_at: datetime
    cause_received_at: datetime
    by_time: bool
    depth: int
    traceparent: str | None

    @property
    def run(self) -> Run:
        """The run, as the domain has it."""
        return Run(
            id=self.id,
            journey_id=self.journey_id,
            version=self.version,
            profile_id=self.profile_id,
            entry_key=self.entry_key,
            trigger_id=self.trigger_id,
            triggered_at=self.triggered_at,
            cause=Cause(
                id=self.cause_id,
                occurred_at=self.cause_occurred_at,
                received_at=self.cause_received_at,
                by_time=self.by_time,
                depth=self.depth,
                traceparent=self.traceparent,
            ),
            entered_at=self.entered_at,
            node=self.node,
            visit=self.visit,
            data=msgspec.json.decode(self.data),
            awaits=self.awaits,
            waiting_since=self.waiting_since,
            due_at=self.due_at,
        )


class StoredStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a run. Field names are column names."""

    run_id: UUID
    visit: int
    outcome: str
    node: str
    kind: str
    detail: str
    at: datetime


class RunsAtNode(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs of a version of a journey stand at a node."""

    version: int
    node: str
    runs: int


def _row(run: Run, state: RunState, reason: str, ended_at: datetime | None) -> StoredRun:
    return StoredRun(
        id=run.id,
        journey_id=run.journey_id,
        version=run.version,
        profile_id=run.profile_id,
        entry_key=run.entry_key,
        trigger_id=run.trigger_id,
        triggered_at=run.triggered_at,
        entered_at=run.entered_at,
        state=state.value,
        reason=reason,
        ended_at=ended_at,
        node=run.node,
        visit=run.visit,
        data=Json(msgspec.json.encode(run.data).decode()),
        awaits=run.awaits,
        signal=None,
        waiting_since=run.waiting_since,
        due_at=run.due_at,
        cause_id=run.cause.id,
        cause_occurred_at=run.cause.occurred_at,
        cause_received_at=run.cause.received_at,
        by_time=run.cause.by_time,
        depth=run.cause.depth,
        traceparent=run.cause.traceparent,
    )


async def lock_customers(work: Work, profile_ids: Iterable[UUID]) -> None:
    """Makes nobody else enter or move runs of these customers by events until the transaction ends.

    A customer's events come in several topics, so that two processes may have one in hand at a time.
    """
    await work.run(
        """
        SELECT count(pg_advisory_xact_lock(CAST(:lock AS int), one.key))
          FROM (SELECT DISTINCT hashtext(CAST(id AS text)) AS key
                  FROM unnest(CAST(:ids AS uuid[])) AS id
                 ORDER BY key) AS one
        """,
        lock=CUSTOMERS_LOCK,
        ids=sorted(set(profile_ids)),
    )


async def lock_active(work: Work, profile_ids: Iterable[UUID]) -> Sequence[StoredRun]:
    """Returns the runs of these customers that are on their way, held until the transaction ends, the oldest first."""
    return await rows_as(
        work,
        StoredRun,
        f"""
        SELECT {columns(StoredRun)}
          FROM runs
         WHERE profile_id = ANY(CAST(:ids AS uuid[])) AND state = 'active'
         ORDER BY entered_at, id
           FOR UPDATE
        """,
        ids=sorted(set(profile_ids)),
    )


async def claim_due(work: Work, until: datetime | None, *, limit: int) -> Sequence[StoredRun]:
    """Returns runs whose time has come and that nobody else holds, the longest waiting first.

    Those that nothing but time moves must have been due at `until`.
    """
    return await rows_as(
        work,
        StoredRun,
        f"""
        SELECT {columns(StoredRun)}
          FROM runs
         WHERE state = 'active' AND due_at <= :now
           AND (signal IS NOT NULL OR due_at <= CAST(:until AS timestamptz))
         ORDER BY due_at
         LIMIT :limit
           FOR UPDATE SKIP LOCKED
        """,
        now=work.now,
        until=until,
        limit=limit,
    )


async def save(work: Work, runs: Iterable[tuple[Run, RunState, str]]) -> None:
    """Writes runs that the caller holds, or that are new, each with its state and the reason if it is over."""
    rows = [
        _row(run, state, reason, None if state is RunState.ACTIVE else work.now)
        for run, state, reason in sorted(runs, key=lambda one: one[0].id)
    ]
    await work.run(upsert("runs", StoredRun, key=("id",)), **arrays(rows, StoredRun))


async def add_steps(work: Work, steps: Sequence[tuple[UUID, Step]]) -> None:
    """Writes down what runs did."""
    rows = [
        StoredStep(
            run_id=run_id,
            visit=step.visit,
            outcome=step.outcome,
            node=step.node,
            kind=step.kind,
            detail=step.detail,
            at=step.at,
        )
        for run_id, step in steps
    ]
    await work.run(
        f"""
        INSERT INTO run_steps ({columns(StoredStep)})
        SELECT {columns(StoredStep, "n")}
          FROM {unnest(StoredStep, "n")}
            ON CONFLICT DO NOTHING
        """,
        **arrays(rows, StoredStep),
    )


async def signal(work: Work, awaits: str, signals: Mapping[UUID, Signal]) -> None:
    """Makes runs due now that await something, each with what came; those that do not await it any more stay."""
    ids = sorted(signals)
    await work.run(
        """
        UPDATE runs r
           SET signal = n.signal, due_at = :now
          FROM unnest(CAST(:ids AS uuid[]), CAST(:signals AS text[])) AS n(id, signal)
         WHERE r.id = n.id AND r.state = 'active' AND r.awaits = :awaits AND r.signal IS NULL
        """,
        now=work.now,
        awaits=awaits,
        ids=ids,
        signals=[f"{signals[one].name} {signals[one].detail}" for one in ids],
    )


async def move_to(work: Work, into: Mapping[UUID, UUID]) -> None:
    """Makes the runs of merged customers those of whom they were merged into."""
    gone = sorted(into)
    await work.run(
        """
        UPDATE runs r
           SET profile_id = n.survivor
          FROM unnest(CAST(:gone AS uuid[]), CAST(:survivors AS uuid[])) AS n(gone, survivor)
         WHERE r.profile_id = n.gone AND r.state = 'active'
        """,
        gone=gone,
        survivors=[into[one] for one in gone],
    )


async def of_customer(work: Work, profile_ids: Sequence[UUID], *, limit: int) -> Sequence[StoredRun]:
    """Returns the runs under any of a customer's ids, the newest first."""
    return await rows_as(
        work,
        StoredRun,
        f"""
        SELECT {columns(StoredRun)}
          FROM runs
         WHERE profile_id = ANY(CAST(:ids AS uuid[]))
         ORDER BY entered_at DESC, id DESC
         LIMIT :limit
        """,
        ids=profile_ids,
        limit=limit,
    )


async def of_journey(
    work: Work, journey_id: str, *, state: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[StoredRun]:
    """Returns the runs of a journey after a position, the newest first."""
    entered_at, run_id = after or (None, None)
    return await rows_as(
        work,
        StoredRun,
        f"""
        SELECT {columns(StoredRun)}
          FROM runs
         WHERE journey_id = :journey_id
           AND (CAST(:state AS text) IS NULL OR state = :state)
           AND (CAST(:entered_at AS timestamptz) IS NULL OR (entered_at, id) < (:entered_at, CAST(:id AS uuid)))
         ORDER BY entered_at DESC, id DESC
         LIMIT :limit
        """,
        journey_id=journey_id,
        state=state,
        entered_at=entered_at,
        id=run_id,
        limit=limit,
    )


async def one(work: Work, run_id: UUID, *, lock: bool = False) -> StoredRun | None:
    """Returns a run, held until the transaction ends if `lock`."""
    found = await rows_as(
        work,
        StoredRun,
        f"""
        SELECT {columns(StoredRun)}
          FROM runs
         WHERE id = :id
               {"FOR UPDATE" if lock else ""}
        """,
        id=run_id,
    )
    return found[0] if found else None


async def steps(work: Work, run_id: UUID) -> Sequence[StoredStep]:
    """Returns what a run did, in order."""
    return await rows_as(
        work,
        StoredStep,
        f"""
        SELECT {columns(StoredStep)}
          FROM run_steps
         WHERE run_id = :id
         ORDER BY visit, outcome <> 'waits', at
        """,
        id=run_id,
    )


async def standing_at(work: Work, journey_id: str) -> Sequence[RunsAtNode]:
    """Returns how many runs of a journey stand at each node of each version."""
    return await rows_as(
        work,
        RunsAtNode,
        """
        SELECT version, node, count(*) AS runs
          FROM runs
         WHERE journey_id = :id AND state = 'active'
         GROUP BY version, node
         ORDER BY version, node
        """,
        id=journey_id,
    )


async def move_versions(work: Work, journey_id: str, version: int, nodes: Sequence[str]) -> int:
    """Moves the runs of a journey that stand at one of these nodes to a version. Returns how many."""
    return await work.run(
        """
        UPDATE runs
           SET version = :version
         WHERE journey_id = :journey_id AND state = 'active' AND version <> :version
           AND node = ANY(CAST(:nodes AS text[]))
        """,
        journey_id=journey_id,
        version=version,
        nodes=nodes,
    )
