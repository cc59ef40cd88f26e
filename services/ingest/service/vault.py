"""Webhook secrets: checking a signature needs them in the clear, so they are stored encrypted, not hashed.

Fernet (AES-128-CBC with HMAC-SHA256) with the keys of `SECRETS_KEY`: the first encrypts, all of them decrypt, so that a
key can be changed without a moment in which nothing is readable.
"""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.errors import Conflict


class NoSecretsKey(Conflict):
    """This service has no SECRETS_KEY, so it can't keep a secret."""


class Vault:
    """Encrypts and decrypts secrets. Without keys it can do neither."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises `ValueError` for an invalid key."""
        self._fernet = MultiFernet([Fernet(key) for key in keys]) if keys else None

    def close(self, secret: str) -> bytes:
        """Returns a secret as it is stored. Raises `NoSecretsKey`."""
        if self._fernet is None:
            raise NoSecretsKey("set SECRETS_KEY to a key made by Fernet.generate_key(), and start again")
        return self._fernet.encrypt(secret.encode())

    def open(self, kept: bytes | None) -> bytes | None:
        """Returns the secret; None if there is none, or if none of the keys opens it."""
        if kept is None or self._fernet is None:
            return None
        try:
            return self._fernet.decrypt(kept)
        except InvalidToken:
            return None
