"""What the OpenAPI documents promise is held: schemathesis, with all its checks, finds nothing over all five.

Each service is served as its process serves it, with a write key and an admin's token.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from services.ingest.api import sources as source_routes
from tests.badinput import budget, figures
from tests.badinput.server import served
from tests.conftest import DatabaseFactory
from tests.support.applications import SERVICES, build, token
from tests.support.sources import SECRETS_KEY, made_source

CONFIG: Final = Path(__file__).with_name("schemathesis.toml")
TAIL_SECONDS: Final = 0.05  # a watch of a source lasts minutes otherwise
SPARE_SECONDS: Final = 120.0


async def _schemathesis(base: str, service: str, write_key: str, report: Path) -> tuple[int, str]:
    """Its exit status, and what it printed."""
    bearer = token(scope=f"{service}:admin")["Authorization"].removeprefix("Bearer ")
    arguments = (
        *("--config-file", str(CONFIG), "run", f"{base}/openapi.json", "--checks", "all", "--no-color"),
        *("--max-time", str(budget.DOCUMENT_SECONDS), "--seed", str(budget.SEED), "--continue-on-failure"),
        *("--generation-database", "none", "--report", "ndjson", "--report-ndjson-path", str(report)),
    )
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("st")), *arguments),
        env={
            **os.environ,
            "RAPPORT_TEST_TOKEN": bearer,
            "RAPPORT_TEST_WRITE_KEY": write_key,
            "COLUMNS": "200",
            "SCHEMATHESIS_HOOKS": "tests.badinput.hooks",
            "PYTHONPATH": str(CONFIG.parents[2]),
        },
        cwd=report.parent,  # where it keeps what it found
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(budget.DOCUMENT_SECONDS + SPARE_SECONDS):
        printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


@pytest.mark.parametrize("service", SERVICES)
async def test_schemathesis_finds_nothing_wrong_with_a_document(
    database_factory: DatabaseFactory, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_routes, "TAIL_SECONDS", TAIL_SECONDS)
    url = await database_factory(service)
    key, settings = "none", dict[str, Any]()
    if service == "ingest":
        settings = {"secrets_key": SECRETS_KEY}
        made = build(service, url, **settings)
        _, key = await made_source(made.database)
        await made.database.close()
    report = tmp_path / "report.ndjson"
    with served(service, url, **settings) as base:
        # A document is made when it is asked for first, and schemathesis waits no longer than 10 s for it.
        async with httpx2.AsyncClient(trust_env=False, timeout=SPARE_SECONDS) as client:
            (await client.get(f"{base}/openapi.json")).raise_for_status()
        status, printed = await _schemathesis(base, service, key, report)
    figures.count(f"schemathesis: {service}", *_statuses(report))
    assert status == 0, printed[-20_000:]


def _statuses(report: Path) -> tuple[int, int]:
    """How many requests were made, and how many of them were answered with 5xx or not at all."""
    tried = failed = 0
    for line in report.read_text().splitlines():
        for status in _answers(json.loads(line)):
            tried += 1
            failed += status is None or status >= 500
    return tried, failed


def _answers(node: Any) -> list[int | None]:
    """The status of each answer in a line of the report."""
    if isinstance(node, list):
        return [status for one in node for status in _answers(one)]
    if not isinstance(node, dict):
        return []
    if "status_code" in node:
        return [node["status_code"]]
    return [status for one in node.values() for status in _answers(one)]
