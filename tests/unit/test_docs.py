"""The documents say what the code says."""

import importlib
import json
import re
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from shared.contracts.asyncapi import HEADERS, document
from shared.contracts.events import OrderPlaced
from shared.contracts.wire import encode
from shared.service.settings import Settings
from tests.support.events import event, user

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
# Where a page may leave out the beginning of a path.
BEGINNINGS = (ROOT, ROOT / "shared", ROOT / "tests", *sorted((ROOT / "services").iterdir()))
TO_BE_MADE = (ROOT / "docs" / "adding.md",)
SERVICES = ("ingest", "profile", "segment", "campaign", "feedback")


@pytest.mark.parametrize("service", SERVICES)
def test_operations_document_every_variable_of_a_service(service: str) -> None:
    documented = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "operations.md").read_text()))
    module = importlib.import_module(f"services.{service}.settings")
    [settings] = [
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Settings) and one is not Settings
    ]
    assert {name.upper() for name in settings.model_fields} <= documented


def test_every_metric_is_in_the_one_list() -> None:
    source = (ROOT / "shared" / "service" / "metrics.py").read_text()
    listed = set(re.findall(r"^\| (rapport_\w+) \|", source, re.MULTILINE))
    made = set(re.findall(r'"(rapport_\w+)"', source))
    assert made == listed


def test_links_between_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_decision_is_in_their_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    assert [one.name for one in sorted(folder.glob("0*.md")) if one.name not in index] == []


def test_the_asyncapi_document_is_what_the_contracts_make() -> None:
    committed = json.loads((ROOT / "docs" / "asyncapi.json").read_text())
    made = json.loads(json.dumps(document()))
    assert committed == made, "run: python -m shared.contracts.asyncapi > docs/asyncapi.json"


def test_the_asyncapi_document_lists_every_header_that_is_written() -> None:
    body = OrderPlaced(order_id="1", currency="USD", total_minor=1)
    full = msgspec.structs.replace(
        event(body, user(1)),
        historical=True,
        unverified=True,
        profile_id=UUID(int=1),
        origin=1,
        sequence=1,
        cause_id=UUID(int=2),
        depth=1,
        traceparent="00-0-0-01",
        merges=True,
    )
    written = {name for name, _ in encode(full)[0]} - {"content-type"}
    assert written == set(HEADERS)


def test_every_test_that_the_security_page_names_is_there() -> None:
    """Each cell says `file`: `test`, `test`; `file`: …"""
    page = (ROOT / "docs" / "security.md").read_text().partition("## What holds each kind")[2]
    named = re.findall(r"`([a-z0-9_/]+\.py)`: ((?:`test_\w+`(?:, )?)+)", page)
    assert len(named) > len(SERVICES)
    for file, tests in named:
        source = (ROOT / "tests" / file).read_text()
        for test in re.findall(r"`(test_\w+)`", tests):
            assert f"def {test}(" in source, f"{file}: {test}"


@pytest.mark.parametrize("page", [page for page in PAGES if page not in TO_BE_MADE], ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.py)`", page.read_text())
    assert [name for name in named if not any((start / name).exists() for start in BEGINNINGS)] == []
