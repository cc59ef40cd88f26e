"""The local stack's keys and tokens, kept in its home and readable by their owner only."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

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

from deploy.local.placement import write_private
from deploy.local.process import StackError
from deploy.local.settings import SERVICES

ALGORITHM = "EdDSA"
ISSUER = "rapport-local"
AUDIENCE = "rapport"
ADMIN_SCOPES = ("read", "write", "admin")
TOKEN_LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)


class Credentials:
    """Signs the tokens that the services of one local stack trust."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._key = _kept_key(home / "auth-key.pem")

    @property
    def public_key(self) -> str:
        """PEM."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def secrets_key(self) -> str:
        """What ingest encrypts the secrets of webhooks with, in `home/secrets-key`."""
        path = self._home / "secrets-key"
        if not path.exists():
            write_private(path, Fernet.generate_key().decode() + "\n")
        return path.read_text().strip()

    @property
    def partition_secret(self) -> str:
        """What places customers on partitions, in `home/partition-secret`."""
        path = self._home / "partition-secret"
        if not path.exists():
            write_private(path, secrets.token_hex(32) + "\n")
        return path.read_text().strip()

    def token(self, subject: str, scopes: Iterable[str], now: datetime) -> str:
        """A bearer token that lasts a year."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + TOKEN_LIFE,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def admin_token(self, now: datetime) -> str:
        """The token in `home/admin-token`; a new one if it is not ours or will expire within a month."""
        path = self._home / "admin-token"
        kept = path.read_text().strip() if path.exists() else ""
        if not self._is_good(kept, now):
            kept = self.token("admin", scopes(ADMIN_SCOPES), now)
            write_private(path, kept + "\n")
        return kept

    def _is_good(self, token: str, now: datetime) -> bool:
        try:
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"verify_exp": False},
            )
        except jwt.InvalidTokenError:
            return False
        return bool(
            claims["exp"] > (now + RENEW_BEFORE).timestamp() and claims["scope"] == " ".join(scopes(ADMIN_SCOPES))
        )


def scopes(rights: Iterable[str]) -> list[str]:
    """Every right at every service."""
    return [f"{service}:{right}" for service in SERVICES for right in rights]


def _kept_key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        write_private(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise StackError(f"{path} is not an Ed25519 key; remove it")
    return key
