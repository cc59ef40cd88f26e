"""Whatever README.md and docs tell a reader to type exists: targets, commands, options and routes."""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from deploy.local import cli
from deploy.local.settings import CHECKOUT, SERVICES, Ports
from shared.service.command_line import parse
from tests.support.applications import ROUTES, WRITERS
from tests.support.command_lines import commands_of
from tests.support.documents import PAGES, Told, command_lines

LOCAL = {"run", "stop", "reset", "logs", "do"}  # targets that hand ARGS to deploy.local
# What stands for something else in a document, and something that it may stand for.
PLACEHOLDERS = {"N": "1", "N:HASH": f"1:{'0' * 64}", "SERVICE": "ingest", "T": "rapport.events.v1"}
MAKEFILE = (CHECKOUT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"^([A-Z_]+) \?=", MAKEFILE, re.MULTILINE))

TOLD = [one for page in PAGES for one in command_lines(page)]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that documents speak of are there, so that only the command line is judged."""
    for name in ("FILE", "orders.csv", "till.json", "FILE.json"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("told", [one for one in TOLD if not one.text.startswith("curl ")], ids=str)
def test_a_documented_command_line_can_be_typed(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    assert wrong(told.text) == "", capsys.readouterr().err


@pytest.mark.parametrize("told", [one for one in TOLD if one.text.startswith("curl ")], ids=str)
def test_a_documented_curl_goes_to_a_route_that_exists(told: Told) -> None:
    words = shlex.split(told.text)
    [url] = [word for word in words if word.startswith("http")]
    method = "POST" if "-d" in words else "GET"
    if "-X" in words:
        method = words[words.index("-X") + 1]
    port, path = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/[^?]*).*", url).groups()  # type: ignore[union-attr]
    [service] = [one for one in SERVICES if str(Ports().of(one)) == port]
    assert any(re.fullmatch(known, path) for known in _paths(service, method)), f"no {method} {path} at {service}"


def _paths(service: str, method: str) -> Iterator[str]:
    """Patterns of the paths that a service has; tests hold the list to the applications."""
    writers = [f"/v1/{path}" for path in WRITERS] if service == "ingest" else []
    known = [route.path for route in ROUTES if (route.service, route.method) == (service, method)] + ["/metrics"]
    for path in (*known, *writers):
        yield re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "text",
    [
        "make rum",
        "make run ARGZ=--exit",
        "make run ARGS='--slices 2'",
        "make do S=profil ARGS='dlq list'",
        "make do S=profile ARGS='dlq lists'",
        "make do S=ingest ARGS='import orders.csv --source demo --presett orders'",
        "make do S=ingest ARGS='import orders.csv --preset orders'",
        "make do S=ingest ARGS='import other.csv --source demo --preset orders'",
        "python -m services.profile identity suspect",
        "python -m services.<name> rebuilt",
        "python -m services.ingest source create NAME --kind private",
        "python -m services.ingest.domain.catalogue.vocabularies > docs/vocabulary.md",
        "dlq drop PLACE --notes WHY",
        "dlq dorp",
    ],
)
def test_one_that_cannot_be_typed_would_be_found(text: str) -> None:
    assert wrong(text)


def test_commands_are_found_in_scripts_and_in_text() -> None:
    told = {one.text for one in TOLD if one.page == "README.md"}
    assert "make do S=ingest ARGS='import orders.csv --source demo --preset orders'" in told
    assert "make run ARGS='--slice 2000 --exit'" in told
    assert any(text.startswith("curl ") and '"order_id": "A-1001"' in text for text in told)
    assert len(TOLD) > 100


def test_a_command_still_goes_by_its_former_name_and_no_help_speaks_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    commands = commands_of("campaign")
    assert parse("campaign", commands, ["floor", "set", "now"]) == (
        "send-cutoff",
        ["api", "consumer", "relay"],
        ["set", "now"],
    )
    with pytest.raises(SystemExit):
        parse("campaign", commands, ["--help"])
    assert "floor" not in capsys.readouterr().out


def wrong(text: str) -> str:
    """What is wrong with a command line; nothing, if a reader can type it."""
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(text, comments=True)]
    if words[0] == "make":
        return _wrong_make(words[1:])
    if words[:2] == ["python", "-m"] or words[:2] == [".venv/bin/python", "-m"]:
        package, _, name = words[2].partition(".")
        if package == "services" and "." in name:  # a module of a service that writes a page
            return "" if find_spec(words[2]) else f"there is no module {words[2]}"
        return _wrong_service(name, words[3:]) if package == "services" else ""
    if any(words[0] in commands_of(service) for service in SERVICES):
        return _wrong_service("<name>", words)
    return ""  # not ours


def _wrong_make(words: Sequence[str]) -> str:
    given = dict(word.split("=", 1) for word in words if "=" in word)
    targets = [word for word in words if "=" not in word]
    if strange := [*(set(targets) - TARGETS), *(set(given) - VARIABLES)]:
        return f"the Makefile has no {', '.join(strange)}"
    if targets[0] not in LOCAL:
        return ""
    arguments = [PLACEHOLDERS.get(word, word) for word in shlex.split(given.get("ARGS", ""))]
    if targets[0] != "do":
        return _refused(lambda: cli.parser().parse_args([targets[0], *arguments]))
    service = PLACEHOLDERS.get(given["S"], given["S"])
    refused = _refused(lambda: cli.parser().parse_args(["do", service, *arguments]))
    return refused or _wrong_service(service, arguments)


def _wrong_service(name: str, words: Sequence[str]) -> str:
    bare = not [word for word in words if word.startswith("-")]  # names a command, and does not say all of it
    words = [re.sub(r"\|.*", "", word) for word in words if word != "…"]
    if not words:
        return ""
    for service in _services_with(name, words[0]):
        commands = commands_of(service)
        refused = _refused(lambda: parse(service, commands, words))  # noqa: B023 - called here
        if refused and bare:
            refused = _refused(lambda: parse(service, commands, [*words, "--help"]))  # noqa: B023
        if refused:
            return f"{service}: {refused}"
    return "" if list(_services_with(name, words[0])) else f"no service has {words[0]}"


def _services_with(name: str, command: str) -> Iterator[str]:
    for service in SERVICES:
        if name == service or (name == "<name>" and command in ("serve", "migrate", *commands_of(service))):
            yield service


def _refused(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except SystemExit as ended:
        return "" if ended.code == 0 else "is refused"
    return ""
