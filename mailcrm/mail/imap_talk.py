"""Commands and answers over one logged-in IMAP connection. EXAMINE opens folders; what writes is in imap_writing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from mailcrm.core.model import Cursor
from mailcrm.mail.imap_answers import Answer, Ranges, Unclear, answer, merged, number, pairs, ranges, words
from mailcrm.mail.imap_faults import Away, Declined, Garbled, Throttled, pause_asked, printable
from mailcrm.mail.imap_wire import Part, Wire

_TOGETHER: Final = 20


@dataclass(frozen=True, slots=True)
class Opened:
    """What EXAMINE told about a folder. ``modseq`` 0: the server keeps none (no CONDSTORE, or NOMODSEQ).

    ``vanished`` and ``changed`` (flags by UID) are what QRESYNC reported; ``resumed`` says whether it did.
    """

    uidvalidity: int
    uidnext: int
    exists: int
    modseq: int = 0
    keywords: tuple[str, ...] = ()
    vanished: tuple[tuple[int, int], ...] = ()
    changed: dict[int, tuple[str, ...]] = field(default_factory=dict)
    resumed: bool = False


class Talk:
    """One connection and what the server has told over it unasked.

    ``exists`` counts the messages of the open folder; ``fresh`` is set when it grew, ``gone`` when it shrank,
    ``flagged`` when flags changed, and cleared by whoever looks after it. ``vanished`` holds UIDs told gone.
    ``news`` holds STATUS answers by the folder's name as on the wire.
    """

    __slots__ = (
        "capabilities", "counter", "exists", "flagged", "folder", "fresh", "gone", "idle_ready", "idle_tag", "news",
        "overflow", "qresync", "vanished", "wire",
    )  # fmt: skip

    def __init__(self, wire: Wire, capabilities: frozenset[str]) -> None:
        self.wire = wire
        self.capabilities = capabilities
        self.counter = 0
        self.qresync = False
        self.idle_tag: bytes | None = None
        self.idle_ready = False
        self.folder: bytes | None = None
        self.exists = 0
        self.fresh = self.gone = self.flagged = self.overflow = False
        self.vanished: Ranges = []
        self.news: dict[bytes, dict[bytes, int]] = {}

    @property
    def where(self) -> str:
        """Account and server, for errors."""
        return self.wire.where

    def start(self, command: bytes) -> bytes:
        """Send a command without awaiting its answer. Returns its tag."""
        self.counter += 1
        tag = b"m%d" % self.counter
        self.wire.send(tag + b" " + command + b"\r\n")
        return tag

    def next(self) -> Answer:
        """The next response, already taken note of. Raises Away on BYE or a broken line, Garbled on nonsense."""
        return self.note(self.wire.parts())

    def note(self, parts: list[Part]) -> Answer:
        """Take note of one response. Raises Away on BYE, Garbled on nonsense."""
        try:
            found = answer(parts)
        except Unclear:
            raise Garbled(f"{self.where}: not an IMAP answer: {_first(parts)!r}; reconnecting") from None
        if found.tag == b"*":
            self._untagged(found)
        elif found.tag == b"+":
            self.idle_ready = True
        elif found.tag == self.idle_tag:
            self.idle_tag = None
            if found.word != b"OK":
                self.capabilities -= {"IDLE"}
        return found

    def answers(self, tag: bytes) -> Iterator[Answer]:
        """Untagged responses until the command is done. Raises Declined if it is answered NO or BAD."""
        while True:
            found = self.next()
            if found.tag == b"*":
                yield found
            elif found.tag == tag:
                self.verdict(found)
                return

    def verdict(self, found: Answer, command: str = "a command") -> None:
        """Look at a tagged answer.

        Raises:
            Throttled: NO or BAD, and the server's words ask for a pause.
            Declined: NO or BAD.
        """
        if found.word == b"OK":
            return
        code, _ = found.code()
        text = printable(found.text)
        pause = pause_asked(code, text)
        if pause is not None:
            raise Throttled(f"{self.where}: the server asks for a pause of {pause:.0f} s: {text}", pause)
        raise Declined(f"{self.where}: {command} was refused: {text}", code)

    def do(self, command: bytes) -> list[Answer]:
        """Send a command and collect its untagged responses. Raises as ``answers`` does."""
        tag = self.start(command)
        found = []
        while True:
            got = self.next()
            if got.tag == b"*":
                found.append(got)
            elif got.tag == tag:
                self.verdict(got, printable(command, 40))
                return found

    def ask(self, commands: Sequence[bytes]) -> None:
        """Send commands together and read all their answers, which are noted; a refused one is passed over."""
        for start in range(0, len(commands), _TOGETHER):
            tags = {self.start(command) for command in commands[start : start + _TOGETHER]}
            while tags:
                tags.discard(self.next().tag)

    def idle(self) -> None:
        """Begin IDLE (RFC 2177) without awaiting the server's ``+``, before or with which news may come."""
        self.idle_ready = False
        self.idle_tag = self.start(b"IDLE")

    def leave_idle(self) -> None:
        """End IDLE; the server's answer to that is read, and passed over, with the next command's."""
        while self.idle_tag is not None and not self.idle_ready:
            self.next()
        if self.idle_tag is not None:
            self.idle_tag = None
            self.wire.send(b"DONE\r\n")

    def enable_qresync(self) -> None:
        """Ask for VANISHED instead of EXPUNGE (RFC 7162), where the server can."""
        if {"QRESYNC", "ENABLE"} <= self.capabilities and not self.qresync:
            found = self.do(b"ENABLE QRESYNC")
            self.qresync = any(a.word == b"ENABLED" and b"QRESYNC" in a.text.upper() for a in found)

    def examine(self, folder: bytes, cursor: Cursor | None = None) -> Opened:
        """Open a folder read-only.

        Args:
            folder: its name as ``imap_folders`` quotes it for the wire.
            cursor: how far we know it; with QRESYNC the server then tells what vanished and changed since.

        Raises:
            Declined: there is no such folder, or it can't be opened.
        """
        self.folder = None
        resume = bool(self.qresync and cursor and cursor.modseq and cursor.last_uid)
        extra = b" (CONDSTORE)" if "CONDSTORE" in self.capabilities else b""
        if resume and cursor:
            known = (cursor.uidvalidity, cursor.modseq, min(cursor.backfill_uid, cursor.last_uid), cursor.last_uid)
            extra = b" (QRESYNC (%d %d %d:%d))" % known
        self.exists = 0
        try:
            found = self.do(b"EXAMINE " + folder + extra)
        except Declined as refusal:
            if not extra or refusal.code in ("NONEXISTENT", "NOPERM"):
                raise
            resume = False
            found = self.do(b"EXAMINE " + folder)
        self.folder = folder
        self.fresh = self.gone = self.flagged = False
        self.vanished = []
        return self._opened(found, resume)

    def _opened(self, found: list[Answer], resumed: bool) -> Opened:
        said: dict[str, int] = {}
        keywords: tuple[str, ...] = ()
        vanished: Ranges = []
        changed: dict[int, tuple[str, ...]] = {}
        shared: dict[tuple[str, ...], tuple[str, ...]] = {}
        for one in found:
            try:
                if one.word == b"OK":
                    code, argument = one.code()
                    if code in ("UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ") and argument.isdigit():
                        said[code] = int(argument)
                elif one.word == b"FLAGS":
                    keywords = words(one.values()[0])
                elif one.word == b"VANISHED":
                    vanished += ranges(one.text.split(b" ")[-1])
                elif one.word == b"FETCH":
                    items = one.items()
                    flags = words(items.get(b"FLAGS"))
                    changed[number(items.get(b"UID"))] = shared.setdefault(flags, flags)
            except (Unclear, IndexError):
                continue
        if "UIDVALIDITY" not in said:
            raise Garbled(f"{self.where}: the server opened a folder without naming its UIDVALIDITY; reconnecting")
        uidnext = said.get("UIDNEXT") or self._last_uid() + 1
        modseq = said.get("HIGHESTMODSEQ", 0)
        return Opened(
            said["UIDVALIDITY"], uidnext, self.exists, modseq, keywords, tuple(merged(vanished)), changed, resumed
        )

    def _last_uid(self) -> int:
        """The highest UID, for servers that do not tell UIDNEXT."""
        if not self.exists:
            return 0
        return max((number(a.items().get(b"UID")) for a in self.do(b"FETCH * (UID)") if a.word == b"FETCH"), default=0)

    def search(self, low: int, high: int, criteria: bytes = b"ALL") -> Ranges:
        """The UIDs there are from ``low`` to ``high`` that fit the criteria."""
        found: Ranges = []
        extended = "ESEARCH" in self.capabilities
        command = b"UID SEARCH RETURN (ALL) UID %d:%d" if extended else b"UID SEARCH UID %d:%d"
        command += b"" if criteria == b"ALL" else b" " + criteria.replace(b"%", b"%%")
        for one in self.do(command % (low, high)):
            try:
                if one.word == b"ESEARCH":
                    if b"ALL " in one.text:
                        found += ranges(one.text.rpartition(b"ALL ")[2].split(b" ")[0])
                elif one.word == b"SEARCH" and one.text.strip():
                    found += ranges(one.text.strip().replace(b" ", b","))
            except Unclear:
                raise Garbled(f"{self.where}: unreadable answer to SEARCH; reconnecting") from None
        return merged((max(a, low), min(b, high)) for a, b in found if a <= high and b >= low)

    def edge(self, criteria: bytes, *, lowest: bool) -> int | None:
        """The lowest or highest UID that fits the criteria; 0 if none, None if the server can't tell (RFC 4731)."""
        if "ESEARCH" not in self.capabilities:
            return None
        name = b"MIN" if lowest else b"MAX"
        for one in self.do(b"UID SEARCH RETURN (" + name + b") " + criteria):
            if one.word == b"ESEARCH":
                value = one.text.rpartition(name + b" ")[2].split(b" ")[0]
                return int(value) if value.isdigit() and name in one.text else 0
        return None

    def matching(self, criteria: bytes) -> Ranges:
        """The UIDs of messages that fit search criteria (RFC 9051 section 6.4.4) of which few are expected to."""
        found: Ranges = []
        for one in self.do(b"UID SEARCH " + criteria):
            if one.word == b"SEARCH" and one.text.strip():
                try:
                    found += ranges(one.text.strip().replace(b" ", b","))
                except Unclear:
                    raise Garbled(f"{self.where}: unreadable answer to SEARCH; reconnecting") from None
        return merged(found)

    def _untagged(self, found: Answer) -> None:
        word = found.word
        if word == b"EXISTS":
            self.fresh = self.fresh or found.number > self.exists
            self.exists = found.number
        elif word == b"EXPUNGE":
            self.exists = max(0, self.exists - 1)
            self.gone = True
        elif word == b"VANISHED" and b"EARLIER" not in found.text:
            try:
                told = ranges(found.text)
            except Unclear:
                return
            self.vanished += told
            self.exists = max(0, self.exists - sum(high - low + 1 for low, high in told))
            self.gone = True
        elif word == b"STATUS":
            self._status(found)
        elif word == b"BYE":
            code, _ = found.code()
            text = printable(found.text)
            raise Away(f"{self.where}: the server said goodbye: {text}", pause_asked(code, text))
        elif word == b"OK" and found.code()[0] == "NOTIFICATIONOVERFLOW":
            self.overflow = True

    def _status(self, found: Answer) -> None:
        try:
            name, items = found.values()[:2]
            if isinstance(name, bytes) and isinstance(items, list):
                told = {key: number(value) for key, value in pairs(items).items() if key != b"MAILBOXID"}
                self.news[name] = self.news.get(name, {}) | told
        except (Unclear, ValueError):
            return


def _first(parts: list[Part]) -> str:
    return printable(parts[0]) if isinstance(parts[0], bytes) else ""
