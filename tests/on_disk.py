"""What was made durable: files that were synced to disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of all files that are synced from now on."""
    found: list[str] = []
    real = os.fsync

    def noted(handle: int) -> None:
        found.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(os, "fsync", noted)
    return found
