"""Refresh tokens obtained by ``mailcrm mailbox login``: one encrypted file a mailbox in ``data_dir/tokens``."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mailcrm.config import Config
from mailcrm.errors import LoginFailed
from mailcrm.store.blobs import local_secret

if TYPE_CHECKING:  # and where it is used, since it takes 2 MB that mailboxes with a password have no use for
    from cryptography.fernet import Fernet


class TokenFile:
    """The refresh token of one mailbox.

    The encryption key is derived from ``web.secret`` (or the secret kept in the data folder), so a copied
    data folder alone tells nothing where the secret is configured elsewhere.

    Args:
        config: for the folder and the secret.
        mailbox: the mailbox's name in the configuration.
    """

    def __init__(self, config: Config, mailbox: str) -> None:
        self._mailbox = mailbox
        self._config = config
        self._path = config.data / "tokens" / quote(mailbox, safe="").replace(".", "%2E")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """No other thread or process uses this mailbox's refresh token meanwhile: a used one may be void."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def read(self, configured: str | None) -> str | None:
        """The stored token, or None if there is none, or if it stems from another configured one than is set now.

        Raises:
            LoginFailed: it can't be decrypted, since the secret is another now.
        """
        try:
            sealed = self._path.read_bytes()
        except FileNotFoundError:
            return None
        from cryptography.fernet import InvalidToken

        try:
            origin, _, token = self._cipher().decrypt(sealed).decode().partition("\n")
        except InvalidToken:
            raise LoginFailed(
                f"mailboxes.{self._mailbox}: the stored login can't be read; was web.secret changed? "
                f"run: mailcrm mailbox login {self._mailbox}"
            ) from None
        return token if origin in ("", _origin(configured)) else None

    def write(self, token: str, configured: str | None) -> None:
        """Store a token; a crash leaves the old one or the new one whole.

        Args:
            configured: the ``refresh_token`` of the configuration that it grew out of; None after a login.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealed = self._cipher().encrypt(f"{_origin(configured)}\n{token}".encode())
        handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".new-")  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _cipher(self) -> Fernet:
        configured = self._config.web.secret
        if configured is None:
            secret = local_secret(self._config.data)
        else:
            secret = self._config.secret(configured, "web.secret").encode()
        from cryptography.fernet import Fernet
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        key = HKDF(SHA256(), 32, salt=None, info=b"mailcrm refresh tokens").derive(secret)
        return Fernet(base64.urlsafe_b64encode(key))


def _origin(configured: str | None) -> str:
    return hashlib.sha256(configured.encode()).hexdigest() if configured else ""
