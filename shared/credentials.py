"""`python -m shared.credentials key|public|token|environment`: the secrets of an installation, made where it runs.

The key that signs tokens is read from stdin or a file and printed to stdout, and kept nowhere else: whoever has it can
sign tokens for everything.
"""

import argparse
import base64
import secrets
import sys
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import jwt
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from shared.http.auth import AUDIENCE
from shared.service.clock import SystemClock

ALGORITHM: Final = "EdDSA"
ISSUER: Final = "rapport"
TOKEN_DAYS: Final = 90
MAX_TOKEN_DAYS: Final = 400  # AUTH_TOKEN_DAYS: services refuse tokens that last longer
SERVICES: Final = ("ingest", "profile", "segment", "campaign", "feedback")
RIGHTS: Final = ("read", "write", "admin")


def new_key() -> str:
    """Returns a new Ed25519 key that signs tokens, in PEM."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def read_key(pem: str) -> Ed25519PrivateKey:
    """Returns the key of a PEM text. Raises ValueError for anything else."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("this is not a private key in PEM; make one with: python -m shared.credentials key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("this is not an Ed25519 key; make one with: python -m shared.credentials key")
    return key


def public_key(key: Ed25519PrivateKey) -> str:
    """Returns what tokens are verified with (AUTH_PUBLIC_KEY), in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def token(
    key: Ed25519PrivateKey, *, subject: str, scopes: Iterable[str], now: datetime, life: timedelta, issuer: str = ISSUER
) -> str:
    """Returns a bearer token that is valid from now on. Without scopes it is a customer's own."""
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": subject,
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + life,
        "jti": secrets.token_hex(8),
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def all_scopes() -> list[str]:
    """Returns every right at every service."""
    return [f"{service}:{right}" for service in SERVICES for right in RIGHTS]


def secrets_key() -> str:
    """Returns a new key that encrypts the secrets of webhooks (SECRETS_KEY)."""
    return Fernet.generate_key().decode()


def partition_secret() -> str:
    """Returns a new key of the hash that places customers (PARTITION_SECRET)."""
    return secrets.token_hex(32)


def environment(key: Ed25519PrivateKey) -> dict[str, str]:
    """Returns every secret that docker-compose.yml asks for, new, but for the public half of `key`."""
    passwords = [f"{name.upper()}{owner}_PASSWORD" for name in SERVICES for owner in ("", "_OWNER")]
    return {
        **{name: secrets.token_hex(24) for name in ("POSTGRES_PASSWORD", *passwords)},
        "PARTITION_SECRET": partition_secret(),
        "SECRETS_KEY": secrets_key(),
        "KAFKA_CLUSTER_ID": cluster_id(),
        "AUTH_PUBLIC_KEY": public_key(key).strip().replace("\n", "\\n"),
    }


def cluster_id() -> str:
    """Returns a new id of a Kafka cluster, which Kafka's own format tool must not take for an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


# The command line


def main(arguments: Sequence[str]) -> int:
    """Prints what was asked for. Returns the exit status."""
    chosen = _parser().parse_args(arguments)
    if chosen.command == "key":
        print(new_key(), end="")
        return 0
    try:
        key = read_key(Path(chosen.key).read_text(encoding="utf-8") if chosen.key else sys.stdin.read())
    except (OSError, ValueError) as error:
        print(f"the key that signs tokens can't be used: {error}", file=sys.stderr)
        return 2
    if chosen.command == "public":
        print(public_key(key), end="")
    elif chosen.command == "environment":
        for name, value in environment(key).items():
            print(f'{name}="{value}"')
    else:
        print(
            token(
                key,
                subject=chosen.subject,
                scopes=all_scopes() if chosen.all else chosen.scope,
                now=SystemClock().now(),
                life=timedelta(days=chosen.days),
                issuer=chosen.issuer,
            )
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shared.credentials", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("key", help="print a new private key, which signs tokens: keep it to yourself")
    for name, text in {
        "public": "print the public key of a private one, for AUTH_PUBLIC_KEY",
        "environment": "print the secrets that docker-compose.yml asks for, as lines of a file .env",
        "token": "print a bearer token",
    }.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--key", default="", metavar="FILE", help="the private key; by default read of stdin")
    command = commands.choices["token"]
    command.add_argument("--subject", required=True, help="who gets it: a name, that the audit log will show")
    rights = command.add_mutually_exclusive_group(required=True)
    rights.add_argument("--scope", action="append", type=_scope, help="such as profile:read; several times for more")
    rights.add_argument("--all", action="store_true", help="every right at every service")
    command.add_argument("--days", type=_days, default=TOKEN_DAYS, help=f"how long it lasts, {TOKEN_DAYS} by default")
    command.add_argument("--issuer", default=ISSUER, help="AUTH_ISSUER of the services")
    return parser


def _scope(text: str) -> str:
    if text not in all_scopes():
        raise argparse.ArgumentTypeError(f"there are {', '.join(all_scopes())}")
    return text


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_TOKEN_DAYS:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {MAX_TOKEN_DAYS}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
