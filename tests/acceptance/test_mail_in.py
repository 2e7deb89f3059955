"""The whole way: a mail arrives in a rep's mailbox, is linked, the rep is asked and answers, and is obeyed.

One running program for all of it: each test has a rep and a customer of its own.
"""

from __future__ import annotations

import json
import re
import shutil
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.program import Program, letter, mailbox
from tests.servers import Sink
from tests.servers.process import wait_until
from tests.servers.pymap import Pymap

REPS = ("anna", "jan", "ola", "iga")
EARLY = "zoe"  # in her mailbox is a mail before the program first looks into it
DROP_BOX = "crm@firma.example"


class Rep:
    """A rep at the command line, with a mailbox and one customer."""

    def __init__(self, program: Program, pymap: Pymap, name: str, account: str) -> None:
        self.program, self.pymap, self.name, self.account = program, pymap, name, account
        self.email, self.customer = f"{name}@firma.example", f"ewa@klient-{name}.example"

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return self.program.rows("--as", self.name, *arguments)

    def two_deals(self) -> None:
        self.program.cli("--as", self.name, "person", "add", "--name", "Ewa", "--email", self.customer)
        for title in ("Website", "Shop"):
            self.program.cli("--as", self.name, "deal", "add", "--title", title, "--person", self.customer)

    def gets(self, text: str) -> str:
        """The customer writes; the message's id."""
        raw = letter(self.name, text, sender=f"Ewa Zielińska <{self.customer}>", to=self.email)
        self.pymap.deliver(self.account, raw)
        return f"{self.name}@test.example"

    def thread(self, link: str) -> dict[str, Any]:
        """The thread with the customer, once it is linked so."""

        def look() -> dict[str, Any] | None:
            found = self.rows("thread", "list", "--link", link)
            return next((row for row in found if f"{self.name}@test.example" in row["messages"]), None)

        return wait_until(look, seconds=20, what=f"a thread that is {link}")

    def asked(self, sink: Sink) -> EmailMessage:
        """The question that the program has sent to the rep."""
        (question,) = sink.wait_for(1, seconds=20)
        assert question.rcpt_tos == (self.email,)
        return question.message

    def ring(self) -> None:
        """Tell the program that there is something new in the mailbox, as a mail server does."""
        body, wake = json.dumps({"mailbox": self.name}).encode(), {"Authorization": "Bearer quite secret"}
        with urlopen(Request(f"http://127.0.0.1:{self.program.web}/hooks/delivery", body, wake), timeout=5) as answer:
            assert answer.status == 202

    def chosen(self) -> str:
        """The title of the deal that the thread is linked to, once it is."""
        deal = self.thread("linked")["deal"]
        return next(row["title"] for row in self.rows("deal", "list") if row["id"] == deal)

    def hand_in(self, raw: bytes) -> None:
        with smtplib.LMTP("127.0.0.1", self.program.lmtp) as lmtp:
            lmtp.sendmail(self.email, [DROP_BOX], raw)


@pytest.fixture(scope="module")
def reps(pymap: Pymap, _sink: Sink, migrated_sqlite: Path) -> Iterator[dict[str, Rep]]:
    """They work, by name; the program runs."""
    accounts = {name: pymap.new_user() for name in (*REPS, EARLY)}
    program = Program(
        smarthost=_sink.port,
        users={name: {"email": f"{name}@firma.example", "name": name.title()} for name in accounts},
        mailboxes={name: mailbox(name, pymap, account, poll="1m") for name, account in accounts.items()},
    )
    shutil.copy(migrated_sqlite, program.folder)
    found = {name: Rep(program, pymap, name, account) for name, account in accounts.items()}
    found[EARLY].gets("Dzień dobry.")
    with program:
        yield found


def test_mail_from_before_the_first_look_is_taken_in(reps: dict[str, Rep]) -> None:  # DATA-16
    """pymap counts UIDs from 101 and reads sequence numbers in UID SEARCH as UIDs: no reason to find nothing."""
    assert reps[EARLY].thread("person")["messages"] == [f"{EARLY}@test.example"]


def test_arriving_mail_creates_the_person(reps: dict[str, Rep]) -> None:  # DATA-17
    rep = reps["anna"]
    number = rep.gets("Dzień dobry, proszę o ofertę.")
    rep.thread("person")
    (person,) = rep.rows("person", "show", rep.customer)
    assert (person["name"], person["emails"]) == ("Ewa Zielińska", [rep.customer])
    (why,) = rep.rows("why", number)
    assert {link["to"] for link in why["links"]} == {f"thread:{why['thread']}", f"person:{person['id']}"}


def test_question_is_asked_and_answered_by_a_reply_in_sent(reps: dict[str, Rep], sink: Sink) -> None:  # DATA-22
    rep = reps["jan"]
    rep.two_deals()
    number = rep.gets("A co z ceną?")
    asked = rep.asked(sink)
    body = asked.get_body(("plain",))
    assert body is not None
    assert "Website" in body.get_content()
    rep.pymap.deliver(rep.account, sink.mails[0].content)  # it reaches the rep's inbox, and is no customer's mail
    answer = letter("answer", "2", sender=rep.email, to=DROP_BOX, subject="Re: ?", replies_to=asked["Message-ID"])
    rep.pymap.append(rep.account, answer, folder="Sent")
    rep.ring()  # else Sent is read at the safety poll
    assert rep.chosen() == "Shop"
    assert [row["message_id"] for row in rep.rows("message", "list") if rep.name in row["mailboxes"]] == [number]


def test_question_is_answered_on_the_page(reps: dict[str, Rep], sink: Sink) -> None:  # DATA-22
    rep = reps["ola"]
    rep.two_deals()
    rep.gets("A co z ceną?")
    body = rep.asked(sink).get_body(("plain",))
    assert body is not None
    page = re.search(r"http://\S+/q/[\w.-]+", body.get_content())
    assert page
    with urlopen(page[0], timeout=5) as answer:
        html = answer.read().decode()
    assert "Website" in html
    assert rep.thread("choice")["deal"] is None  # reading the page changes nothing
    field = re.search(r'<button[^>]*name="([^"]+)"[^>]*value="([^"]+)"[^>]*>[^<]*(?:<[^>]+>[^<]*)*?Shop', html)
    assert field, html
    with urlopen(page[0], urlencode({field[1]: field[2]}).encode(), timeout=5) as answer:
        assert answer.status == 200
    rep.chosen()


def test_answer_by_lmtp_and_forward_to_the_drop_box(reps: dict[str, Rep], sink: Sink) -> None:  # DATA-19, DATA-22
    rep = reps["iga"]
    rep.two_deals()
    rep.gets("A co z ceną?")
    reply = letter("reply", "1", sender=rep.email, to=DROP_BOX, replies_to=rep.asked(sink)["Message-ID"])
    rep.hand_in(reply)
    rep.chosen()
    forward = letter(
        "forward",
        f"Patrz niżej\n\n---------- Forwarded message ---------\nFrom: Ewa Zielińska <{rep.customer}>\n"
        f"Date: Sun, 22 Nov 2026 at 08:00\nSubject: Faktura\nTo: Iga <{rep.email}>\n\nProszę o fakturę.\n",
        sender=f"Iga <{rep.email}>",
        to=DROP_BOX,
        subject="Fwd: Faktura",
    )
    rep.hand_in(forward)
    (row,) = rep.rows("message", "show", "forward@test.example")
    assert (row["direction"], row["from"]["email"]) == ("in", rep.customer)
