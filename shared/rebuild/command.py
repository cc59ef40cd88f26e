"""The command `rebuild` as every service has it: one at a time, a bar on standard error, one line when it fails."""

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from shared.database.database import DATABASE_ERRORS, SESSION, Database
from shared.database.sql import sql
from shared.history import History, HistoryAway, HistoryRefused, ProfileAddress, reading_history
from shared.kafka.log import reading
from shared.kafka.producer import BrokerAway
from shared.rebuild import shadow
from shared.rebuild.topics import NotPossible, Plan, Rebuild, Report
from shared.service.clock import Clock, SystemClock
from shared.service.settings import Settings

LOCK: Final = 0x5265_6275  # any number that nobody else locks
STATEMENT_SECONDS: Final = 900  # a table that was lost is filled by one statement
PROFILE_PATIENCE_SECONDS: Final = 60.0  # without an answer of profile's
# A rebuild that freezes holds up batches in its cut-over: it, too, must lose its locks.
PATIENCE: Final = {
    "transaction_timeout": f"{STATEMENT_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": "30s",
}

Changed = Mapping[str, int]


async def from_topics(
    plan: Plan,
    settings: Settings,
    arguments: Sequence[str],
    clock: Clock | None = None,
    *,
    profile: ProfileAddress | None = None,
) -> int:
    """Rebuilds what a service derives from topics. Returns the exit status.

    With the address of profile, what its history has is read from there, unless `--partial` is given.
    """
    chosen = parser(plan.service, topics=True).parse_args(arguments)

    async def rebuild(database: Database, report: Report) -> Changed:
        async with AsyncExitStack() as stack:
            log = await stack.enter_async_context(
                reading(
                    settings.kafka(),
                    batch_records=settings.kafka_batch_records,
                    fetch_wait_ms=settings.busy_fetch_wait_milliseconds(),
                )
            )
            history: History | None = None
            if profile is not None and not chosen.partial:
                history = await stack.enter_async_context(
                    reading_history(profile, patience_seconds=PROFILE_PATIENCE_SECONDS)
                )
            generation = settings.kafka_topic_generation
            return await Rebuild(
                plan, database, log, generation, partial=chosen.partial, report=report, history=history
            ).run()

    return await _run(plan.service, settings, clock, rebuild, search_path=shadow.SEARCH_PATH)


async def from_database(
    service: str,
    settings: Settings,
    arguments: Sequence[str],
    clock: Clock | None,
    rebuild: Callable[[Database, Report], Awaitable[Changed]],
) -> int:
    """Rebuilds what a service derives from its own records. Returns the exit status."""
    parser(service, topics=False).parse_args(arguments)
    return await _run(service, settings, clock, rebuild, search_path="public")


def parser(service: str, *, topics: bool) -> argparse.ArgumentParser:
    """Returns the parser of what may stand after `rebuild`: from topics, or from the service's own records."""
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{service} rebuild",
        description="Refills the projections from the record. The service may run meanwhile. Nothing is sent.",
    )
    if topics:
        parser.add_argument(
            "--partial",
            action="store_true",
            help="where the log is no longer whole, and profile's history can't be read: keep what is there, and add "
            "what the log still has",
        )
    return parser


async def _run(
    service: str,
    settings: Settings,
    clock: Clock | None,
    rebuild: Callable[[Database, Report], Awaitable[Changed]],
    *,
    search_path: str,
) -> int:
    database = patient_database(
        settings,
        f"rapport-{service}-rebuild",
        clock,
        url=settings.owner_database_url(),
        pool_size=2,
        session={"search_path": search_path},
    )
    try:
        async with _alone(database):
            with _bar(service) as report:
                changed = await rebuild(database, report)
    except (NotPossible, BrokerAway, HistoryAway, HistoryRefused, *DATABASE_ERRORS) as error:
        print(f"{service} was not rebuilt: {error}", file=sys.stderr)
        return 1
    finally:
        await database.close()
    for table, rows in changed.items():
        print(f"{table}: {rows} rows mended" if rows else f"{table}: as it should be", file=sys.stderr)
    return 0


def patient_database(
    settings: Settings,
    application: str,
    clock: Clock | None = None,
    *,
    url: str = "",
    pool_size: int = 1,
    session: Mapping[str, str] = {},
) -> Database:
    """Returns a service's database, for a command whose statements may take long; at its usual URL, unless given."""
    return Database(
        url or settings.database_url.get_secret_value(),
        application=application,
        clock=clock or SystemClock(timedelta(seconds=settings.clock_offset_seconds)),
        pool_size=pool_size,
        session={**SESSION, **PATIENCE, **session},
        command_timeout_seconds=STATEMENT_SECONDS,
    )


@asynccontextmanager
async def _alone(database: Database) -> AsyncIterator[None]:
    """Holds a lock for as long as its connection lives: two rebuilds would take each other's shadow away."""
    async with database.engine.connect() as connection:
        row = (await connection.execute(sql("SELECT pg_try_advisory_lock(:lock) AS held"), {"lock": LOCK})).one()
        await connection.commit()
        if not row.held:
            raise NotPossible("another rebuild is running")
        yield


@contextlib.contextmanager
def _bar(service: str) -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"rebuild {service}", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
