"""The Drafts folder of one mailbox over one connection: what lies there, and what was sent lately."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from mailcrm.config import Parsing
from mailcrm.core import drafts as core
from mailcrm.core.drafts import Found
from mailcrm.core.model import FolderRole, Message
from mailcrm.mail.counting import Counting
from mailcrm.mail.imap_answers import Unclear, Value, expand
from mailcrm.mail.imap_faults import Declined
from mailcrm.mail.imap_folders import Folder, best
from mailcrm.mail.imap_listing import Fetched, headers
from mailcrm.mail.imap_own import OwnFolder
from mailcrm.mail.imap_talk import Opened, Talk
from mailcrm.mail.imap_writing import remove, select
from mailcrm.mail.parse import Unparsable, parse

MOST: Final = 300
"""Messages of a folder, the newest, that are looked at."""
_LONGEST: Final = 5_000_000  # bytes; what has grown beyond that is no longer as it was placed
_SIGNS: Final = b"HEADER.FIELDS (MESSAGE-ID REFERENCES IN-REPLY-TO FROM TO CC BCC SUBJECT DATE X-MAILCRM-DRAFT)"
_LAST_UID: Final = (1 << 32) - 1
_MOST_MARKED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Lying:
    """A message in a folder, by its signs."""

    uid: int
    signs: Found


class DraftsFolder:
    """Reads Drafts and Sent, and places and takes back drafts of ours.

    Raises (all methods):
        Away: the connection broke.
        Declined: the server refuses a command.
    """

    def __init__(self, talk: Talk, limits: Parsing) -> None:
        self._talk = talk
        self._limits = limits
        self._own = OwnFolder(talk, FolderRole.DRAFTS)
        self._own.needed()

    @property
    def folder(self) -> Folder:
        """The folder itself."""
        return self._own.needed()

    def lying(self) -> tuple[int, list[Lying]]:
        """UIDVALIDITY, and what lies in Drafts; what is only waiting to be expunged does not."""
        opened = self._talk.examine(self.folder.wire)
        return opened.uidvalidity, self._newest(opened)

    def sent(self) -> list[Lying]:
        """What was sent lately; nothing where there is no Sent folder."""
        folder = best(self._own.all, FolderRole.SENT)
        if folder is None:
            return []
        try:
            return self._newest(self._talk.examine(folder.wire))
        except Declined:
            return []

    def there(self, uids: Iterable[int]) -> set[int]:
        """Which of these UIDs of the open folder exist and are not marked as deleted."""
        return {
            uid
            for piece in batched(sorted(uids), MOST)
            for uid in _live(headers(self._talk, piece, b"HEADER.FIELDS (DATE)"))
        }

    def marked(self, known: Set[int]) -> list[Lying]:
        """What else of the open folder bears a mark of a draft, however old; ``known``: UIDs that are left out."""
        try:
            found = self._talk.search(1, _LAST_UID, b'HEADER X-MAILCRM-DRAFT ""')
        except Declined:
            return []
        uids = [uid for uid in expand(found, _MOST_MARKED) if uid not in known]
        return [each for piece in batched(uids, MOST) for each in self._signs(piece)]

    def place(self, content: bytes) -> tuple[str, int, int] | None:
        """Append a draft.

        Returns:
            Folder, UIDVALIDITY and UID; None where the server does not tell.
        """
        told = self._own.put(content, b"\\Draft \\Seen")
        return (self.folder.name, *told) if told else None

    def digest(self, uid: int) -> str | None:
        """That of a message in the folder that is open; None: it is gone, too large, or can't be read."""
        size = self._item(uid, b"RFC822.SIZE", b"RFC822.SIZE")
        if not isinstance(size, bytes) or not size.isdigit() or int(size) > _LONGEST:
            return None
        raw = self._item(uid, b"BODY.PEEK[]", b"BODY[]")
        return digest_of(raw, self._limits) if isinstance(raw, bytes) else None

    def take_back(self, uid: int, uidvalidity: int, digest: str) -> bool:
        """Delete a draft if it is still word for word what was placed.

        A change would be another UID, so between the look and the deletion none is lost.
        """
        if select(self._talk, self.folder) != uidvalidity or self.digest(uid) != digest:
            return False
        remove(self._talk, uid)
        return True

    def open(self) -> int:
        """Open Drafts read-only; its UIDVALIDITY."""
        return self._talk.examine(self.folder.wire).uidvalidity

    def _item(self, uid: int, wanted: bytes, name: bytes) -> Value:
        for one in self._talk.do(b"UID FETCH %d (UID %s)" % (uid, wanted)):
            with suppress(Unclear):
                items = one.items() if one.word == b"FETCH" else {}
                if items.get(b"UID") == b"%d" % uid and name in items:
                    return items[name]
        return None

    def _newest(self, opened: Opened) -> list[Lying]:
        uids = list(expand(self._talk.search(1, max(1, opened.uidnext - 1)), opened.exists))[-MOST:]
        return self._signs(uids) if uids else []

    def _signs(self, uids: Sequence[int]) -> list[Lying]:
        found = headers(self._talk, uids, _SIGNS)
        read = ((uid, _read(found[uid].raw, self._limits), found[uid].received_at) for uid in _live(found))
        return [Lying(uid, core.found(message, message.date or at)) for uid, message, at in read if message]


def batched(uids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """In pieces: a server takes no command of any length."""
    return (uids[start : start + size] for start in range(0, len(uids), size))


def digest_of(raw: bytes, limits: Parsing) -> str | None:
    """See ``core.drafts.digest_of``; None: it can't be read."""
    message = _read(raw, limits)
    return core.digest_of(message) if message else None


def _live(found: Mapping[int, Fetched]) -> list[int]:
    return sorted(uid for uid, one in found.items() if "\\deleted" not in {flag.lower() for flag in one.flags})


def _read(raw: object, limits: Parsing) -> Message | None:
    if not isinstance(raw, bytes):
        return None
    try:
        return parse(raw, Counting(), limits)
    except Unparsable:
        return None
