"""A new installation: its configuration, made from the commented example, and its secrets."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from mailcrm.errors import Refused

SECRET_FILE = "web.secret"  # noqa: S105 - a file's name
_EXAMPLES = re.compile(r"\[(?:users|mailboxes|smarthost|lmtp)\b.*\]")
_HEADER = re.compile(r"\[[^\]]+\]")


def write(target: Path, example: str) -> list[Path]:
    """Write a configuration and a fresh secret beside it, for their owner alone.

    Args:
        target: the configuration's file; must not exist.
        example: the commented example.

    Returns:
        The files written.

    Raises:
        Refused: one of them exists, or can't be written.
    """
    files = {target.parent / SECRET_FILE: secrets.token_urlsafe(32) + "\n", target: fresh(example)}
    for path in reversed(files):
        if path.exists():
            raise Refused(f"{path} exists; move it away first, or name another with --config")
    for path, content in files.items():
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise Refused(f"can't write {path}: {error.strerror}; go to a folder where you may") from None
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
    return [*files]


def fresh(example: str) -> str:
    """The example, its people and servers as comments, its secret in a file of our own."""
    lines, asleep = [], False
    for line in example.splitlines():
        if _HEADER.match(line):
            asleep = _EXAMPLES.match(line) is not None
        lines.append(f"# {line}" if asleep and line and not line.startswith("#") else line)
    text = "\n".join(lines) + "\n"
    for key, value in (
        ("domains", "[]"),
        ("base_url", '"http://127.0.0.1:8080"'),
        ("secret", f'{{ file = "{SECRET_FILE}" }}'),
    ):
        text = re.sub(rf"^{key} = .*?  +#", f"{f'{key} = {value}':<40}#", text, flags=re.MULTILINE)
    return text
