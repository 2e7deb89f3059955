"""The demo's machines: three mailboxes on pymap, an SMTP sink as smarthost, the real program between them."""

from __future__ import annotations

import contextlib
import io
import json
import re
import smtplib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr
from typing import Any
from urllib.request import Request, urlopen

from imapclient import SEEN, IMAPClient

from mailcrm.cli.app import main as command
from tests.demo.story import DEALS_CSV, DROP_BOX, PERSONS_CSV, REPS, Scene
from tests.program import Program, mailbox
from tests.servers.process import HOST, wait_until
from tests.servers.pymap import Pymap
from tests.servers.sink import Sink

_SECRET = "the demo's own"
_SELLER = {
    "name": "Meble Nowak sp. z o.o.",
    "address": "ul. Prosta 1\n00-001 Warszawa",
    "tax_id": "5260250995",
    "bank_account": "61 1090 1014 0000 0712 1981 2874",
}


@dataclass(frozen=True)
class Place:
    """Where a letter lies: the UID in a folder of a rep's mailbox."""

    rep: str
    folder: str
    uid: int


class World:
    """Everything that the demo talks to; ``with`` starts and stops it."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._clients: dict[str, IMAPClient] = {}

    def __enter__(self) -> World:
        with contextlib.ExitStack() as stack:
            self.sink = stack.enter_context(Sink())
            self.imap = stack.enter_context(Pymap(tuple(REPS), spare=0))
            for rep in REPS:
                client = stack.enter_context(self.imap.client(rep))
                client.create_folder("Sent")
                self._clients[rep] = client
            users = {
                rep: {**dict(zip(("name", "email"), parseaddr(address), strict=True)), "permissions": ["bulk"]}
                for rep, address in REPS.items()
            }
            self.program = Program(
                smarthost=self.sink.port,
                users=users,
                mailboxes={rep: mailbox(rep, self.imap, rep) for rep in REPS},
                documents=_SELLER,
            )
            self.program.config["web"]["secret"] = _SECRET
            self.program.write()
            self._fill()
            stack.enter_context(self.program)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def config(self) -> str:
        """The path of the configuration that the program runs with."""
        return str(self.program.file)

    def command(self, *arguments: str) -> str:
        """Run a command of the program in this process; what it prints."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()) as told:
            code = command(["--config", self.config, *arguments])
        if code:
            raise RuntimeError(f"mailcrm {' '.join(arguments)}: {told.getvalue() or printed.getvalue()}")
        return printed.getvalue()

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects that a command prints with ``--json``."""
        return [json.loads(line) for line in self.command(*arguments, "--json").splitlines()]

    def _fill(self) -> None:
        """Bring in the customers and deals as they come from another CRM."""
        for name, text in (("persons", PERSONS_CSV), ("deals", DEALS_CSV)):
            file = self.program.folder / f"{name}.csv"
            file.write_bytes(text.encode("cp1250"))
            self.command("import", str(file), "--as", name)

    def deliver(self, scene: Scene, now: datetime) -> list[Place]:
        """Put a letter where its sender, server or mail program would; by LMTP it is taken in when this returns."""
        if not scene.reps:
            with smtplib.LMTP(HOST, self.program.lmtp) as lmtp:
                lmtp.sendmail(scene.envelope, [DROP_BOX], scene.raw)
            return []
        at = now - timedelta(minutes=scene.ago)
        return [self.append(rep, scene.raw, scene.folder, at) for rep in scene.reps]

    def append(self, rep: str, raw: bytes, folder: str = "INBOX", at: datetime | None = None) -> Place:
        """Put a message into a folder. The inbox is heard by IDLE; of other folders the program is told by the hook."""
        answer = self._clients[rep].append(folder, raw, msg_time=at or datetime.now(UTC))
        uid = re.search(rb"APPENDUID \d+ (\d+)", answer)
        if uid is None:
            raise RuntimeError(f"the IMAP server does not say where it put the message: {answer!r}")
        if folder != "INBOX":
            self.ring(rep)
        return Place(rep, folder, int(uid[1]))

    def letters(self, rep: str, folder: str) -> list[EmailMessage]:
        """The messages in a folder, as the rep's mail program shows them."""
        client = self._clients[rep]
        if not client.folder_exists(folder):
            return []
        client.select_folder(folder, readonly=True)
        found = client.fetch(client.search(["UNDELETED"]), ["BODY.PEEK[]"])
        parser = BytesParser(policy=policy.default)
        return [parser.parsebytes(found[uid][b"BODY[]"]) for uid in sorted(found)]

    def move_to_sent(self, rep: str, folder: str, raw: bytes) -> None:
        """What a mail program does when the one draft in a folder is sent."""
        client = self._clients[rep]
        client.append("Sent", raw, [SEEN])
        client.select_folder(folder)
        client.delete_messages(client.search(["ALL"]))
        client.expunge()

    def ring(self, rep: str) -> None:
        """Tell the program, as a mail server does, that there is something new in a mailbox."""
        body = json.dumps({"mailbox": rep}).encode()
        request = Request(
            f"http://{HOST}:{self.program.web}/hooks/delivery", body, {"Authorization": f"Bearer {_SECRET}"}
        )
        with urlopen(request, timeout=10):
            pass

    def question_for(self, rep: str) -> EmailMessage | None:
        """The question mail to this rep that has left through the smarthost, if any."""
        email = parseaddr(REPS[rep])[1]
        return next((mail.message for mail in list(self.sink.mails) if email in mail.rcpt_tos), None)

    def wait_for_question(self, rep: str) -> EmailMessage:
        """As ``question_for``, once it is there. Raises TimeoutError."""
        return wait_until(lambda: self.question_for(rep), seconds=20, what=f"the question to {rep}")


def text_of(message: EmailMessage) -> str:
    """The plain text of a mail."""
    body = message.get_body(("plain",))
    return body.get_content() if body else ""


def page_in(text: str) -> str:
    """The address of the choice page in a question."""
    found = re.search(r"https?://\S+/q/[\w.-]+", text)
    if found is None:
        raise RuntimeError(f"no page in the question:\n{text}")
    return found[0]
