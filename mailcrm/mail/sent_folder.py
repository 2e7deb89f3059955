"""The Sent folder of one mailbox over one connection: is a mail there, and put it there."""

from __future__ import annotations

import re

from mailcrm.core.model import FolderRole
from mailcrm.mail.imap_folders import Folder, quoted
from mailcrm.mail.imap_own import OwnFolder
from mailcrm.mail.imap_talk import Talk

_ID = re.compile(r"[!-;=?-~]{1,500}")


class SentFolder:
    """Looks into Sent and appends to it.

    Raises (all methods):
        Away: the connection broke.
        Declined: the server refuses a command.
    """

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._own = OwnFolder(talk, FolderRole.SENT)

    @property
    def folder(self) -> Folder | None:
        """None: there is no such folder so far."""
        return self._own.found

    def holds(self, message_id: str) -> bool:
        """Whether a mail with this Message-ID (without ``<>``) lies there."""
        if self.folder is None or not _ID.fullmatch(message_id):
            return False
        self._talk.examine(self.folder.wire)
        return bool(self._talk.matching(b"UNDELETED HEADER MESSAGE-ID " + quoted(f"<{message_id}>".encode())))

    def put(self, content: bytes) -> None:
        """Append a mail as one that was read."""
        self._own.put(content, b"\\Seen")
