"""The Sent folder of one mailbox over one connection: is a mail there, and put it there."""

from __future__ import annotations

import re
from typing import Final

from mailcrm.core.model import FolderRole
from mailcrm.mail.imap_faults import Declined
from mailcrm.mail.imap_folders import Folder, best, list_folders, quoted
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_writing import append, create

_NAME: Final = "Sent"
_ID = re.compile(r"[!-;=?-~]{1,500}")


class SentFolder:
    """Looks into Sent and appends to it.

    Raises (all methods):
        Away: the connection broke.
        Declined: the server refuses a command.
    """

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._folders = list_folders(talk)
        self.folder = best(self._folders, FolderRole.SENT)

    def holds(self, message_id: str) -> bool:
        """Whether a mail with this Message-ID (without ``<>``) lies there."""
        if self.folder is None or not _ID.fullmatch(message_id):
            return False
        self._talk.examine(self.folder.wire)
        return bool(self._talk.matching(b"UNDELETED HEADER MESSAGE-ID " + quoted(f"<{message_id}>".encode())))

    def put(self, content: bytes) -> None:
        """Append a mail as one that was read."""
        folder = self.folder or self._make()
        try:
            append(self._talk, folder, content, b"\\Seen")
        except Declined as refusal:
            if refusal.code != "TRYCREATE":
                raise
            append(self._talk, self._make(), content, b"\\Seen")

    def _make(self) -> Folder:
        """By the name that the server keeps for it, else by the usual one."""
        talk = self._talk
        delimiter = next((folder.delimiter for folder in self._folders if folder.delimiter), "/")
        reserved = [folder.name for folder in self._folders if folder.role is FolderRole.SENT]
        # Some servers keep all personal folders below the INBOX.
        for name in (*reserved, _NAME, f"INBOX{delimiter}{_NAME}"):
            if create(talk, name, b"\\Sent"):
                break
        self._folders = list_folders(talk)
        self.folder = best(self._folders, FolderRole.SENT)
        if self.folder is None:
            raise Declined(f"{talk.where}: there is no Sent folder, and the server makes none; make it by hand")
        return self.folder
