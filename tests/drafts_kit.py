"""A rep's mail program at work on the drafts in his mailbox, and the program's side of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from mailcrm.app.enrolling import Item
from mailcrm.app.intake import StoreIntake
from mailcrm.config import Parsing
from mailcrm.core.enrollment import Status
from mailcrm.mail import imap_sync
from mailcrm.mail.content import Content
from mailcrm.mail.counting import Counting
from mailcrm.mail.drafts import DraftKeeper
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.read import read as read_mail
from mailcrm.store.db import Database
from mailcrm.store.tables import draft
from tests.house import SETTINGS
from tests.sequence_house import CALL, DRAFT, House, house
from tests.servers import Dovecot
from tests.servers.pymap import Pymap

Edit = Callable[[EmailMessage], None]
NEXT = CALL + 'after = "1h"\n'


class Readers:
    """Reads mail in this process."""

    def __init__(self, limits: Parsing) -> None:
        self._limits = limits

    def start(self) -> None:
        pass

    def read_many(self, raws: Sequence[bytes | Path]) -> list[Content]:
        whole = (raw.read_bytes() if isinstance(raw, Path) else raw for raw in raws)
        return [read_mail(raw, Counting(), self._limits) for raw in whole]


@dataclass
class Office:
    """A house in which anna has a mailbox on a server, and her mail program."""

    home: House
    server: Dovecot | Pymap
    user: str
    dialer: Dialer = field(init=False)
    keeper: DraftKeeper = field(init=False)

    def __post_init__(self) -> None:
        self.dialer = Dialer(self.home.context.config, timeout=10)
        self.keeper = DraftKeeper(self.home.context, self.dialer, timedelta(0))

    # --- the program ---

    def asked(self, steps: str = DRAFT + NEXT, title: str = "Pompy") -> Item:
        """A deal in a sequence that asks for a draft; the draft is in Drafts."""
        self.home.apply(steps)
        item = self.home.deal(title)
        self.home.enroll(item)
        self.tend()
        return item

    def tend(self) -> int:
        """Flows run, then the mailbox is looked after if anything is due."""
        self.home.run()
        done = sum(self.keeper.tend(key) for key in self.keeper.busy())
        self.home.run()
        return done

    def sync(self) -> None:
        """The mailbox is read once, and its drafts are looked after, as ``mailcrm sync`` does."""
        context = self.home.context
        readers = Readers(context.config.parsing)
        imap_sync.sync(
            "anna", context.config.mailboxes["anna"], self.dialer, StoreIntake(context), readers, context.blobs
        )
        self.keeper.tend("anna")
        self.home.run()

    def there(self, folder: str = "Drafts") -> list[str]:
        """The subjects of what lies in a folder."""
        return sorted(str(each["Subject"]) for each in self.drafts(folder).values())

    def rows(self) -> list[Any]:
        """What is noted of drafts."""
        with self.home.context.db.read() as connection:
            return list(connection.execute(select(draft).order_by(draft.c.id)))

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.rows()]

    def is_done(self, item: Item) -> bool:
        """Whether the run has come to the step after the draft."""
        return self.home.status(item) is Status.COMPLETED or self.home.row(item).node == "step-2"

    # --- the rep's mail program ---

    def drafts(self, folder: str = "Drafts") -> dict[int, EmailMessage]:
        """What lies in a folder, by UID."""
        with self.server.client(self.user) as client:
            if not client.folder_exists(folder):
                return {}
            client.select_folder(folder, readonly=True)
            found = client.fetch(client.search("UNDELETED"), ["BODY.PEEK[]"])
            return {uid: read(each[b"BODY[]"]) for uid, each in sorted(found.items())}

    def draft(self) -> EmailMessage:
        """The only draft there is."""
        [found] = self.drafts().values()
        return found

    def save_anew(self, edit: Edit = lambda _: None, folder: str = "Drafts", flags: tuple[str, ...] = ()) -> None:
        """Append the draft, changed or not, to a folder and delete the old one, as mail programs do."""
        [(uid, message)] = self.drafts().items()
        edit(message)
        with self.server.client(self.user) as client:
            if not client.folder_exists(folder):
                client.create_folder(folder)
            client.append(folder, message.as_bytes(policy=policy.SMTP), flags)
        self.delete(uid)

    def send(self, edit: Edit = lambda _: None) -> None:
        """Send the draft: a copy, dated now, goes to Sent."""

        def dated(message: EmailMessage) -> None:
            del message["Date"]
            message["Date"] = format_datetime(self.home.now)
            edit(message)

        self.save_anew(dated, "Sent", ("\\Seen",))

    def delete(self, *uids: int) -> None:
        """Delete from Drafts."""
        with self.server.client(self.user) as client:
            client.select_folder("Drafts")
            client.delete_messages(uids or client.search())
            client.expunge()


def read(raw: bytes) -> EmailMessage:
    """A message as people see it."""
    found = BytesParser(policy=policy.default).parsebytes(raw)
    assert isinstance(found, EmailMessage)
    return found


def edited(message: EmailMessage) -> None:
    """He writes something else."""
    message.set_content("Dzień dobry, zupełnie inaczej.\n")


def rewritten(message: EmailMessage) -> None:
    """He writes something else, in Outlook."""
    edited(message)
    outlook(message)


def outlook(message: EmailMessage) -> None:
    """Another Message-ID, and no field that the program does not know."""
    del message["X-Mailcrm-Draft"]
    del message["Message-ID"]
    message["Message-ID"] = "<made-by-outlook@mail.example>"


def bare(message: EmailMessage) -> None:
    """Nothing is left of our marks."""
    outlook(message)
    del message["References"]
    del message["In-Reply-To"]


def office(database: Database, folder: Path, server: Dovecot | Pymap, user: str, **more: Any) -> Office:
    """An office; ``more`` is added to anna's mailbox."""
    account = {
        "user": "anna", "host": server.host, "port": server.port, "tls": "none", "login": user,
        "password": server.PASSWORD,
    }  # fmt: skip
    boxes = {**SETTINGS["mailboxes"], "anna": {**account, **more}}
    return Office(house(database, folder, mailboxes=boxes), server, user)
