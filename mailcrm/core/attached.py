"""Files attached to a letter: what each is called, and how it is written into the mail."""

from __future__ import annotations

import re
from base64 import encodebytes
from urllib.parse import quote

from mailcrm.core.letters import Attachment, is_shown
from mailcrm.core.text import clean
from mailcrm.errors import Refused

MOST_BYTES = 10_000_000
"""Of all files of one letter: base64 makes a third more of them, and many servers take no mail above 20 or 25 MB."""

_TYPE = re.compile(r"(?:application|audio|image|text|video)/[a-z0-9][a-z0-9.+-]{0,60}")
_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|;%]+')  # what separates folders, or some system refuses
_PIECE = 60  # characters of a parameter that go on a line
_LONGEST_NAME = 100


def checked(attachments: tuple[Attachment, ...]) -> None:
    """See that the files may go with a letter. Raises Refused, telling which is too large, or of no proper type."""
    for each in attachments:
        if not _TYPE.fullmatch(each.type):
            raise Refused(f"the file {file_name(each)!r} is of the type {each.type!r:.80}, which no mail carries")
    size = sum(len(each.content) for each in attachments)
    if size > MOST_BYTES:
        names = ", ".join(file_name(each) for each in attachments)
        most = MOST_BYTES // 1_000_000
        text = f"what is attached ({names}) has {size / 1_000_000:.1f} MB, more than the {most} MB that servers take"
        raise Refused(f"{text}; attach less, or send a link")


def file_name(attachment: Attachment) -> str:
    """Its name as it stands in the mail: on one line, no path, not hidden, the ending kept: ``FV-2026-0001.pdf``."""
    shown = "".join(each for each in clean(attachment.name) if is_shown(each))
    plain = " ".join(_NOT_IN_NAMES.sub("-", shown).split()).strip(".- ")
    stem, dot, ending = plain.rpartition(".")
    return (
        f"{stem[: _LONGEST_NAME - len(ending)]}.{ending}"
        if dot and len(ending) < 10
        else plain[:_LONGEST_NAME] or "file"
    )


def part(attachment: Attachment) -> bytes:
    """The part of a multipart/mixed that carries it (RFC 2183)."""
    head = (
        f"Content-Type: {attachment.type}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment;{_parameter(file_name(attachment))}\r\n\r\n"
    )
    return head.encode("ascii") + encodebytes(attachment.content).replace(b"\n", b"\r\n")


def _parameter(name: str) -> str:
    """A file name as a parameter; of other than ASCII by RFC 2231, in pieces that fit on lines."""
    if name.isascii():
        return f'\r\n filename="{name}"'
    coded = "utf-8''" + quote(name, safe="")
    cuts = list(_pieces(coded))
    if len(cuts) == 1:
        return f"\r\n filename*={coded}"
    return ";".join(f"\r\n filename*{number}*={piece}" for number, piece in enumerate(cuts))


def _pieces(coded: str) -> list[str]:
    """Cut between characters, never within a ``%C4``."""
    return re.findall(rf"(?:%[0-9A-F]{{2}}|[^%]){{1,{_PIECE // 3}}}", coded)
