"""The command that makes an installation's secrets makes what the services take."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.fernet import Fernet

from shared import credentials
from shared.errors import Unauthorized
from shared.http.auth import Principal, Verifier
from shared.service.clock import SystemClock
from shared.service.setting_kinds import fits


def made(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str, given: str = "") -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    assert credentials.main(arguments) == 0
    return capsys.readouterr().out


async def test_a_token_of_the_key_is_taken_by_who_has_its_public_half(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key, other = (made(monkeypatch, capsys, "key") for _ in range(2))
    public = made(monkeypatch, capsys, "public", given=key)
    assert fits(public, "EdDSA")
    kept = tmp_path / "auth-key.pem"
    kept.write_text(key)
    asked = ("token", "--subject", "ann", "--scope", "profile:read", "--scope", "ingest:admin", "--days", "400")
    token = made(monkeypatch, capsys, *asked, "--key", str(kept)).strip()
    everything = made(monkeypatch, capsys, "token", "--subject", "root", "--all", given=key).strip()
    stranger = made(monkeypatch, capsys, *asked, given=other).strip()

    verifier = Verifier(public_key=public, jwks_url="", algorithm="EdDSA", issuer="rapport")
    assert await verifier.verify(token) == Principal("ann", frozenset({"profile:read", "ingest:admin"}))
    assert (await verifier.verify(everything)).scopes == set(credentials.all_scopes())
    with pytest.raises(Unauthorized):
        await verifier.verify(stranger)


def test_the_environment_holds_good_secrets_and_not_the_private_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = made(monkeypatch, capsys, "key")
    lines = made(monkeypatch, capsys, "environment", given=key).splitlines()
    found = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}
    Fernet(found["SECRETS_KEY"])
    assert len(found["PARTITION_SECRET"]) >= 32
    assert fits(found["AUTH_PUBLIC_KEY"], "EdDSA")
    assert not found["KAFKA_CLUSTER_ID"].startswith("-")
    assert len(set(found.values())) == len(found)
    assert all(value.isalnum() for name, value in found.items() if name.endswith("_PASSWORD")), "they stand in URLs"
    assert key.splitlines()[1] not in "\n".join(lines)


@pytest.mark.parametrize("given", ["", "junk", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2Vw\n-----END PUBLIC KEY-----"])
def test_what_is_no_key_is_said_in_one_line(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    assert credentials.main(["token", "--subject", "ann", "--all"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [["--days", "401"], ["--days", "0"], ["--scope", "profile:everything"], ["--scope", "nobody:read"]],
)
def test_a_token_that_no_service_would_take_is_not_made(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        credentials.main(["token", "--subject", "ann", *arguments])


def test_a_token_lasts_as_long_as_it_was_asked_to() -> None:
    key, now = credentials.read_key(credentials.new_key()), SystemClock().now()
    token = credentials.token(key, subject="ann", scopes=[], now=now, life=timedelta(days=7))
    claims = jwt.decode(token, options={"verify_signature": False})
    assert datetime.fromtimestamp(claims["exp"], UTC) - now <= timedelta(days=7)
