"""The whole way: a mail arrives in a rep's mailbox, is linked, the rep is asked and answers, and is obeyed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.program import Program, letter, mailbox
from tests.servers import Sink
from tests.servers.process import wait_until
from tests.servers.pymap import Pymap


@pytest.fixture
def account(pymap: Pymap) -> str:
    return pymap.new_user()


@pytest.fixture
def program(pymap: Pymap, sink: Sink, account: str) -> Iterator[Program]:
    boxes = {"anna": mailbox("anna", pymap, account, poll="1m")}
    with Program(smarthost=sink.port, mailboxes=boxes) as running:
        yield running


def two_deals(program: Program) -> None:
    program.cli("person", "add", "--name", "Ewa Zielińska", "--email", "ewa@klient.example")
    for title in ("Website", "Shop"):
        program.cli("deal", "add", "--title", title, "--person", "ewa@klient.example", "--owner", "anna")


def thread_of(program: Program, link: str) -> dict[str, object]:
    return wait_until(
        lambda: next((row for row in program.rows("thread", "list") if row["link"] == link), None),
        seconds=20,
        what=f"a thread that is {link}",
    )


def test_arriving_mail_creates_the_person(program: Program, pymap: Pymap, account: str) -> None:  # DATA-17
    pymap.deliver(account, letter(1, "Dzień dobry, proszę o ofertę."))
    thread_of(program, "person")
    (person,) = program.rows("person", "list")
    assert (person["name"], person["emails"]) == ("Ewa Zielińska", ["ewa@klient.example"])
    why = json.loads(program.cli("why", "1@test.example", "--json"))
    assert {link["to"] for link in why["links"]} == {f"thread:{why['thread']}", f"person:{person['id']}"}


def test_question_is_asked_and_answered_by_a_reply_in_sent(  # DATA-22
    program: Program, pymap: Pymap, sink: Sink, account: str
) -> None:
    two_deals(program)
    pymap.deliver(account, letter(1, "A co z ceną?"))
    (question,) = sink.wait_for(1, seconds=20)
    assert question.rcpt_tos == ("anna@firma.example",)
    asked = question.message
    assert "Website" in asked.get_body(("plain",)).get_content()
    pymap.deliver(account, question.content)  # it reaches the rep's inbox, and is no customer's mail
    answer = letter(
        2, "2", sender="anna@firma.example", to="crm@firma.example", subject="Re: ?", replies_to=asked["Message-ID"]
    )
    pymap.append(account, answer, folder="Sent")
    program.cli("mailbox", "list")
    thread = _synced(program)
    deals = {row["title"]: row["id"] for row in program.rows("deal", "list")}
    assert thread["deal"] == deals["Shop"]
    assert [row["message_id"] for row in program.rows("message", "list")] == ["1@test.example"]


def _synced(program: Program) -> dict[str, object]:
    """Sent is read at the safety poll; the delivery hook asks for it at once."""
    body = json.dumps({"mailbox": "anna"}).encode()
    request = Request(f"http://127.0.0.1:{program.web}/hooks/delivery", body, {"Authorization": "Bearer quite secret"})

    def look() -> dict[str, object] | None:
        with urlopen(request, timeout=5) as answer:
            assert answer.status == 202
        return next((row for row in program.rows("thread", "list") if row["link"] == "linked"), None)

    return wait_until(look, seconds=30, what="the answer to be obeyed")


def test_question_is_answered_on_the_page(program: Program, pymap: Pymap, sink: Sink, account: str) -> None:  # DATA-22
    two_deals(program)
    pymap.deliver(account, letter(1, "A co z ceną?"))
    (question,) = sink.wait_for(1, seconds=20)
    page = re.search(r"http://\S+/q/[\w.-]+", question.message.get_body(("plain",)).get_content())
    assert page
    with urlopen(page[0], timeout=5) as answer:
        html = answer.read().decode()
    assert "Website" in html
    assert program.rows("thread", "list")[0]["link"] == "choice"  # reading the page changes nothing
    field = re.search(r'<button[^>]*name="([^"]+)"[^>]*value="([^"]+)"[^>]*>[^<]*(?:<[^>]+>[^<]*)*?Shop', html)
    assert field, html
    with urlopen(page[0], urlencode({field[1]: field[2]}).encode(), timeout=5) as answer:
        assert answer.status == 200
    assert thread_of(program, "linked")["deal"] is not None


def test_answer_by_lmtp_and_forward_to_the_drop_box(  # DATA-19, DATA-22
    program: Program, pymap: Pymap, sink: Sink, account: str
) -> None:
    import smtplib

    two_deals(program)
    pymap.deliver(account, letter(1, "A co z ceną?"))
    (question,) = sink.wait_for(1, seconds=20)
    reply = letter(
        2,
        "1",
        sender="Anna <anna@firma.example>",
        to="crm@firma.example",
        replies_to=question.message["Message-ID"],
    )
    with smtplib.LMTP("127.0.0.1", program.lmtp) as lmtp:
        lmtp.sendmail("anna@firma.example", ["crm@firma.example"], reply)
    assert thread_of(program, "linked")["deal"] is not None
    forward = letter(
        3,
        "Patrz niżej\n\n---------- Forwarded message ---------\nFrom: Ewa Zielińska <ewa@klient.example>\n"
        "Date: Sun, 22 Nov 2026 at 08:00\nSubject: Faktura\nTo: Anna Nowak <anna@firma.example>\n\nProszę o fakturę.\n",
        sender="Anna <anna@firma.example>",
        to="crm@firma.example",
        subject="Fwd: Faktura",
    )
    with smtplib.LMTP("127.0.0.1", program.lmtp) as lmtp:
        lmtp.sendmail("anna@firma.example", ["crm@firma.example"], forward)
    (row,) = [row for row in program.rows("message", "list") if row["message_id"] == "3@test.example"]
    assert (row["direction"], row["from"]["email"]) == ("in", "ewa@klient.example")
