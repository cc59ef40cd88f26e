"""Settings: read once, and refused at start with the name of the variable that is wrong."""

import pytest

from shared.service import settings
from shared.service.settings import Settings

GOOD = {
    "DATABASE_URL": "postgresql+asyncpg://rapport@localhost/rapport",
    "KAFKA_BOOTSTRAP": "localhost:9092",
    "HTTP_PORT": "8002",
    "PARTITION_SECRET": "a secret of theirs, of the length that is asked for",
}


@pytest.fixture(autouse=True)
def good(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_settings_come_from_the_environment() -> None:
    found = settings.load(Settings)

    assert found.http_port == 8002
    assert found.kafka_bootstrap == "localhost:9092"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "0"),
        ("HTTP_PORT", "http"),
        ("HTTP_PORT", "65536"),
        ("DATABASE_POOL_SIZE", "1"),
        ("KAFKA_REPLICATION", "0"),
        ("KAFKA_BATCH_RECORDS", "many"),
        ("DRAIN_SECONDS", "0"),
        ("HTTP_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("HTTP_TRUSTED_PROXIES", "the proxy"),
        ("AUTH_JWKS_SECONDS", "0"),
        ("AUTH_TOKEN_DAYS", "0"),
        ("PARTITION_SECRET", "rapport-local"),
        ("PARTITION_SECRET", "a" * 64),
        ("HTTP_CONNECTIONS", "0"),
    ],
)
def test_a_wrong_value_ends_the_start_with_its_name_and_meaning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as stopped:
        settings.load(Settings)
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: ")
    assert line.endswith(")")


def test_no_settings_say_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://rapport:canary-password@localhost/rapport")

    found = settings.load(Settings)

    for shown in (repr(found), str(found), str(found.model_dump()), found.model_dump_json()):
        assert "canary-password" not in shown
        assert GOOD["PARTITION_SECRET"] not in shown


def test_every_missing_variable_has_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("KAFKA_BOOTSTRAP")

    with pytest.raises(SystemExit):
        settings.load(Settings)
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        "DATABASE_URL",
        "KAFKA_BOOTSTRAP",
    ]


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
