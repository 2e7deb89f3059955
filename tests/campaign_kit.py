"""A house whose campaigns go all the way: templates, contacts, consent, rounds of flows, and mail into a sink."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from mailcrm.app import members, organizations, persons, results, templates
from mailcrm.app.dispatch import dispatch
from mailcrm.app.ingest import ingest
from mailcrm.app.perform import perform_due
from mailcrm.app.results import Summary
from mailcrm.config import Parsing
from mailcrm.core.definitions import Chosen
from mailcrm.core.model import Arrival, Batch, FolderRole
from mailcrm.mail.read import read
from mailcrm.mail.smtp_out import SmtpTransport
from mailcrm.store import consents, users
from mailcrm.store.db import Database
from tests.campaign_house import CampaignHouse
from tests.house import NOW
from tests.servers import Sink
from tests.servers.sink import Sunk

LETTER = "Dzień dobry {{ person.first_name }}!"
SELLER = {"name": "Firma sp. z o.o.", "address": "ul. Długa 1\n00-001 Warszawa", "tax_id": "PL5260001246"}


class Working(CampaignHouse):
    """A house with campaigns, a smarthost that keeps what it is sent, and shorthands for what tests do all the time."""

    def __init__(self, database: Database, folder: Path, sink: Sink, **settings: Any) -> None:
        super().__init__(database, folder, sink=sink, **settings)
        self.sink = sink

    def template(
        self,
        name: str = "spring",
        body: str = LETTER,
        *,
        subject: str = "Wiosna",
        purpose: str = "email",
        more: str = "",
    ) -> None:
        """Apply a template."""
        file = self.folder / f"{name}.template.toml"
        head = f'kind = "template"\nname = "{name}"\nfor = "{purpose}"\nsubject = "{subject}"\n'
        file.write_text(f'{head}body = """{body}"""\n{more}', encoding="utf-8")
        templates.apply(self.context, self.anna, templates.read(self.context, file))

    def person(self, name: str, email: str | None = None, *, owner: str = "anna", **more: Any) -> int:
        """A contact of somebody's; his address is made of his first name unless it is given."""
        emails = [email if email is not None else f"{name.split()[0].casefold()}@klient.example"]
        owner_id = self.home.actor(owner).id
        return persons.add(self.context, self.anna, name, emails=list(filter(None, emails)), owner=owner_id, **more)

    def company(self, name: str, email: str | None = None, *, owner: str = "anna") -> int:
        emails = [email] if email else []
        return organizations.add(self.context, self.anna, name, emails=emails, owner=self.home.actor(owner).id)

    def choose(self, campaign: int, *, group: str = "persons", whom: Sequence[int]) -> None:
        """Put records into a campaign, by id."""
        given = Chosen(**{group: tuple(str(number) for number in whom)})
        assert members.add(self.context, self.anna, str(campaign), given).done == len(whom)

    def consent(self, campaign: int, *keys: str, granted: bool = True) -> None:
        """These users let the campaign write in their names."""
        with self.db.write() as connection:
            for key in keys or ("anna",):
                whose = users.find(connection, key).id
                by = f"user:{key}"
                consents.record(connection, campaign, whose, self.home.now, granted=granted, by=by, via="command")

    def work(self) -> None:
        """Rounds, actions outside and mail, until nothing is due any more."""
        with closing(SmtpTransport(self.context.config)) as smarthost:
            for _ in range(20):
                self.home.run()
                performed = perform_due(self.context, 10.0)
                done = dispatch(self.context, smarthost)
                if not (done.sent or done.failed or performed.done or performed.failed):
                    return

    def done(self, text: str, whom: Sequence[int], name: str = "Spring", **more: Any) -> int:
        """A campaign for these persons, consented to, launched and worked off."""
        number = self.campaign(text, name, **more)
        self.choose(number, whom=whom)
        self.consent(number, "anna", "jan")
        self.launch(number)
        self.work()
        return number

    def receive(self, raw: bytes, mailbox: str = "anna") -> None:
        """A message lies in the inbox of a mailbox."""
        content = read(raw, self.context.blobs, Parsing())
        ingest(self.context, Batch(mailbox, "", FolderRole.INBOX, (Arrival(None, self.home.now, content),)))

    def results(self, number: int) -> dict[str, dict[str, Any]]:
        """By recipient."""
        return {row["recipient"]: row for row in results.of(self.context, str(number))}

    def sums(self, number: int) -> Summary:
        return results.sums(self.context, str(number))

    def mails(self) -> dict[str, Sunk]:
        """What the smarthost took, by the envelope's only recipient; questions to us are left out."""
        found = [each for each in self.sink.mails if not each.rcpt_tos[0].endswith("@firma.example")]
        assert len({each.rcpt_tos for each in found}) == len(found), "nobody gets two"
        return {each.rcpt_tos[0]: each for each in found}

    def stored(self, table: Any) -> list[Any]:
        """All rows of a table, by its key."""
        with self.db.read() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key)))


def reply(to: Sunk, text: str = "Chętnie, proszę o telefon.") -> bytes:
    """What the reader's mail program makes of it when he answers (RFC 5322, 3.6.4 and 4.5.3)."""
    mail = EmailMessage()
    mail["From"] = to.message["To"]
    mail["To"] = to.message["Reply-To"] or to.message["From"]
    mail["Subject"] = f"Re: {to.message['Subject']}"
    mail["Date"] = format_datetime(NOW)
    mail["Message-ID"] = f"<re.{to.message['Message-ID'].strip('<>')}>"
    mail["In-Reply-To"] = mail["References"] = to.message["Message-ID"]
    mail.set_content(text)
    return mail.as_bytes(policy=policy.SMTP)


def bounce(of: Sunk) -> bytes:
    """Its receiver's server says that there is no such address (RFC 3464)."""
    head = of.content.partition(b"\r\n\r\n")[0].decode()
    [recipient] = of.rcpt_tos
    return (
        f"From: MAILER-DAEMON@mx.klient.example\r\nTo: {of.mail_from}\r\nSubject: Undelivered Mail\r\n"
        f"Date: {format_datetime(NOW)}\r\nMessage-ID: <bounce.{recipient}>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=b="\r\n\r\n'
        "--=b=\r\nContent-Type: text/plain\r\n\r\nI'm sorry.\r\n\r\n"
        "--=b=\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.klient.example\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n"
        f"--=b=\r\nContent-Type: text/rfc822-headers\r\n\r\n{head}\r\n\r\n--=b=--\r\n"
    ).encode()


def text_of(mail: Sunk) -> str:
    """Its plain text."""
    body = mail.message.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")
