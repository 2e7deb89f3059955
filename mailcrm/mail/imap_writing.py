"""All that is ever written into a mailbox: a folder made, a message put in, one message of ours taken out."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from imapclient.imap_utf7 import encode as encode_utf7

from mailcrm.mail.imap_faults import Declined, Garbled, printable
from mailcrm.mail.imap_folders import Folder, quoted
from mailcrm.mail.imap_talk import Talk

_SHORT: Final = 4096  # bytes that LITERAL- allows (RFC 7888)
_UIDS = re.compile(rb"(\d{1,10}) (\d{1,10})")


def append(talk: Talk, folder: Folder, raw: bytes, flags: bytes) -> tuple[int, int] | None:
    """Put a message into a folder.

    Args:
        raw: with CRLF; no NUL.
        flags: ``\\Draft \\Seen``.

    Returns:
        UIDVALIDITY and UID, where the server tells them (RFC 4315).

    Raises:
        Declined: refused; ``code`` TRYCREATE: there is no such folder.
        Away: the connection broke; it may have been put there all the same.
    """
    at_once = "LITERAL+" in talk.capabilities or ("LITERAL-" in talk.capabilities and len(raw) <= _SHORT)
    size = b"{%d+}" % len(raw) if at_once else b"{%d}" % len(raw)
    tag = talk.start(b"APPEND " + folder.wire + b" (" + flags + b") " + size)
    while not at_once:
        found = talk.next()
        if found.tag == tag:
            talk.verdict(found, "APPEND")
            raise Garbled(f"{talk.where}: APPEND was answered before its message was sent; reconnecting")
        if found.tag == b"+":
            break
    talk.wire.send(raw + b"\r\n")
    while True:
        found = talk.next()
        if found.tag == tag:
            talk.verdict(found, "APPEND")
            code, argument = found.code()
            told = _UIDS.fullmatch(argument) if code == "APPENDUID" else None
            return (int(told[1]), int(told[2])) if told else None


def select(talk: Talk, folder: Folder) -> int:
    """Open a folder for writing; gives its UIDVALIDITY.

    Raises:
        Declined: there is no such folder, or it is read-only.
    """
    talk.folder = None
    validity = 0
    for one in talk.do(b"SELECT " + folder.wire):
        code, argument = one.code() if one.word == b"OK" else ("", b"")
        if code == "UIDVALIDITY" and argument.isdigit():
            validity = int(argument)
    talk.folder = folder.wire
    if not validity:
        raise Garbled(f"{talk.where}: the server opened {printable(folder.name)} without naming its UIDVALIDITY")
    return validity


def remove(talk: Talk, uid: int) -> None:
    """Delete one message of the folder that is open for writing.

    Where the server knows no UID EXPUNGE (RFC 4315) it is left with its flag \\Deleted: a plain EXPUNGE would take
    along what others have marked.
    """
    talk.do(b"UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid)
    if "UIDPLUS" in talk.capabilities or "IMAP4REV2" in talk.capabilities:
        talk.do(b"UID EXPUNGE %d" % uid)


def create(talk: Talk, name: str, use: bytes = b"") -> bool:
    """Make a folder and subscribe to it.

    Args:
        use: what it is for, ``\\Drafts``; told to servers that understand it (RFC 6154).

    Returns:
        False: the server makes none of that name.
    """
    wire = quoted(encode_utf7(name))
    special = b" (USE (" + use + b"))" if use and "CREATE-SPECIAL-USE" in talk.capabilities else b""
    try:
        talk.do(b"CREATE " + wire + special)
    except Declined:
        return False
    with suppress(Declined):
        talk.do(b"SUBSCRIBE " + wire)
    return True
