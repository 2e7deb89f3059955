"""What all sections of the configuration are made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from mailcrm.errors import ConfigError

Tls = Literal["none", "starttls", "implicit"]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every section."""


class Secret(Struct, frozen=True):
    """A value kept out of the file: ``{env = "X"}``, ``{file = "…"}`` or ``{credential = "…"}`` (systemd)."""

    env: str | None = None
    file: str | None = None
    credential: str | None = None

    def reveal(self, base: Path, key: str) -> str:
        """The secret itself.

        Args:
            base: folder that a relative ``file`` is relative to.
            key: the configuration key, for the error.

        Raises:
            ConfigError: it is not set or can't be read.
        """
        if self.env:
            value = os.environ.get(self.env)
            if not value:
                raise ConfigError(f"{key}: the environment variable {self.env} is not set; export it before starting")
            return value
        if self.credential:
            folder = os.environ.get("CREDENTIALS_DIRECTORY")
            if not folder:
                raise ConfigError(f"{key}: no systemd credentials here (CREDENTIALS_DIRECTORY is not set)")
            path = Path(folder) / self.credential
        elif self.file:
            path = base / self.file
        else:
            raise ConfigError(f'{key}: say where the secret is: {{env = "NAME"}} or {{file = "PATH"}}')
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"{key}: can't read {path}: {error.strerror}; create it for this user alone") from None
