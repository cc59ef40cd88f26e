"""Each forbidden arrow is planted in a copy of the code, and must be found there under its rule's name.

That the code itself keeps every rule is said by `make check`.
"""

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.rules import violations

CHECKOUT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = ("services", "shared", "deploy", ".importlinter", "pyproject.toml")
# Enough for each rule of tests/architecture to be broken in, and read in a moment.
SMALL: Final = (
    *("services/__init__.py", "services/feedback", "services/profile", "shared/__init__.py"),
    *("shared/contracts/__init__.py", "deploy/__init__.py", "deploy/local/__init__.py", "tests/architecture"),
)
TO_COME: Final = "tests/architecture/banned_words_to_come.txt"


@dataclass(frozen=True)
class Plant:
    """A file that breaks a rule. `path` replaces what stands there in the copy."""

    name: str
    rule: str
    path: str
    content: str

    def __str__(self) -> str:
        return self.name

    @property
    def room(self) -> str:
        """The service that it is in, or the part of another room."""
        return "/".join(self.path.split("/")[:2])

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


APART: Final = "no service imports another"
ONE_WAY: Final = "arrows between the rooms run one way"
SHARED: Final = "shared imports no service, nothing of deploy, no test"
NO_DEPLOYMENT: Final = "services import nothing of deploy, no test"
MAIN: Final = "main is imported by __main__ only"
EDGES: Final = "api, consumer, worker and commands are imported by main only"
CHANNELS: Final = "channels are imported by main and worker only"
SETTINGS: Final = "settings are imported by main, worker, commands and channels only"
SCHEMAS: Final = "schemas are imported by api only"
SERVICE: Final = "service is imported by main, api, consumer, worker and commands only"
CONTENT: Final = "content is imported by main and service only"
REPOSITORY: Final = "repository is imported by service only"
MODELS: Final = "models are imported by repository and migrations only"
KAFKA: Final = "aiokafka only in shared"
HTTP: Final = "fastapi and starlette only in api and main"
SQL: Final = "sqlalchemy only in models, repository and migrations"

# Found by import-linter. A new file needs a room that is a package; otherwise the planted one takes a room's place.
GROUPS: Final = "the groups of ingest's domain are in layers"
_FORMAT: Final = "from services.ingest.domain.formats import tracking\n"
_EVENT: Final = "from services.ingest.domain.catalogue import registry\n"
ARROWS: Final = (
    Plant("shared imports a service", SHARED, "shared/planted.py", "from services.profile import domain\n"),
    Plant("shared imports deploy", SHARED, "shared/kafka/planted.py", "import deploy.local.broker\n"),
    Plant("shared imports tests", SHARED, "shared/planted.py", "from tests import support\n"),
    Plant("a service imports another", APART, "services/segment/worker.py", "from services.profile import domain\n"),
    Plant(
        *("a service imports another in a function", APART, "services/profile/service/planted.py"),
        "def late() -> None:\n    import services.ingest.domain\n",
    ),
    Plant("a service imports deploy", NO_DEPLOYMENT, "services/feedback/main.py", "import deploy.local.settings\n"),
    Plant("a service imports tests", NO_DEPLOYMENT, "services/feedback/service.py", "from tests import support\n"),
    Plant("deploy imports tests", "deploy imports no test", "deploy/local/planted.py", "from tests import support\n"),
    Plant("an event knows a format", GROUPS, "services/ingest/domain/catalogue/planted.py", _FORMAT),
    Plant("a value knows an event", GROUPS, "services/ingest/domain/values/planted.py", _EVENT),
    Plant("a room imports main", MAIN, "services/feedback/api.py", "from services.feedback import main\n"),
    Plant("service imports api", EDGES, "services/profile/service/planted.py", "from services.profile import api\n"),
    Plant(
        *("api imports the consumer", EDGES, "services/profile/api/profiles.py"),
        "from services.profile import consumer\n",
    ),
    Plant("the consumer imports the worker", EDGES, "services/segment/consumer.py", "import services.segment.worker\n"),
    Plant("service imports commands", EDGES, "services/ingest/service.py", "from services.ingest import commands\n"),
    Plant("api imports channels", CHANNELS, "services/campaign/api.py", "from services.campaign import channels\n"),
    Plant(
        *("service imports settings", SETTINGS, "services/profile/service/planted.py"),
        "from services.profile.settings import ProfileSettings\n",
    ),
    Plant("service imports schemas", SCHEMAS, "services/feedback/service.py", "import services.feedback.schemas\n"),
    Plant("settings import service", SERVICE, "services/feedback/settings.py", "import services.feedback.service\n"),
    Plant("api imports content", CONTENT, "services/campaign/api.py", "from services.campaign import content\n"),
    Plant(
        "api imports repository",
        REPOSITORY,
        "services/segment/api/standings.py",
        "from services.segment import repository\n",
    ),
    Plant(
        "the consumer imports repository",
        REPOSITORY,
        "services/profile/consumer.py",
        "import services.profile.repository\n",
    ),
    Plant(
        "the worker imports repository",
        REPOSITORY,
        "services/segment/worker.py",
        "import services.segment.repository\n",
    ),
    Plant("service imports models", MODELS, "services/feedback/service.py", "from services.feedback import models\n"),
    Plant(
        "repository imports service", ONE_WAY, "services/feedback/repository.py", "import services.feedback.service\n"
    ),
    Plant("domain imports repository", ONE_WAY, "services/feedback/domain.py", "import services.feedback.repository\n"),
    Plant("models import domain", ONE_WAY, "services/feedback/models.py", "from services.feedback import domain\n"),
    Plant(
        "a service imports aiokafka", KAFKA, "services/segment/consumer.py", "from aiokafka import AIOKafkaConsumer\n"
    ),
    Plant("deploy imports aiokafka", KAFKA, "deploy/local/planted.py", "import aiokafka\n"),
    Plant(
        "service imports fastapi", HTTP, "services/profile/service/planted.py", "from fastapi import HTTPException\n"
    ),
    Plant("schemas import starlette", HTTP, "services/profile/schemas.py", "from starlette.requests import Request\n"),
    Plant("api imports sqlalchemy", SQL, "services/feedback/api.py", "from sqlalchemy import text\n"),
    Plant("service imports sqlalchemy", SQL, "services/profile/service/planted.py", "from sqlalchemy import text\n"),
)

UNMARKED: Final = 'class Note(Base):\n    """One note."""\n\n    __tablename__ = "notes"\n'
UNAUDITED: Final = """from services.segment.service import standings

@router.put("/tiers")
async def put(work: Work) -> None:
    await standings.counts(work)
"""
CATCH_ALL: Final = "def run() -> None:\n    try:\n        work()\n    except {caught}:\n        {then}\n"

# Found by tests/architecture.
SHAPES: Final = (
    Plant("an unknown module", "rooms", "services/feedback/helpers.py", ""),
    Plant("an unknown folder", "rooms", "services/feedback/utils/__init__.py", ""),
    Plant("a stray file", "rooms", "services/feedback/notes.md", ""),
    Plant("a module beside the services", "rooms", "services/common.py", ""),
    Plant("a room that is both module and package", "rooms", "services/profile/domain.py", ""),
    Plant("a service with one room", "rooms", "services/loyalty/domain.py", ""),
    Plant("two classes of one name", "namesakes", "services/profile/domain/planted.py", "class Trait:\n    pass\n"),
    Plant("a folder that import-linter does not see", "packages", "services/profile/domain/deep/planted.py", ""),
    Plant("domain imports a library", "domain-imports", "services/profile/domain/planted.py", "import httpx2\n"),
    Plant("domain imports a mechanism", "domain-imports", "services/feedback/domain.py", "from shared import db\n"),
    Plant(
        "domain imports service",
        "domain-imports",
        "services/profile/domain/planted.py",
        "import services.profile.service\n",
    ),
    Plant(
        *("domain imports another's domain", "domain-imports", "services/profile/domain/planted.py"),
        "from services.segment import domain\n",
    ),
    Plant(
        "domain reads a clock", "domain-imports", "services/profile/domain/planted.py", "from time import monotonic\n"
    ),
    Plant(
        "domain does I/O",
        "domain-imports",
        "services/profile/domain/planted.py",
        "def f() -> None:\n    import socket\n",
    ),
    Plant(
        "contracts import a mechanism",
        "contracts-imports",
        "shared/contracts/planted.py",
        "import shared.database.database\n",
    ),
    Plant(
        *("a migration imports domain", "migrations-imports", "services/profile/migrations/versions/0002_planted.py"),
        "from services.profile import domain\n",
    ),
    Plant("the worker writes SQL", "worker-sql", "services/segment/worker.py", "from sqlalchemy import text\n"),
    Plant("deploy serves pages", "deploy-http", "deploy/planted.py", "from starlette.applications import Starlette\n"),
    Plant("except Exception", "broad-except", "shared/planted.py", CATCH_ALL.format(caught="Exception", then="raise")),
    Plant(
        *("except Exception among others", "broad-except", "services/profile/service/planted.py"),
        CATCH_ALL.format(caught="(OSError, Exception) as e", then="print(e)"),
    ),
    Plant(
        *("a swallowed BaseException", "broad-except", "deploy/local/planted.py"),
        CATCH_ALL.format(caught="BaseException", then="pass"),
    ),
    Plant("an unmarked table", "table-mark", "services/feedback/models.py", UNMARKED),
    Plant("a route without an audit entry", "audit", "services/segment/api/standings.py", UNAUDITED),
    Plant(
        *("a route added by a call without an audit entry", "audit", "services/segment/api/standings.py"),
        'def add() -> None:\n    router.add_api_route("/tiers", tiers, methods=["GET", "PUT"])\n',
    ),
    Plant("a listed route that is gone", "audit", "services/feedback/api.py", ""),
    Plant("a banned word as a function's name", "words", "shared/planted.py", "def last_clerk() -> None: ...\n"),
    Plant("a banned word as a parameter", "words", "shared/planted.py", "def keep(clerk: object) -> None: ...\n"),
    Plant("a banned word as a variable", "words", "deploy/planted.py", "for clerk in range(3):\n    print(clerk)\n"),
    Plant("a banned word as an attribute", "words", "shared/planted.py", "class A:\n    the_clerk: str\n"),
    Plant("a banned word as an imported name", "words", "shared/planted.py", "import json as clerk\n"),
    Plant("a banned word in a type's name", "words", "shared/planted.py", "class SortedBatch: ...\n"),
    Plant("a banned word as a module", "words", "shared/letterhead.py", ""),
    Plant("two banned words", "words", "shared/planted.py", "def id_it_stands_for() -> None: ...\n"),
    Plant("a banned word in a docstring", "words", "shared/planted.py", '"""What a clerk does."""\n'),
    Plant("a banned type in a docstring", "words", "shared/planted.py", '"""Returns a `Sorted`."""\n'),
)

ALLOWED: Final = (
    Plant("the worker names exceptions", "", "services/segment/worker.py", "from sqlalchemy.exc import DBAPIError\n"),
    Plant("domain uses msgspec", "", "services/profile/domain/planted.py", "import math\n\nimport msgspec\n"),
    Plant("cleaning up", "", "shared/planted.py", CATCH_ALL.format(caught="BaseException", then="raise")),
    Plant("a route that only reads", "", "services/segment/api/standings.py", UNAUDITED.replace("put", "get")),
    Plant(
        *("a route whose use case writes an audit entry", "", "services/segment/api/standings.py"),
        UNAUDITED.replace("await standings.counts(work)", 'await audit.record(work, by, "tiers.set", "tiers", 1)')
        + "\nfrom shared import audit\n",
    ),
    Plant("a built-in function", "", "shared/planted.py", "some = sorted([])\nsorted_names = some\n"),
    Plant("a type's name as a word", "", "shared/planted.py", '"""Taking a lock, told of an error, sorted."""\n'),
    Plant("a banned word in a text", "", "shared/planted.py", 'print("as you said")  # said so\n'),
    Plant("a banned word in a migration", "", "services/profile/migrations/versions/0099_planted.py", "said = 1\n"),
    Plant("a marked table", "", "services/feedback/models.py", UNMARKED.replace("One", "RECORD: one")),
)


@dataclass(frozen=True)
class Linted:
    """What import-linter said of one copy."""

    status: int
    output: str

    def broke(self, rule: str) -> bool:
        return f"{rule} BROKEN" in self.output

    def report(self, rule: str) -> str:
        """The section of the report on one broken rule."""
        return self.output.partition(f"\n{rule}\n---")[2].partition("\n---")[0] if self.broke(rule) else ""


def copied(names: Sequence[str], root: Path) -> Path:
    for name in names:
        source, target = CHECKOUT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return root


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small copy that keeps every rule; the others are links to its files."""
    root = copied(SMALL, tmp_path_factory.mktemp("pristine"))
    (root / TO_COME).write_text("")
    return root


def planted(plants: Sequence[Plant], pristine: Path, to: Path) -> Path:
    shutil.copytree(pristine, to, copy_function=os.link, dirs_exist_ok=True)
    for plant in plants:
        path = to / plant.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # a link: written to, it would change every copy
        path.write_text(plant.content)
    return to


def apart(plants: Sequence[Plant]) -> list[list[Plant]]:
    """Returns the plants in groups for one copy each: no two of a group break one rule, or are in one service."""
    groups: list[list[Plant]] = []
    for plant in plants:
        for group in groups:
            if all(plant.rule != other.rule and plant.room != other.room for other in group):
                group.append(plant)
                break
        else:
            groups.append([plant])
    return groups


def lint(*roots: Path) -> list[Linted]:
    """import-linter's word on each of these copies."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.architecture.lint_copies", *map(str, roots)],
        cwd=CHECKOUT,
        env={**os.environ, "COLUMNS": "300"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return [Linted(*answer) for answer in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Linted]:
    """import-linter's word on every planted arrow."""
    whole, groups = copied(COPIED, tmp_path_factory.mktemp("whole")), apart(ARROWS)
    said = lint(*[planted(group, whole, tmp_path_factory.mktemp("planted")) for group in groups])
    return {plant.name: found for group, found in zip(groups, said, strict=True) for plant in group}


@pytest.mark.parametrize("plant", ARROWS, ids=str)
def test_a_forbidden_arrow_is_found(plant: Plant, linted: Mapping[str, Linted]) -> None:
    found = linted[plant.name]
    assert found.status == 1
    assert found.broke(plant.rule), found.output
    assert plant.module in found.report(plant.rule)


def test_the_small_copy_keeps_every_rule(pristine: Path) -> None:
    assert [str(violation) for violation in violations(pristine)] == []


@pytest.mark.parametrize("plant", SHAPES, ids=str)
def test_a_broken_rule_is_found(plant: Plant, pristine: Path, tmp_path: Path) -> None:
    new = set(violations(planted([plant], pristine, tmp_path))) - set(violations(pristine))
    assert plant.rule in {violation.rule for violation in new}


@pytest.mark.parametrize("plant", ALLOWED, ids=str)
def test_what_is_allowed_is_let_pass(plant: Plant, pristine: Path, tmp_path: Path) -> None:
    assert plant.path not in {violation.path for violation in violations(planted([plant], pristine, tmp_path))}


def test_a_banned_word_is_let_pass_where_it_is_to_come_and_only_while_it_is_there(
    pristine: Path, tmp_path: Path
) -> None:
    word = Plant("", "", "shared/planted.py", "def clerk() -> None: ...\n")
    exceptions = Plant("", "", TO_COME, "clerk: shared/planted.py\nletterhead: shared/planted.py\n")
    root = planted([word, exceptions], pristine, tmp_path)
    assert [violation.advice for violation in violations(root) if violation.path == "shared/planted.py"] == [
        f"`letterhead` is gone from here: take its line out of {TO_COME}"
    ]


@pytest.mark.parametrize(
    "room", ["domain.py", "models.py", "repository.py", "service.py", "consumer.py", "__main__.py"]
)
def test_a_missing_room_is_found(room: str, pristine: Path, tmp_path: Path) -> None:
    shutil.copytree(pristine, tmp_path, copy_function=os.link, dirs_exist_ok=True)
    (tmp_path / "services" / "feedback" / room).unlink()
    assert [v.rule for v in violations(tmp_path) if v.path == f"services/feedback/{room}"] == ["rooms"]


def test_the_command_names_place_and_rule_and_fails(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = Plant("", "domain-imports", "services/feedback/domain.py", "import msgspec\nimport fastapi\n")
    for root, status, printed in (
        (pristine, 0, "Architecture: kept."),
        (planted([plant], pristine, tmp_path), 1, "services/feedback/domain.py:2: domain-imports: "),
    ):
        monkeypatch.chdir(root)
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("tests.architecture", run_name="__main__")
        assert ended.value.code == status
        assert printed in capsys.readouterr().out
