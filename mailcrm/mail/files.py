"""Mail in files: .eml, mbox, maildir, and folders of them. Streaming: one message at a time is in memory."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

Report = Callable[[str, str], object]

_SEPARATOR = re.compile(rb"From [^\r\n]{0,300}?\b\d{1,2}:\d\d[^\r\n]{0,100}\r?\n")
_FIRST_LINE = re.compile(
    rb">?From |(?:From|To|Cc|Date|Subject|Message-ID|Received|Return-Path|Delivered-To|Envelope-To|Reply-To|Sender"
    rb"|MIME-Version|DKIM-Signature|Authentication-Results|(?:Content|ARC|List|X)-[\w\-]{1,60})[ \t]*:",
    re.IGNORECASE,
)
_MAIL_ENDINGS = frozenset({".eml", ".mbox", ".mbx", ".msg", ".mail", ".mime"})
_NO_MAIL = frozenset({"tmp", "__pycache__"})
_INDEX_FILES = re.compile(r"dovecot.*|maildir(?:size|folder)|subscriptions|courier.*|.*\.(?:lock|msf|cache|index)")


def _unheard(label: str, reason: str) -> None:
    """Takes reports that nobody asked for."""


def messages(path: Path, report: Report = _unheard) -> Iterator[tuple[str, bytes]]:
    """Every message in a file or below a folder, in order of name.

    A file that begins with ``From `` is an mbox, save a ``.eml``, which holds one message with its mbox line.

    Args:
        path: an .eml or mbox file, a maildir, or any folder: mail files are then told by name or first line.
        report: called with (file, reason) for a file that can't be read; the rest goes on.

    Yields:
        What it came from (the file, for an mbox with ``#`` and the number from 1) and its raw bytes.
    """
    if not path.is_dir():
        yield from _of_file(path, report)
        return
    for folder, folders, names in os.walk(path, onerror=lambda error: report(str(error.filename), _why(error))):
        here = Path(folder)
        is_maildir = "cur" in folders and "new" in folders
        folders[:] = sorted(
            name for name in folders if name not in _NO_MAIL and (is_maildir or not name.startswith("."))
        )
        in_maildir = here.name in ("cur", "new")
        for name in sorted(names):
            file = here / name
            if in_maildir:
                yield from _whole(file, report)
            elif not is_maildir and _is_mail(file, report):
                yield from _of_file(file, report)


def _is_mail(file: Path, report: Report) -> bool:
    """Whether a file in a folder of any kind is mail; others are passed over in silence."""
    if file.name.startswith(".") or _INDEX_FILES.fullmatch(file.name) or not file.is_file():
        return False
    if file.suffix.lower() in _MAIL_ENDINGS:
        return True
    try:
        with file.open("rb") as opened:
            return _FIRST_LINE.match(opened.read(100)) is not None
    except OSError as error:
        report(str(file), _why(error))
        return False


def _of_file(file: Path, report: Report) -> Iterator[tuple[str, bytes]]:
    if file.suffix.lower() == ".eml":
        yield from _whole(file, report)
        return
    try:
        with file.open("rb") as opened:
            if opened.read(5) != b"From ":
                yield from _whole(file, report)
                return
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as box:
                for number, (start, end) in enumerate(_spans(box), start=1):
                    yield f"{file}#{number}", box[start:end]
    except OSError as error:
        report(str(file), _why(error))


def _spans(box: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where the messages of an mbox lie, without their ``From `` lines.

    Only a ``From `` line with a time of day separates, so that a body's "From there on" does not.
    """
    end = len(box)
    found = _SEPARATOR.match(box)
    start = found.end() if found else 0
    at = start - 1
    while (at := box.find(b"\nFrom ", max(at, 0))) >= 0:
        match = _SEPARATOR.match(box, at + 1)
        if match is None:
            at += 1
            continue
        yield start, at + 1
        start = match.end()
        at = start - 1
    yield start, end


def _whole(file: Path, report: Report) -> Iterator[tuple[str, bytes]]:
    try:
        raw = file.read_bytes()
    except OSError as error:
        report(str(file), _why(error))
        return
    yield str(file), raw


def _why(error: OSError) -> str:
    return error.strerror or str(error)
