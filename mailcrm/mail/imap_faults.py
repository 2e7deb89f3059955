"""What a mail server's refusals mean: wait how long, or is somebody needed?"""

from __future__ import annotations

import re

from mailcrm.errors import Temporary


class Away(Temporary):
    """The connection is of no use any more, or the server asks for a pause.

    Args:
        message: what failed, where, and what happens next.
        retry_after: seconds that the server asks to be left alone; None if it did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Throttled(Away):
    """A command was refused with words that ask for a pause; the connection itself is whole."""


class Garbled(Away):
    """The server's answer can't be understood, and what follows it can't be trusted."""


class Declined(Temporary):
    """One command was answered NO or BAD; the connection goes on.

    Args:
        message: the command, where, and the server's words.
        code: the response code in capitals (RFC 5530), or "".
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


# RFC 5530 and RFC 9051 codes, and what Gmail and Exchange use: seconds to wait
_CODES = {
    "THROTTLED": 300.0,
    "UNAVAILABLE": 60.0,
    "LIMIT": 300.0,
    "OVERQUOTA": 3600.0,
    "INUSE": 60.0,
    "SERVERBUG": 60.0,
}
_TEXTS = (
    (re.compile(r"too many simultaneous connections|maximum number of connections|too many connections", re.I), 300.0),
    (re.compile(r"bandwidth|exceeded (?:command|daily)|download limit", re.I), 3600.0),
    (re.compile(r"too many (?:login|commands|requests|bad)|rate.?limit|throttl", re.I), 600.0),
    (re.compile(r"try again later|temporar|unavailable|server busy|internal error", re.I), 60.0),
)
_BACKOFF = re.compile(r"BackOffMilliseconds[=:]\s*(\d{1,9})", re.I)


def pause_asked(code: str, text: str) -> float | None:
    """Seconds that a refusal asks us to wait, or None where it asks for none.

    Args:
        code: the response code in capitals, or "".
        text: the whole human-readable text.
    """
    if match := _BACKOFF.search(text):
        return int(match[1]) / 1000
    if code in _CODES:
        return _CODES[code]
    return next((seconds for pattern, seconds in _TEXTS if pattern.search(text)), None)


def printable(text: bytes | str, limit: int = 200) -> str:
    """A server's words, fit for a log line: no control characters, bounded."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = "".join(c if c.isprintable() else " " for c in text[: 2 * limit]).strip()
    return text if len(text) <= limit else text[:limit] + "…"
