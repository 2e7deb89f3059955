"""An IMAP server for tests: honest by default, with mail held in memory, and made to misbehave as a script says."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

PLAIN = "IMAP4rev1 IDLE AUTH=PLAIN NAMESPACE"
MODERN = PLAIN + " ESEARCH ENABLE CONDSTORE QRESYNC SPECIAL-USE LIST-EXTENDED LIST-STATUS ID"
Reply = Callable[["Connection", bytes, bytes], bytes | None]


@dataclass
class Mail:
    raw: bytes
    date: datetime
    flags: tuple[str, ...] = ()
    modseq: int = 1
    labels: tuple[str, ...] = ()


@dataclass
class Box:
    """One folder."""

    uidvalidity: int = 1
    uidnext: int = 1
    modseq: int = 1
    mails: dict[int, Mail] = field(default_factory=dict)
    expunged: list[tuple[int, int]] = field(default_factory=list)
    attributes: str = ""


@dataclass
class Fault:
    """What to do instead of, or with, the answer to commands that fit ``pattern``."""

    pattern: re.Pattern[bytes]
    act: Callable[[Connection, bytes, bytes], bytes | None]
    times: int


class ScriptedImap:
    """``with ScriptedImap() as server``: listens on a random loopback port.

    Args:
        capabilities: what it says it can; the honest part implements MODERN.
        context: for implicit TLS.
        push: whether new mail is told to connections in IDLE.
        password: the one that is accepted.
    """

    def __init__(
        self,
        capabilities: str = MODERN,
        *,
        context: ssl.SSLContext | None = None,
        push: bool = True,
        password: str = "pw",
    ) -> None:
        self.capabilities = capabilities
        self.context = context
        self.push = push
        self.password = password
        self.greeting = b"* OK ready\r\n"
        self.boxes: dict[str, Box] = {"INBOX": Box()}
        self.log: list[bytes] = []
        self.heard: list[bytes] = []  # what clients said in answer to challenges
        self.logins = 0
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self.connections: list[Connection] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> ScriptedImap:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        self._thread.join(5)

    def drop(self) -> None:
        """Cut every connection."""
        for connection in list(self.connections):
            connection.close()

    def append(
        self,
        raw: bytes,
        folder: str = "INBOX",
        *,
        at: datetime | None = None,
        uid: int | None = None,
        flags: Iterable[str] = (),
        labels: Iterable[str] = (),
    ) -> int:
        """Put a message in, and tell who listens. Returns its UID."""
        with self.lock:
            box = self.boxes.setdefault(folder, Box())
            uid = uid or box.uidnext
            box.uidnext = max(box.uidnext, uid + 1)
            box.modseq += 1
            box.mails[uid] = Mail(raw, at or datetime.now(UTC), tuple(flags), box.modseq, tuple(labels))
            for connection in self._listening(folder):
                connection.send(b"* %d EXISTS\r\n" % len(box.mails))
        return uid

    def expunge(self, uid: int, folder: str = "INBOX") -> None:
        with self.lock:
            box = self.boxes[folder]
            sequence = sorted(box.mails).index(uid) + 1
            del box.mails[uid]
            box.modseq += 1
            box.expunged.append((uid, box.modseq))
            for connection in self._listening(folder):
                told = b"* VANISHED %d\r\n" % uid if connection.qresync else b"* %d EXPUNGE\r\n" % sequence
                connection.send(told)

    def flag(self, uid: int, flags: Iterable[str], folder: str = "INBOX") -> None:
        with self.lock:
            box = self.boxes[folder]
            box.modseq += 1
            box.mails[uid].flags, box.mails[uid].modseq = tuple(flags), box.modseq
            for connection in self._listening(folder):
                connection.send(b"* %d FETCH (UID %d FLAGS (%s))\r\n" % (1, uid, " ".join(flags).encode()))

    def renumber(self, folder: str = "INBOX", *, first: int = 1000) -> None:
        """A new UIDVALIDITY: every message gets another UID."""
        with self.lock:
            old = self.boxes[folder]
            mails = {first + i: mail for i, (_, mail) in enumerate(sorted(old.mails.items()))}
            self.boxes[folder] = Box(old.uidvalidity + 1, first + len(mails), old.modseq + 1, mails)

    def misbehave(
        self, pattern: bytes, act: Callable[[Connection, bytes, bytes], bytes | None], times: int = 1
    ) -> None:
        """The next ``times`` commands that fit get ``act(connection, tag, honest answer)`` for an answer."""
        self.faults.append(Fault(re.compile(pattern, re.IGNORECASE), act, times))

    def idling(self) -> int:
        """How many connections are in IDLE."""
        return sum(connection.idle_tag is not None for connection in list(self.connections))

    def _listening(self, folder: str) -> Iterator[Connection]:
        for connection in list(self.connections):
            if connection.folder == folder:
                if connection.idle_tag is not None and self.push:
                    yield connection
                else:
                    connection.stale = True

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock)
            self.connections.append(connection)
            threading.Thread(target=connection.run, daemon=True).start()


class Connection:
    """One client."""

    def __init__(self, server: ScriptedImap, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.folder: str | None = None
        self.idle_tag: bytes | None = None
        self.qresync = False
        self.stale = False
        self.told = 0
        self._sending = threading.Lock()

    def send(self, data: bytes) -> None:
        with self._sending, contextlib.suppress(OSError):
            self.sock.sendall(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        if self in self.server.connections:
            self.server.connections.remove(self)

    def cut(self, data: bytes) -> None:
        """Send only this, then cut the line."""
        self.send(data)
        self.close()

    def run(self) -> None:
        try:
            if self.server.context:
                self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
            self.send(self.server.greeting)
            self.serve()
        except (OSError, ValueError):
            pass
        finally:
            self.close()

    def serve(self) -> None:
        """Answer commands until the client leaves; started anew inside once TLS was begun."""
        with self.sock.makefile("rb") as self._lines:
            while line := self._lines.readline():
                self._line(line.rstrip(b"\r\n"))

    def line(self) -> bytes:
        """The client's next line."""
        return self._lines.readline().strip()

    def _line(self, line: bytes) -> None:
        server = self.server
        if self.idle_tag is not None:
            server.log.append(line)
            if line.upper() == b"DONE":
                tag, self.idle_tag = self.idle_tag, None
                self._answer(b"DONE", tag, tag + b" OK done\r\n")
            return
        tag, _, command = line.partition(b" ")
        server.log.append(command)
        if command.upper().startswith(b"AUTHENTICATE"):
            self.send(b"+ \r\n")
            command += b" " + self.line()
        with server.lock:
            honest = self._honest(tag, command)
        if command.upper() == b"IDLE":
            with server.lock:
                self.idle_tag = tag
                pending = self._pending()
            self._answer(command, tag, b"+ idling\r\n" + pending)
            return
        self._answer(command, tag, honest)

    def _answer(self, command: bytes, tag: bytes, honest: bytes) -> None:
        for fault in self.server.faults:
            if fault.times and fault.pattern.search(command):
                fault.times -= 1
                answer = fault.act(self, tag, honest)
                if answer is not None:
                    self.send(answer)
                return
        self.send(honest)

    def _pending(self) -> bytes:
        if not self.stale or self.folder is None or not self.server.push:
            return b""
        self.stale = False
        return b"* %d EXISTS\r\n" % len(self.server.boxes[self.folder].mails)

    def _honest(self, tag: bytes, command: bytes) -> bytes:
        word, _, rest = command.partition(b" ")
        word = word.upper()
        if word == b"UID":
            second, _, rest = rest.partition(b" ")
            word += b" " + second.upper()
        handler = getattr(self, "_do_" + word.decode("ascii", "replace").replace(" ", "_").lower(), None)
        if handler is None:
            return tag + b" BAD unknown command\r\n"
        body: bytes = handler(rest)
        if body.startswith((b"NO ", b"BAD ")):
            return tag + b" " + body + b"\r\n"
        return body + tag + b" OK done\r\n"

    def _do_capability(self, _: bytes) -> bytes:
        return b"* CAPABILITY " + self.server.capabilities.encode() + b"\r\n"

    def _do_login(self, rest: bytes) -> bytes:
        self.server.logins += 1
        return b"" if self.server.password.encode() in rest else b"NO [AUTHENTICATIONFAILED] wrong"

    def _do_authenticate(self, rest: bytes) -> bytes:
        self.server.logins += 1
        given = base64.b64decode(rest.split()[-1] + b"==")
        self.server.heard.append(given)
        return b"" if self.server.password.encode() in given else b"NO [AUTHENTICATIONFAILED] wrong"

    def _do_noop(self, _: bytes) -> bytes:
        if self.stale and self.folder:
            self.stale = False
            return b"* %d EXISTS\r\n" % len(self.server.boxes[self.folder].mails)
        return b""

    def _do_id(self, _: bytes) -> bytes:
        return b"* ID NIL\r\n"

    def _do_logout(self, _: bytes) -> bytes:
        return b"* BYE\r\n"

    def _do_namespace(self, _: bytes) -> bytes:
        return b'* NAMESPACE (("" "/")) (("Other/" "/")) (("Shared/" "/"))\r\n'

    def _do_enable(self, rest: bytes) -> bytes:
        self.qresync = b"QRESYNC" in rest.upper() and "QRESYNC" in self.server.capabilities
        return b"* ENABLED QRESYNC\r\n" if self.qresync else b"* ENABLED\r\n"

    def _do_list(self, rest: bytes) -> bytes:
        found = b""
        for name, box in self.server.boxes.items():
            found += b'* LIST (%s) "/" "%s"\r\n' % (box.attributes.encode(), name.encode())
            if b"STATUS" in rest.upper():
                found += self._status(name)
        return found

    def _do_status(self, rest: bytes) -> bytes:
        name = rest.split(b" (")[0].strip(b'"').decode()
        return self._status(name) if name in self.server.boxes else b"NO [NONEXISTENT] no such folder"

    def _status(self, name: str) -> bytes:
        box = self.server.boxes[name]
        values = (name.encode(), len(box.mails), box.uidnext, box.uidvalidity)
        told = b'* STATUS "%s" (MESSAGES %d UIDNEXT %d UIDVALIDITY %d' % values
        if "CONDSTORE" in self.server.capabilities:
            told += b" HIGHESTMODSEQ %d" % box.modseq
        return told + b")\r\n"

    def _do_examine(self, rest: bytes) -> bytes:
        match = re.match(rb'"((?:[^"\\]|\\.)*)"(?: \(QRESYNC \((\d+) (\d+)(?: (\d+):(\d+))?\)\))?', rest)
        name = match[1].decode() if match else ""
        if name not in self.server.boxes or match is None:
            return b"NO [NONEXISTENT] no such folder"
        box = self.server.boxes[name]
        self.folder, self.stale = name, False
        keywords = sorted({flag for mail in box.mails.values() for flag in mail.flags})
        told = b"* FLAGS (%s)\r\n* %d EXISTS\r\n" % (" ".join(keywords).encode(), len(box.mails))
        told += b"* OK [PERMANENTFLAGS ()] read-only\r\n"
        told += b"* OK [UIDVALIDITY %d] ok\r\n* OK [UIDNEXT %d] ok\r\n" % (box.uidvalidity, box.uidnext)
        if "CONDSTORE" in self.server.capabilities:
            told += b"* OK [HIGHESTMODSEQ %d] ok\r\n" % box.modseq
        if match[2] and int(match[2]) == box.uidvalidity:
            since = int(match[3])
            gone = sorted(uid for uid, modseq in box.expunged if modseq > since)
            if gone:
                told += b"* VANISHED (EARLIER) %s\r\n" % b",".join(b"%d" % uid for uid in gone)
            for number, (uid, mail) in enumerate(sorted(box.mails.items()), 1):
                if mail.modseq > since:
                    told += b"* %d FETCH (UID %d FLAGS (%s) MODSEQ (%d))\r\n" % (
                        number, uid, " ".join(mail.flags).encode(), mail.modseq,
                    )  # fmt: skip
        return told

    def _do_uid_search(self, rest: bytes) -> bytes:
        box = self.server.boxes[self.folder or "INBOX"]
        uids = sorted(box.mails)
        if match := re.match(rb"(\d+):(\d+)", rest):
            uids = uids[int(match[1]) - 1 : int(match[2])]
        if match := re.search(rb"UID (\d+):(\d+)", rest):
            uids = uids[bisect_left(uids, int(match[1])) : bisect_right(uids, int(match[2]))]
        if match := re.search(rb"SINCE (\S+)", rest):
            day = datetime.strptime(match[1].decode(), "%d-%b-%Y").replace(tzinfo=UTC)
            uids = [uid for uid in uids if box.mails[uid].date >= day]
        if match := re.search(rb"KEYWORD (\S+)", rest):
            uids = [uid for uid in uids if match[1].decode() in box.mails[uid].flags]
        if match := re.search(rb"RETURN \((\w+)\)", rest):
            if not uids:
                return b'* ESEARCH (TAG "x") UID\r\n'
            value = {b"MIN": b"%d" % uids[0], b"MAX": b"%d" % uids[-1], b"ALL": b",".join(b"%d" % u for u in uids)}
            return b'* ESEARCH (TAG "x") UID %s %s\r\n' % (match[1], value[match[1]])
        return b"* SEARCH" + b"".join(b" %d" % uid for uid in uids) + b"\r\n"

    def _do_uid_fetch(self, rest: bytes) -> bytes:
        box = self.server.boxes[self.folder or "INBOX"]
        wanted, _, items = rest.partition(b" ")
        changed = re.search(rb"CHANGEDSINCE (\d+)", items)
        told = []
        top = max(box.mails, default=0)
        spans = []
        for piece in wanted.split(b","):
            low, _, high = piece.partition(b":")
            first, last = int(low), top if high == b"*" else int(high or low)
            spans.append((min(first, last), max(first, last)))
        uids = sorted(box.mails)
        for low, high in sorted(set(spans)):
            for place in range(bisect_left(uids, low), bisect_right(uids, high)):
                mail = box.mails[uids[place]]
                if not changed or mail.modseq > int(changed[1]):
                    told.append(self.fetch_line(place + 1, uids[place], mail, items))
        return b"".join(told)

    def fetch_line(self, number: int, uid: int, mail: Mail, items: bytes) -> bytes:
        """One FETCH response."""
        told = [b"UID %d" % uid]
        if b"FLAGS" in items:
            told.append(b"FLAGS (%s)" % " ".join(mail.flags).encode())
        if b"INTERNALDATE" in items:
            told.append(b'INTERNALDATE "%s"' % mail.date.strftime("%d-%b-%Y %H:%M:%S +0000").encode())
        if b"RFC822.SIZE" in items:
            told.append(b"RFC822.SIZE %d" % len(mail.raw))
        if b"X-GM-THRID" in items:
            told.append(b"X-GM-THRID %d" % (7_000 + uid))
        if b"X-GM-LABELS" in items:
            told.append(b"X-GM-LABELS (%s)" % " ".join(f'"{label}"' for label in mail.labels).encode())
        if b"THREADID" in items:
            told.append(b"THREADID (T%d)" % uid)
        head = mail.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        if match := re.search(rb"BODY\.PEEK\[(HEADER[^\]]*)\]", items):
            told.append(b"BODY[%s] {%d}\r\n%s" % (match[1], len(head), head))
        elif b"BODY.PEEK[]" in items:
            told.append(b"BODY[] {%d}\r\n%s" % (len(mail.raw), mail.raw))
        return b"* %d FETCH (%s)\r\n" % (number, b" ".join(told))
