"""The text of a file that somebody names: a definition, a template."""

from __future__ import annotations

from pathlib import Path

from mailcrm.errors import Refused


def text_of(path: Path) -> str:
    """The file's text. Raises Refused: it can't be read, or is no UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(f"can't read {path}: {error.strerror}; name another file") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Refused(f"can't read {path}: line {line} is no UTF-8; save it as UTF-8") from None
