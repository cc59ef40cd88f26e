"""The local stack's keys and tokens, kept in its home and readable by their owner only."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.placement import write_private
from deploy.local.process import StackError
from shared import credentials
from shared.credentials import ALGORITHM
from shared.http.auth import AUDIENCE

ISSUER = "rapport-local"
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
        return credentials.public_key(self._key)

    @property
    def secrets_key(self) -> str:
        """What ingest encrypts the secrets of webhooks with, in `home/secrets-key`."""
        path = self._home / "secrets-key"
        if not path.exists():
            write_private(path, credentials.secrets_key() + "\n")
        return path.read_text().strip()

    @property
    def partition_secret(self) -> str:
        """What places customers on partitions, in `home/partition-secret`."""
        path = self._home / "partition-secret"
        if not path.exists():
            write_private(path, credentials.partition_secret() + "\n")
        return path.read_text().strip()

    def token(self, subject: str, scopes: Iterable[str], now: datetime) -> str:
        """A bearer token that lasts a year."""
        return credentials.token(self._key, subject=subject, scopes=scopes, now=now, life=TOKEN_LIFE, issuer=ISSUER)

    def admin_token(self, now: datetime) -> str:
        """The token in `home/admin-token`; a new one if it is not ours or will expire within a month."""
        path = self._home / "admin-token"
        kept = path.read_text().strip() if path.exists() else ""
        if not self._is_good(kept, now):
            kept = self.token("admin", credentials.all_scopes(), now)
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
            claims["exp"] > (now + RENEW_BEFORE).timestamp() and claims["scope"] == " ".join(credentials.all_scopes())
        )


def _kept_key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        write_private(path, credentials.new_key())
    try:
        return credentials.read_key(path.read_text())
    except ValueError:
        raise StackError(f"{path} is not an Ed25519 key; remove it") from None
