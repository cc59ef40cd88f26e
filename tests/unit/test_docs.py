"""The documents say what the code says."""

import importlib
import re
from pathlib import Path

import pytest

from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
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
    source = (ROOT / "shared" / "metrics.py").read_text()
    listed = set(re.findall(r"^\| (rapport_\w+) \|", source, re.MULTILINE))
    made = set(re.findall(r'"(rapport_\w+)"', source))
    assert made == listed


def test_links_between_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_decision_is_in_their_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    assert [one.name for one in sorted(folder.glob("0*.md")) if one.name not in index] == []
