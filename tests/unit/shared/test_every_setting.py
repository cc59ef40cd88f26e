"""A wrong value of any setting of any service ends the start with the setting's name, and never with the value."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from deploy import settings_table
from deploy.local.settings import SERVICES
from shared.database.url import problem_of
from shared.kafka.connection import client_options
from shared.service import settings
from shared.service.settings import Settings

CANARY: Final = "canary-4711"
ED25519: Final = Ed25519PrivateKey.generate()
PUBLIC: Final = ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PRIVATE: Final = ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
GOOD: Final = {
    "DATABASE_URL": "postgresql+asyncpg://rapport@localhost/rapport",
    "KAFKA_BOOTSTRAP": "localhost:9092",
    "HTTP_PORT": "8002",
    "PARTITION_SECRET": "a secret of theirs, of the length that is asked for",
    "MAIL_FROM": "hello@shop.example",
    "SMTP_HOST": "localhost",
    "SMTP_PORT": "25",
}
NOT_POSITIVE: Final = ({"": "0"}, {"": "-1"}, {"": "many"})

# What must not be taken, by setting: a value (of the setting itself, by the name ""), and what it needs beside it.
WRONG: Final[Mapping[str, tuple[Mapping[str, str], ...]]] = {
    "DATABASE_URL": (
        {"": f"postgres://{CANARY}"},
        {"": CANARY},
        {"": f"postgresql+asyncpg://u:{CANARY}@host:port/db"},
        {"": "postgresql+asyncpg:///db"},
        {"": f"postgresql+asyncpg://u:{CANARY}@host/db?sslmode=perhaps"},
        {"": "postgresql+asyncpg://host/db?sslmode=verify-full"},
        {"": "postgresql+asyncpg://host/db?sslmode=verify-full&sslrootcert=/nowhere.pem"},
        {"": "postgresql+asyncpg://host/db?sslrootcert=/nowhere.pem"},
        {"": f"postgresql+asyncpg://host/db?{CANARY}=1"},
    ),
    "MIGRATION_DATABASE_URL": ({"": f"mysql://{CANARY}"},),
    "PROFILE_URL": ({"": CANARY}, {"": f"http://u:{CANARY}@profile:8002"}, {"": "http://profile:8002/?a=b"}),
    "PROFILE_TOKEN": (
        {"": CANARY},
        {"": "", "PROFILE_URL": "http://profile:8002"},
        {"": f"{CANARY} and more", "PROFILE_URL": "http://profile:8002"},
    ),
    "DATABASE_POOL_SIZE": ({"": "1"}, {"": "many"}),
    "KAFKA_BOOTSTRAP": ({"": "localhost"}, {"": "localhost:0"}, {"": "http://localhost:9092"}, {"": "a:1,,b:2"}),
    "KAFKA_SECURITY_PROTOCOL": ({"": "TLS"}, {"": "ssl"}),
    "KAFKA_SASL_MECHANISM": ({"": "GSSAPI"},),
    "KAFKA_SASL_USERNAME": (
        {"": "", "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_PASSWORD": CANARY},
        {"": "rapport"},
    ),
    "KAFKA_SASL_PASSWORD": (
        {"": "", "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_USERNAME": "rapport"},
        {"": CANARY},
    ),
    "KAFKA_TLS_CA_FILE": (
        {"": "/nowhere.pem", "KAFKA_SECURITY_PROTOCOL": "SSL"},
        {"": __file__, "KAFKA_SECURITY_PROTOCOL": "SSL"},
        {"": __file__},
    ),
    "KAFKA_TLS_CERTIFICATE_FILE": ({"": "/nowhere.pem", "KAFKA_SECURITY_PROTOCOL": "SSL"},),
    "KAFKA_TLS_KEY_FILE": (
        {"": __file__, "KAFKA_SECURITY_PROTOCOL": "SSL"},
        {"": "/nowhere.pem", "KAFKA_SECURITY_PROTOCOL": "SSL"},
        {"": __file__, "KAFKA_TLS_CERTIFICATE_FILE": __file__, "KAFKA_SECURITY_PROTOCOL": "SSL"},
    ),
    "KAFKA_REPLICATION": NOT_POSITIVE,
    "KAFKA_TOPIC_GENERATION": NOT_POSITIVE,
    "KAFKA_SESSION_TIMEOUT_MILLISECONDS": ({"": "-1"}, {"": "6s"}),
    "KAFKA_FETCH_WAIT_MILLISECONDS": ({"": "-1"}, {"": "0.5"}),
    "KAFKA_BUSY_FETCH_WAIT_MILLISECONDS": ({"": "-1"}, {"": "0.5"}),
    "WIRE_VERSION": ({"": "0"}, {"": "3"}, {"": "two"}),
    "KAFKA_BATCH_RECORDS": NOT_POSITIVE,
    "KAFKA_VOLATILE": ({"": "perhaps"},),
    "KAFKA_KEPT_MEGABYTES": NOT_POSITIVE,
    "HTTP_HOST": ({"": "every host"}, {"": "http://localhost"}),
    "HTTP_PORT": ({"": "0"}, {"": "65536"}, {"": "http"}, {"": ""}),
    "HTTP_REQUEST_LINE_BYTES": NOT_POSITIVE,
    "HTTP_HEADER_BYTES": NOT_POSITIVE,
    "HTTP_HEADERS": NOT_POSITIVE,
    "HTTP_BODY_BYTES": NOT_POSITIVE,
    "HTTP_HEADER_SECONDS": (*NOT_POSITIVE, {"": "nan"}, {"": "inf"}),
    "HTTP_STALL_SECONDS": NOT_POSITIVE,
    "HTTP_BYTES_PER_SECOND": NOT_POSITIVE,
    "HTTP_IDLE_SECONDS": NOT_POSITIVE,
    "HTTP_PROXY_IDLE_SECONDS": NOT_POSITIVE,
    "HTTP_CONNECTIONS": NOT_POSITIVE,
    "HTTP_CONNECTIONS_PER_ADDRESS": NOT_POSITIVE,
    "HTTP_TRUSTED_PROXIES": ({"": "10.0.0.0/33"}, {"": f"the proxy {CANARY}"}),
    "AUTH_PUBLIC_KEY": ({"": CANARY}, {"": PRIVATE}, {"": PUBLIC.replace("MC", "MX")}),
    "AUTH_JWKS_URL": ({"": "keys.example/jwks"}, {"": f"https://u:{CANARY}@keys.example/"}, {"": "file:///keys"}),
    "AUTH_JWKS_SECONDS": NOT_POSITIVE,
    "AUTH_TOKEN_DAYS": NOT_POSITIVE,
    "AUTH_ALGORITHM": ({"": "HS256"}, {"": "none"}, {"": "RS256", "AUTH_PUBLIC_KEY": PUBLIC}),
    "AUTH_ISSUER": ({"": "two\nlines"},),
    "PARTITION_SECRET": ({"": "rapport-local"}, {"": "a" * 64}, {"": CANARY}),
    "LOG_LEVEL": ({"": "chatty"},),
    "LOG_LEVELS": (
        {"": "shared.kafka"},
        {"": "shared.kafka=chatty"},
        {"": "shared.kafak=DEBUG"},
        {"": f"{CANARY}=INFO"},
        {"": "aiokafka=DEBUG"},
    ),
    "FAILPOINT": ({"": "NOWHERE AT ALL"}, {"": "relay.after_send@0"}),
    "CLOCK_OFFSET_SECONDS": ({"": "soon"}, {"": "nan"}),
    "DRAIN_ANNOUNCE_SECONDS": ({"": "-1"}, {"": "soon"}),
    "DRAIN_SECONDS": NOT_POSITIVE,
    "PUBLIC_HOST": ({"": "http://a"}, {"": "a b"}, {"": "a/b"}, {"": "a:http"}, {"": "a:70000"}),
    "SECRETS_KEY": ({"": CANARY}, {"": f"{'A' * 43}=,{CANARY}"}),
    "GEOIP_DATABASE": ({"": "/nowhere.mmdb"}, {"": __file__}),
    "PRODUCE_SECONDS": NOT_POSITIVE,
    "SPOOL_MEGABYTES": ({"": "-1"}, {"": "0", "KAFKA_VOLATILE": "true"}),
    "PUBLIC_EVENTS_PER_SECOND": ({"": "-1"},),
    "ADDRESS_EVENTS_PER_SECOND": ({"": "-1"},),
    "BATCH_MEGABYTES": ({"": "3"}, {"": "65"}, {"": "16 MB"}),
    "QUARANTINE_DAYS": NOT_POSITIVE,
    "IMPORT_MEGABYTES": NOT_POSITIVE,
    "IDENTITY_LIMIT_EMAIL": NOT_POSITIVE,
    "IDENTITY_LIMIT_PHONE": NOT_POSITIVE,
    "IDENTITY_LIMIT_ANONYMOUS_ID": NOT_POSITIVE,
    "COMPANY_TIME_ZONE": ({"": "Beijing"}, {"": "+08:00"}, {"": "GMT+8"}, {"": "../UTC"}),
    "MAIL_FROM": (
        {"": "Shop"},
        {"": "Shop <shop>"},
        {"": "a@shop.example\nBcc: b@c.example"},
        {"": "läden@shop.example"},
        {"": "a@-b-.läden"},
    ),
    "SMTP_HOST": ({"": "smtp://mail.example"}, {"": "mail.example:25"}),
    "SMTP_PORT": ({"": "0"}, {"": "smtp"}),
    "SMTP_USERNAME": ({"": "two\nlines", "SMTP_PASSWORD": CANARY},),
    "SMTP_PASSWORD": ({"": CANARY}, {"": "", "SMTP_USERNAME": "rapport"}),
    "SMTP_TLS": ({"": "perhaps"},),
    "SMTP_CA_FILE": ({"": "/nowhere.pem", "SMTP_TLS": "true"}, {"": __file__, "SMTP_TLS": "true"}, {"": __file__}),
    "SMTP_ENVELOPE_SECONDS": (*NOT_POSITIVE, {"": "26"}),
    "SMTP_DATA_SECONDS": (*NOT_POSITIVE, {"": "26"}),
    "SENDER_LEASE_SECONDS": ({"": "50"}, {"": "nan"}),
    "SENDER_CONCURRENCY": (*NOT_POSITIVE, {"": "101"}),
    "SMS_URL": ({"": "sms.example"}, {"": f"https://u:{CANARY}@sms.example"}),
    "SMS_TOKEN": (
        {"": CANARY},
        {"": "", "SMS_URL": "https://sms.example/messages"},
        {"": f"{CANARY} and more", "SMS_URL": "https://sms.example/messages"},
    ),
    "WEBHOOK_ALLOW_PRIVATE": ({"": "perhaps"},),
    "WEBHOOK_URL": ({"": "app.example"}, {"": "http://app.example/hook"}, {"": f"https://u:{CANARY}@app.example"}),
    "WEBHOOK_SECRET": (
        {"": f"whsec_{CANARY}"},
        {"": "", "WEBHOOK_URL": "https://app.example/hook"},
        {"": f"whsec_{CANARY}", "WEBHOOK_URL": "https://app.example/hook"},
    ),
    "PUBLIC_URL": ({"": "mail.shop.example"}, {"": f"https://u:{CANARY}@a.example"}, {"": "https://a.example/?a=b"}),
    "LINKS_SECRET": ({"": "rapport-local"}, {"": CANARY}),
    "CONFIRMATIONS_PER_HOUR": NOT_POSITIVE,
    "FREQUENCY_CAP_MESSAGES": NOT_POSITIVE,
    "FREQUENCY_CAP_HOURS": NOT_POSITIVE,
}
# Every text opens a key or does not: KAFKA_TLS_KEY_FILE is named then.
EVERY_TEXT_WILL_DO: Final = {"KAFKA_TLS_KEY_PASSWORD"}

CLASSES: Final = tuple(settings_table.settings_of(service) for service in SERVICES)
FIELDS: Final = {name.upper() for one in CLASSES for name in one.model_fields}


@pytest.fixture(autouse=True)
def good(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FIELDS:
        monkeypatch.delenv(name, raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_every_setting_has_a_wrong_value() -> None:
    assert WRONG.keys() | EVERY_TEXT_WILL_DO == FIELDS


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_value_ends_the_start_with_the_name_of_its_setting(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of = Settings if name.lower() in Settings.model_fields else next(one for one in CLASSES if _has(one, name))
    for wrong in WRONG[name]:
        with monkeypatch.context() as environment:
            for variable, value in wrong.items():
                environment.setenv(variable or name, value)
            with pytest.raises(SystemExit) as stopped:
                settings.load(of)
        assert stopped.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert [line.partition(": ")[0] for line in lines] == [name], wrong
        assert CANARY not in lines[0]
        assert PRIVATE.splitlines()[1] not in lines[0]


def _has(settings_class: type[Settings], name: str) -> bool:
    return name.lower() in settings_class.model_fields


def test_no_service_changes_what_all_have() -> None:
    """The walk above checks what is common once; a validator of the same name would replace the common one."""
    common = Settings.__pydantic_decorators__.field_validators.keys()
    for one in CLASSES:
        assert not common & vars(one).keys()


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8")))
def test_no_text_as_the_address_of_a_database_raises_or_is_repeated(text: str) -> None:
    problem = problem_of(f"{CANARY}{text}")
    assert problem is not None
    assert CANARY not in problem


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), {"RS256", "PS512"}),
        (ec.generate_private_key(ec.SECP256R1()), {"ES256"}),
        (ED25519, {"EdDSA"}),
    ],
    ids=["RSA", "P-256", "Ed25519"],
)
def test_an_algorithm_must_fit_the_key(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey,
    algorithms: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    monkeypatch.setenv("AUTH_PUBLIC_KEY", pem.replace("\n", "\\n"))
    fitting = set()
    for algorithm in ("EdDSA", "ES256", "ES384", "RS256", "PS512"):
        monkeypatch.setenv("AUTH_ALGORITHM", algorithm)
        try:
            settings.load(Settings)
        except SystemExit:
            continue
        fitting.add(algorithm)
    assert fitting == algorithms


def test_a_variable_that_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_REPLICATION", "")
    assert settings.load(Settings).kafka_replication == 1


def test_a_level_is_understood_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert settings.load(Settings).log_level == "DEBUG"


def test_what_smtp_tls_meant_as_a_truth_value_it_means_still(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = settings_table.settings_of("campaign")
    for word, port, expected in [
        ("1", "465", (True, False)),
        ("True", "587", (False, True)),
        ("starttls", "465", (False, True)),
        ("implicit", "2465", (True, False)),
        ("no", "25", (False, False)),
    ]:
        monkeypatch.setenv("SMTP_TLS", word)
        monkeypatch.setenv("SMTP_PORT", port)
        found = settings.load(campaign)
        assert (getattr(found, "smtp_implicit_tls"), getattr(found, "smtp_start_tls")) == expected  # noqa: B009


def test_an_api_needs_a_key_or_the_address_of_keys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        settings.require_token_key(settings.load(Settings))
    assert capsys.readouterr().err.startswith("AUTH_PUBLIC_KEY: is not set")
    monkeypatch.setenv("AUTH_JWKS_URL", "https://keys.example/jwks.json")
    settings.require_token_key(settings.load(Settings))


def test_every_client_of_kafka_gets_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": "rapport",
        "KAFKA_SASL_PASSWORD": CANARY,
    }.items():
        monkeypatch.setenv(name, value)
    connection = settings.load(Settings).kafka()
    options = client_options(connection)
    assert options.pop("ssl_context").check_hostname
    assert options == {
        "bootstrap_servers": "localhost:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "rapport",
        "sasl_plain_password": CANARY,
    }
    assert CANARY not in repr(connection)


def test_the_table_in_the_documents_is_made_from_the_settings(tmp_path: Path) -> None:
    page = tmp_path / "operations.md"
    page.write_text(settings_table.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    assert settings_table.main(["--check"], page) == 0
    page.write_text(page.read_text(encoding="utf-8").replace("| `10` |", "| `11` |", 1), encoding="utf-8")
    assert settings_table.main(["--check"], page) == 1
    assert settings_table.main([], page) == 0
    assert settings_table.main(["--check"], page) == 0


def test_a_process_says_what_is_wrong_and_no_more() -> None:
    started = subprocess.run(
        [sys.executable, "-m", "services.profile", "serve"],
        env={**os.environ, "DATABASE_URL": f"postgres://{CANARY}", "LOG_LEVEL": "chatty"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (started.returncode, started.stdout) == (2, "")
    assert [line.partition(": ")[0] for line in started.stderr.splitlines()] == ["DATABASE_URL", "LOG_LEVEL"]
    assert CANARY not in started.stderr
