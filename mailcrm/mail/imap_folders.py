"""Which folders a mailbox has, what each is for, and which of them are read."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from imapclient.imap_utf7 import decode as decode_utf7

from mailcrm.config import Mailbox
from mailcrm.core.model import FolderRole
from mailcrm.mail.imap_answers import Answer, Unclear, Value, literal, tokens, words
from mailcrm.mail.imap_faults import Declined
from mailcrm.mail.imap_folder_names import BY_NAME
from mailcrm.mail.imap_talk import Talk

_ATTRIBUTES: Final = {
    "\\sent": FolderRole.SENT,
    "\\drafts": FolderRole.DRAFTS,
    "\\trash": FolderRole.TRASH,
    "\\junk": FolderRole.JUNK,
    "\\spam": FolderRole.JUNK,
    "\\archive": FolderRole.ARCHIVE,
    "\\all": FolderRole.ALL,
    "\\allmail": FolderRole.ALL,
    "\\inbox": FolderRole.INBOX,
}
# Gmail: what marks the messages of its own folders; those of other views are marked by nothing that tells them apart
_LABELS: Final = {"\\sent": b"\\Sent", "\\drafts": b"\\Draft"}
_VIEWS: Final = frozenset({*_ATTRIBUTES, "\\important", "\\flagged"})
_SKIPPED: Final = frozenset({FolderRole.TRASH, FolderRole.DRAFTS, FolderRole.JUNK})
_ORDER: Final = {FolderRole.SENT: 0, FolderRole.INBOX: 1, FolderRole.ALL: 2, FolderRole.ARCHIVE: 3}


@dataclass(frozen=True, slots=True)
class Folder:
    """A mail folder.

    Args:
        name: as people read it.
        wire: as the server spells it, quoted for a command.
        role: what it is for.
        selectable: False for a mere branch of the tree.
        delimiter: between the levels of the name, or "".
        special: the server itself says what it is for.
        label: what marks its messages wherever they lie, on servers with labels (Gmail).
        without: messages that are marked so are not read, in lower case.
        answers_only: of its messages those alone are read that answer letters of flows that go on.
    """

    name: str
    wire: bytes
    role: FolderRole
    selectable: bool = True
    delimiter: str = "/"
    special: bool = False
    label: bytes = b""
    without: frozenset[bytes] = frozenset()
    answers_only: bool = False


def quoted(name: bytes) -> bytes:
    """A name as a quoted string."""
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def role_of(name: str, attributes: Iterable[str], delimiter: str) -> FolderRole:
    """What a folder is for: by its attributes (RFC 6154, XLIST), else by its well-known name in many languages."""
    if name.upper() == "INBOX":
        return FolderRole.INBOX
    for attribute in attributes:
        role = _ATTRIBUTES.get(attribute.lower())
        if role:
            return role
    levels = name.split(delimiter) if delimiter else [name]
    if levels and levels[0].upper() == "INBOX" and len(levels) > 1:
        levels = levels[1:]
    if len(levels) > 2 or (len(levels) == 2 and not levels[0].startswith("[")):
        return FolderRole.OTHER  # "Projects/Sent" is somebody's own folder
    return BY_NAME.get(levels[-1].casefold(), FolderRole.OTHER)


def list_folders(talk: Talk) -> list[Folder]:
    """All personal folders, the INBOX first; those of other users and shared ones are left out (RFC 2342).

    Raises:
        Away: the connection failed.
        Declined: the server lists nothing.
    """
    foreign, personal = _namespaces(talk)
    if {"SPECIAL-USE", "LIST-EXTENDED"} <= talk.capabilities:
        command = b'LIST "" "*" RETURN (SPECIAL-USE)'
    elif "XLIST" in talk.capabilities and "SPECIAL-USE" not in talk.capabilities:
        command = b'XLIST "" "*"'
    else:
        command = b'LIST "" "*"'
    labels = "X-GM-EXT-1" in talk.capabilities
    answers = (one for one in talk.do(command) if one.word in (b"LIST", b"XLIST"))
    found = [folder for one in answers if (folder := _folder(one, labels=labels))]
    own = [
        f for f in found if not any(_inside(f.name, space) for space in foreign) or _longer(f.name, personal, foreign)
    ]
    unique = {f.wire: f for f in own}
    return sorted(unique.values(), key=lambda f: (f.role is not FolderRole.INBOX, f.name.casefold()))


def best(folders: Sequence[Folder], role: FolderRole) -> Folder | None:
    """The folder for something: that which the server names, else by its well-known name."""
    usable = [folder for folder in folders if folder.role is role and folder.selectable]
    return min(usable, key=lambda folder: (not folder.special, len(folder.name)), default=None)


def chosen(folders: Sequence[Folder], mailbox: Mailbox) -> list[Folder]:
    """The folders to read, in the order of a first pass: Sent first, so that whom we wrote to is known.

    All personal folders but Trash, Drafts and Junk, then the mailbox's ``include`` and ``exclude`` patterns. A pattern
    of ``include`` reaches Trash or Junk only if it begins with its name, and Drafts, which hold no mail yet, never.
    Where one folder holds all mail (Gmail), that one alone, unless ``include`` names others, or it can't be told there
    what ``exclude`` means; where messages have labels, those of an excluded folder are read from no other one either.
    """
    hidden = [f for f in folders if _named(f, mailbox.exclude)]
    without = frozenset(f.label.lower() for f in hidden if f.label)
    usable = [f for f in folders if f.selectable and f not in hidden]
    skipped = [f for f in folders if f.role in _SKIPPED]
    if mailbox.include:
        usable = [f for f in usable if _named(f, _reaching(f, skipped, mailbox.include))]
    else:
        whole = [f for f in usable if f.role is FolderRole.ALL]
        if whole and (whole[0].label or not hidden):
            usable = whole[:1]
        else:
            usable = [f for f in usable if f not in whole and _skipped_by(f, skipped) is None]
    usable = [replace(f, without=without) for f in usable] if without else usable
    return sorted(usable, key=lambda f: (_ORDER.get(f.role, 9), f.name.casefold()))


def sifted(folders: Sequence[Folder], mailbox: Mailbox) -> list[Folder]:
    """Junk, where it is not read anyway: an answer to a letter of ours counts, whatever a filter took it for.

    Not where ``exclude`` names it, or ``include`` says what alone is to be read. It goes by a name of its own: how far
    it was sifted is not how far it was read, should ``include`` name it one day.
    """
    junk = best(folders, FolderRole.JUNK)
    if junk is None or mailbox.include or _named(junk, mailbox.exclude):
        return []
    return [replace(junk, name=f"{junk.name} (answers)", answers_only=True)]


def _skipped_by(folder: Folder, skipped: Iterable[Folder]) -> Folder | None:
    """Which one it is, or lies under: deleting a folder moves it under Trash, where it is as good as deleted."""
    return next(
        (s for s in skipped if s is folder or (s.delimiter and folder.name.startswith(s.name + s.delimiter))), None
    )


def _reaching(folder: Folder, skipped: Iterable[Folder], patterns: Iterable[str]) -> list[str]:
    """The patterns that may mean the folder: ``*`` means no Junk, ``Junk`` and ``Junk/*`` do."""
    root = _skipped_by(folder, skipped)
    if root is None:
        return list(patterns)
    if root.role is FolderRole.DRAFTS:
        return []
    names = {_folded(root.name), _folded(root.name, root.delimiter)}
    return [each for each in patterns if any(re.split(r"[*?]", _folded(each))[0].startswith(name) for name in names)]


def _named(folder: Folder, patterns: Iterable[str]) -> bool:
    """``Archive/*`` also fits where the server's delimiter is another one."""
    names = {_folded(folder.name), _folded(folder.name, folder.delimiter)}
    # brackets stand for themselves: "[Gmail]/Spam"
    wanted = [_folded(pattern).replace("[", "[[]") for pattern in patterns]
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in wanted)


def _folded(name: str, delimiter: str = "") -> str:
    return (name.replace(delimiter, "/") if delimiter else name).casefold()


def _inside(name: str, prefix: str) -> bool:
    return bool(prefix) and name.startswith(prefix)


def _longer(name: str, personal: Iterable[str], foreign: Iterable[str]) -> bool:
    """A personal prefix that is more exact than the foreign one wins."""
    best = max((len(p) for p in personal if _inside(name, p)), default=0)
    return best > max((len(p) for p in foreign if _inside(name, p)), default=0)


def _namespaces(talk: Talk) -> tuple[list[str], list[str]]:
    """Prefixes of other users' and shared folders, and of personal ones."""
    if "NAMESPACE" not in talk.capabilities:
        return [], []
    try:
        answers = talk.do(b"NAMESPACE")
        for one in answers:
            if one.word == b"NAMESPACE":
                personal, *foreign = one.values()[:3]
                return [p for space in foreign for p in _prefixes(space)], _prefixes(personal)
    except (Declined, Unclear, ValueError):
        pass
    return [], []


def _prefixes(space: Value) -> list[str]:
    if not isinstance(space, list):
        return []
    found = [entry[0] for entry in space if isinstance(entry, list) and entry]
    return [decoded(prefix) for prefix in found if isinstance(prefix, bytes) and prefix]


def decoded(name: bytes) -> str:
    """A folder's name for people: modified UTF-7, else UTF-8, else Latin-1."""
    try:
        if name.isascii():
            return str(decode_utf7(name))
        return name.decode("utf-8")
    except (UnicodeError, ValueError):
        return name.decode("latin-1")


def _folder(one: Answer, *, labels: bool) -> Folder | None:
    try:
        attributes, delimiter, name = tokens(one.parts)[:3]
    except (Unclear, ValueError):
        return None
    raw = literal(name)
    if not raw or not isinstance(raw, bytes) or re.search(rb"[\r\n\0]", raw):
        return None
    flags = words(attributes)
    divider = delimiter.decode("ascii", "replace") if isinstance(delimiter, bytes) else ""
    label = decoded(raw)
    lower = {flag.lower() for flag in flags}
    return Folder(
        "INBOX" if label.upper() == "INBOX" else label,
        quoted(raw),
        role_of(label, flags, divider),
        not lower & {"\\noselect", "\\nonexistent"},
        divider,
        not lower.isdisjoint(_ATTRIBUTES),
        _label(raw, lower) if labels else b"",
    )


def _label(raw: bytes, attributes: set[str]) -> bytes:
    if raw.upper() == b"INBOX":
        return b"\\Inbox"
    own = next((_LABELS[each] for each in attributes if each in _LABELS), None)
    return own or (raw if _VIEWS.isdisjoint(attributes) else b"\\")
