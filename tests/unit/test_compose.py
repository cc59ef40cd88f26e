"""What can be said of docker-compose.yml and deploy/Dockerfile without running them."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy.local import bootstrap
from deploy.local.settings import SERVICES, Ports
from deploy.settings_table import settings_of
from shared import credentials

CHECKOUT: Final = Path(__file__).resolve().parents[2]
COMPOSE: Final = CHECKOUT / "docker-compose.yml"
PORTS: Final = {name: Ports().of(name) for name in SERVICES}
MIGRATIONS: Final = tuple(f"migrate-{name}" for name in SERVICES)
ONE_SHOTS: Final = ("databases", *MIGRATIONS)
# What `shared.credentials environment` prints, and what only the operator knows.
MADE: Final = credentials.environment(credentials.read_key(credentials.new_key()))
MAIL: Final = {"MAIL_FROM": "Shop <hello@shop.example>", "SMTP_HOST": "smtp.shop.example"}
GIVEN: Final = {**MADE, **MAIL}
NEEDED: Final = sorted(GIVEN.keys() - {"AUTH_PUBLIC_KEY", "SECRETS_KEY"})
DRILLS: Final = {"FAILPOINT", "CLOCK_OFFSET_SECONDS"}  # nothing that production should be able to do by mistake
OWNER: Final = "MIGRATION_DATABASE_URL"

# ${NAME}, ${NAME:-default} and ${NAME:?message}, as Compose reads them; $$ is a plain $.
VARIABLE: Final = re.compile(r"\$(?:(?P<plain>\$)|\{(?P<name>\w+)(?::(?P<sign>[-?])(?P<rest>[^}]*))?\})")


class Missing(Exception):
    """A variable is needed and not set."""


def interpolated(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: interpolated(one, environ) for key, one in value.items()}
    if isinstance(value, list):
        return [interpolated(one, environ) for one in value]
    return VARIABLE.sub(lambda match: _value(match, environ), value) if isinstance(value, str) else value


def _value(match: re.Match[str], environ: Mapping[str, str]) -> str:
    if match["plain"]:
        return "$"
    if found := environ.get(match["name"]):
        return found
    if match["sign"] == "-":
        return match["rest"]
    raise Missing(match["name"], match["rest"])


def raw() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """Compose's services, with the secrets set and nothing else."""
    made: dict[str, dict[str, Any]] = interpolated(raw()["services"], GIVEN)
    return made


REQUIRED_OR_GIVEN: Final = {
    *("database_url", "migration_database_url", "kafka_bootstrap", "http_host", "http_port", "partition_secret"),
    *("auth_public_key", "secrets_key", "mail_from", "smtp_host", "smtp_port"),
}


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("prefix", ["", "migrate-"])
def test_the_environment_satisfies_the_settings(
    name: str, prefix: str, services: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = settings_of(name).model_fields
    for field in fields:
        monkeypatch.delenv(field.upper(), raising=False)
    environment = services[prefix + name]["environment"]
    for variable, value in environment.items():
        assert isinstance(value, str), f"{variable}: YAML must not make a number or a truth value of it"
        monkeypatch.setenv(variable, value)
    wanted = {field.upper() for field in fields} - DRILLS - (set() if prefix else {OWNER})
    assert set(environment) == wanted, "every setting is passed, and nothing else"
    settings = settings_of(name)()
    assert settings.http_port == PORTS[name]
    changed = {field for field in fields if getattr(settings, field) != fields[field].default} - REQUIRED_OR_GIVEN
    assert changed == ({"smtp_tls"} if name == "campaign" else set()), "the defaults are those of the code"
    assert settings.http_host == "0.0.0.0"  # noqa: S104 - inside its container
    assert settings.kafka_bootstrap == services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].partition("//")[2]
    assert settings.drain_seconds < float(services[name]["stop_grace_period"].removesuffix("s"))


def test_every_service_has_a_role_that_serves_and_one_that_migrates(services: Mapping[str, Any]) -> None:
    made = services["databases"]
    for name in SERVICES:
        upper = name.upper()
        assert f'own rapport_{name} "${upper}_PASSWORD" "${upper}_OWNER_PASSWORD"' in made["command"][0]
        password, owner = (made["environment"][f"{upper}{kind}_PASSWORD"] for kind in ("", "_OWNER"))
        place = f"@postgres:5432/rapport_{name}"
        for prefix in ("", "migrate-"):
            url = services[prefix + name]["environment"]["DATABASE_URL"]
            assert url == f"postgresql+asyncpg://rapport_{name}:{password}{place}"
        url = services[f"migrate-{name}"]["environment"][OWNER]
        assert url == f"postgresql+asyncpg://rapport_{name}_owner:{owner}{place}"


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_missing_is_named_and_explained(name: str) -> None:
    others = {one: value for one, value in GIVEN.items() if one != name}
    with pytest.raises(Missing) as missing:
        interpolated(raw()["services"], others)
    named, message = missing.value.args
    assert named == name
    assert len(message.split()) >= 4


def test_with_a_key_set_no_key_is_asked_for() -> None:
    others = {one: value for one, value in GIVEN.items() if one != "AUTH_PUBLIC_KEY"}
    made = interpolated(raw()["services"], {**others, "AUTH_JWKS_URL": "https://keys.example/jwks.json"})
    assert made["profile"]["environment"]["AUTH_JWKS_URL"] == "https://keys.example/jwks.json"


def test_no_secret_stands_in_the_file() -> None:
    for name, service in raw()["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|_KEY$", variable):
                assert value.startswith("${"), f"{name}: {variable}"
            elif variable.endswith("DATABASE_URL"):
                assert re.fullmatch(r"postgresql\+asyncpg://\w+:\$\{\w+:\?[^}]+\}@.+", value), f"{name}: {variable}"


def test_migrations_come_first(services: Mapping[str, Any]) -> None:
    done = {"condition": "service_completed_successfully"}
    assert services["databases"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in SERVICES:
        assert services[f"migrate-{name}"]["command"] == [f"services.{name}", "migrate"]
        assert services[f"migrate-{name}"]["depends_on"] == {"databases": done}
        assert services[name]["command"] == [f"services.{name}", "serve"]
        assert services[name]["depends_on"][f"migrate-{name}"] == done
        assert services[name]["depends_on"]["kafka"] == {"condition": "service_healthy"}


def test_what_runs_on_has_a_health_check_and_is_restarted(services: Mapping[str, Any]) -> None:
    for name, service in services.items():
        if name in ONE_SHOTS:
            assert service["restart"] == "no", name
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"][0] == "CMD", name
    assert "pg_isready" in services["postgres"]["healthcheck"]["test"]
    assert services["kafka"]["healthcheck"]["test"][1] == "bash", "no JVM, which takes a second of a core"


def test_nothing_fills_the_disk_or_the_memory_of_the_machine(services: Mapping[str, Any]) -> None:
    for name, service in services.items():
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert re.fullmatch(r"[0-9]+[mg]", service["mem_limit"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    for name in (*SERVICES, *MIGRATIONS):
        assert (services[name]["read_only"], services[name]["cap_drop"]) == (True, ["ALL"]), name
        mounts = [*services[name]["tmpfs"], *(one for one in services[name]["volumes"] if isinstance(one, str))]
        assert [mount.rpartition(":")[2] for mount in mounts] == ["/tmp"], f"{name}: Python needs one place to write"  # noqa: S108


def test_no_mail_is_caught_unless_somebody_tries_it_out(services: Mapping[str, Any]) -> None:
    assert [name for name, service in services.items() if service.get("profiles")] == ["mailpit"]
    assert services["mailpit"]["profiles"] == ["trial"]
    assert services["campaign"]["depends_on"]["mailpit"] == {"condition": "service_started", "required": False}
    environment = services["campaign"]["environment"]
    assert (environment["SMTP_HOST"], environment["SMTP_PORT"], environment["SMTP_TLS"]) == (
        MAIL["SMTP_HOST"],
        "587",
        "true",
    )


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_of_the_services_fails_when_they_are_not_ready(
    status: int, code: int, services: Mapping[str, Any]
) -> None:
    for name in SERVICES:
        assert services[name]["healthcheck"] == services["ingest"]["healthcheck"]
    word, *command = services["ingest"]["healthcheck"]["test"]
    assert (word, command[0]) == ("CMD", "bash"), "no Python, which starts for longer than it asks"
    with ready_or_not(status) as port:
        environ = {**os.environ, "HTTP_PORT": str(port)}
        done = subprocess.run(command, env=environ, check=False, capture_output=True, timeout=30)
    assert done.returncode == code, done.stderr


def test_the_health_check_of_the_services_fails_when_nobody_listens(services: Mapping[str, Any]) -> None:
    command = services["ingest"]["healthcheck"]["test"][1:]
    done = subprocess.run(command, env={**os.environ, "HTTP_PORT": "1"}, check=False, capture_output=True, timeout=30)
    assert done.returncode != 0


@contextmanager
def ready_or_not(status: int) -> Iterator[int]:
    """The port of a server that answers /health/ready with this status, and anything else with 404."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/ready" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_images_are_pinned_and_five_services_share_one(services: Mapping[str, Any]) -> None:
    ours = {services[name]["image"] for name in (*SERVICES, *MIGRATIONS)}
    assert ours == {"rapport:0.1.0"}
    for name, service in services.items():
        tag = service["image"].partition(":")[2]
        assert re.fullmatch(r"v?\d+(\.\d+)*", tag), f"{name}: {service['image']}"
    assert services["postgres"]["image"] == services["databases"]["image"] == "postgres:18"


def test_the_broker_is_the_one_that_is_tested() -> None:
    pom = (CHECKOUT / "deploy" / "kafka" / "pom.xml").read_text(encoding="utf-8")
    version = re.search(r"<kafka\.version>(.+)</kafka\.version>", pom)
    assert version is not None
    assert raw()["services"]["kafka"]["image"] == f"apache/kafka:{version[1]}"


def test_the_ports_are_the_design_s_and_can_be_moved(services: Mapping[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    ours = {name: [f"127.0.0.1:{port}:{port}"] for name, port in PORTS.items()}
    assert published == {**ours, "mailpit": ["127.0.0.1:8025:8025"]}
    assert sorted(PORTS.values()) == [8001, 8002, 8003, 8004, 8005]
    moved = interpolated(raw()["services"], {**GIVEN, "RAPPORT_PROFILE_PORT": "9002", "RAPPORT_BIND": "0.0.0.0"})  # noqa: S104
    assert moved["profile"]["ports"] == ["0.0.0.0:9002:8002"]


def test_what_must_last_is_on_volumes(services: Mapping[str, Any]) -> None:
    mounted = {
        name: kept
        for name, service in services.items()
        if (kept := [one for one in service.get("volumes", []) if isinstance(one, str)])
    }
    assert mounted == {
        "kafka": ["kafka:" + services["kafka"]["environment"]["KAFKA_LOG_DIRS"]],
        "postgres": ["postgres:/var/lib/postgresql"],
        "mailpit": ["mail:/data"],
        "ingest": ["uploads:/tmp"],
    }
    assert set(raw()["volumes"]) == {"kafka", "postgres", "mail", "uploads"}
    files = [one for name in (*SERVICES, *MIGRATIONS) for one in services[name]["volumes"] if isinstance(one, dict)]
    assert [(one["target"], one["read_only"]) for one in files] == [("/files", True)] * 10


# The image


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined."""
    text = (CHECKOUT / "deploy" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, " ".join(rest.split())) for word, rest in lines]


def test_the_image_is_built_from_the_lock_file_by_the_same_uv() -> None:
    run = [rest for word, rest in instructions() if word == "RUN"]
    assert run[0].endswith(f" uv=={bootstrap.UV_VERSION}")
    assert run[1] == "uv sync --locked --no-default-groups --group parquet --group charts"


def test_the_image_holds_the_services_and_runs_as_nobody_in_particular() -> None:
    stages = [rest for word, rest in instructions() if word == "FROM"]
    assert [stage.partition(" ")[0] for stage in stages] == ["python:3.11-slim-bookworm"] * 2
    final = instructions()[[word for word, _ in instructions()].index("FROM", 1) :]
    words = dict(final)
    assert words["ENTRYPOINT"] == '["python", "-m"]'
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", words["USER"])
    assert [word for word, _ in final].index("USER") > max(i for i, (word, _) in enumerate(final) if word == "RUN")
    assert {rest for word, rest in final if word == "COPY"} == {
        "--from=build /app/.venv .venv",
        "shared shared",
        "services services",
    }


def test_the_build_context_holds_what_is_copied_and_no_more() -> None:
    ignored = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    context = {rest for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")}
    copied = {source for rest in context for source in rest.split()[:-1]}
    assert "*" in ignored
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert all((CHECKOUT / source).exists() for source in copied)
    build = raw()["services"]["ingest"]["build"]
    assert build == {"context": ".", "dockerfile": "deploy/Dockerfile"}


def test_both_files_say_that_they_were_not_run() -> None:
    for path in (COMPOSE, CHECKOUT / "deploy" / "Dockerfile"):
        opening = path.read_text(encoding="utf-8")[:400]
        assert re.search(r"Not (run|built) where it was written", opening)
        assert "tests/unit/test_compose.py" in opening


def test_compose_reads_the_file_as_these_tests_do(services: Mapping[str, Any]) -> None:
    """Where Compose is installed, it has the last word; elsewhere the file is at least no riddle to YAML."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0:
        subprocess.run(
            [docker, "compose", "--file", str(COMPOSE), "config", "--quiet"],
            env={**os.environ, **GIVEN},
            check=True,
            capture_output=True,
        )
    assert set(services) == {*SERVICES, *ONE_SHOTS, "kafka", "postgres", "mailpit"}
