"""Drafts or Sent of a mailbox over one connection: found, made where there is none, appended to."""

from __future__ import annotations

from typing import Literal

from mailcrm.core.model import FolderRole
from mailcrm.mail.imap_faults import Declined
from mailcrm.mail.imap_folders import Folder, best, list_folders
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_writing import append, create


class OwnFolder:
    """The mailbox's folder of one role.

    Raises (all methods):
        Away: the connection broke.
        Declined: the server refuses a command.
    """

    def __init__(self, talk: Talk, role: Literal[FolderRole.DRAFTS, FolderRole.SENT]) -> None:
        self._talk = talk
        self._role = role
        self.all = list_folders(talk)
        self.found = best(self.all, role)

    def needed(self) -> Folder:
        """The folder, made where there was none."""
        return self.found or self._made()

    def put(self, content: bytes, flags: bytes) -> tuple[int, int] | None:
        """As ``append``; the folder is made where it is gone."""
        try:
            return append(self._talk, self.needed(), content, flags)
        except Declined as refusal:
            if refusal.code != "TRYCREATE":
                raise
            return append(self._talk, self._made(), content, flags)

    def _made(self) -> Folder:
        """By the name that the server keeps for it, else by the usual one."""
        talk, usual = self._talk, self._role.title()
        delimiter = next((folder.delimiter for folder in self.all if folder.delimiter), "/")
        reserved = [folder.name for folder in self.all if folder.role is self._role]
        # Some servers keep all personal folders below the INBOX.
        for name in (*reserved, usual, f"INBOX{delimiter}{usual}"):
            if create(talk, name, b"\\" + usual.encode()):
                break
        self.all = list_folders(talk)
        self.found = best(self.all, self._role)
        if self.found is None:
            raise Declined(f"{talk.where}: there is no {usual} folder, and the server makes none; make it by hand")
        return self.found
