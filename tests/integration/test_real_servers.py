"""The whole circle over real servers: swaks, Postfix, Dovecot, the program, and back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from tests.program import Program, mailbox
from tests.servers import Dovecot, Postfix, Sink
from tests.servers.process import free_port, program, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]
ANNA, CRM = "anna@firma.example", "crm@crm.firma.example"


class Circle:
    """Postfix in front: mail for firma.example goes to Dovecot, the drop-box to the program, the rest to the sink."""

    def __init__(self, dovecot: Dovecot, sink: Sink, database: str | None) -> None:
        lmtp = free_port()
        self.dovecot = dovecot
        self.postfix = Postfix(routes={"firma.example": dovecot.lmtp_port, "crm.firma.example": lmtp}, relay=sink.port)
        more = {"database": database} if database else {}
        boxes = {"anna": mailbox("anna", dovecot, ANNA, poll="1m")}
        self.program = Program(
            smarthost=self.postfix.port, mailboxes=boxes, lmtp={"listen": f"127.0.0.1:{lmtp}", "drop_box": CRM}, **more
        )

    def send(self, sender: str, to: str, *, body: str, headers: dict[str, str]) -> None:
        """Hand a mail to Postfix, as the outside world or the rep's mail program does."""
        command = [program("swaks", package="swaks"), "--silent", "2", "--server", f"127.0.0.1:{self.postfix.port}"]
        command += ["--from", sender, "--to", to, "--h-From", headers.pop("From", sender), "--body", body]
        for name, value in headers.items():
            command += ["--header", f"{name}: {value}"]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def inbox(self, sender: str) -> EmailMessage:
        """A mail from that address in the rep's inbox, once it is there."""

        def look() -> EmailMessage | None:
            with self.dovecot.client(ANNA) as client:
                client.select_folder("INBOX", readonly=True)
                for data in client.fetch(client.search(["FROM", sender]), ["BODY.PEEK[]"]).values():
                    return message_from_bytes(data[b"BODY[]"], policy=policy.default)
            return None

        return wait_until(look, seconds=30, what=f"a mail from {sender} in the inbox")

    def threads(self, link: str) -> list[dict[str, object]]:
        return wait_until(
            lambda: [row for row in self.program.rows("thread", "list") if row["link"] == link],
            seconds=30,
            what=f"a thread that is {link}",
        )


@pytest.fixture(params=["sqlite", "postgresql"])
def circle(request: pytest.FixtureRequest, sink: Sink) -> Iterator[Circle]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with Dovecot() as dovecot:
        made = Circle(dovecot, sink, url)
        with made.postfix, made.program:
            yield made


def test_a_question_goes_round_by_real_mail(circle: Circle) -> None:  # DATA-22
    circle.program.cli("person", "add", "--name", "Ewa", "--email", "ewa@klient.example")
    for title in ("Website", "Shop"):
        circle.program.cli("deal", "add", "--title", title, "--person", "ewa@klient.example", "--owner", "anna")
    circle.send(
        "ewa@klient.example",
        ANNA,
        body="Ile to kosztuje?",
        headers={"From": "Ewa <ewa@klient.example>", "Subject": "Pytanie", "Message-Id": "<1@klient.example>"},
    )
    question = circle.inbox(CRM)
    assert "Website" in question.get_body(("plain",)).get_content()
    assert circle.threads("choice")
    circle.send(
        ANNA,
        CRM,
        body="2\n\n-- \nAnna",
        headers={
            "From": "Anna Nowak <anna@firma.example>",
            "Subject": f"Re: {question['Subject']}",
            "In-Reply-To": question["Message-ID"],
            "References": question["Message-ID"],
        },
    )
    (thread,) = circle.threads("linked")
    (shop,) = [row["id"] for row in circle.program.rows("deal", "list") if row["title"] == "Shop"]
    assert (thread["deal"], thread["messages"]) == (shop, ["1@klient.example"])


def test_mail_is_linked_over_restarts_moves_and_in_all_folders(circle: Circle) -> None:  # DATA-15, DATA-18
    headers = {"From": "Ewa <ewa@klient.example>", "Subject": "Umowa"}
    with circle.dovecot.client(ANNA) as client:
        client.create_folder("Klienci")
    circle.send("ewa@klient.example", ANNA, body="Pierwsza", headers=headers | {"Message-Id": "<1@klient.example>"})
    circle.inbox("ewa@klient.example")
    circle.threads("person")
    circle.dovecot.stop()
    circle.dovecot.start()
    reply = {"Message-Id": "<2@klient.example>", "In-Reply-To": "<1@klient.example>"}
    circle.send("ewa@klient.example", ANNA, body="Druga", headers=headers | reply)
    with circle.dovecot.client(ANNA) as client:
        client.select_folder("INBOX")
        wait_until(lambda: client.noop() and client.search(["HEADER", "Message-Id", "1@klient.example"]), seconds=20)
        client.move(client.search(["HEADER", "Message-Id", "1@klient.example"]), "Klienci")

    def both() -> bool:
        rows = circle.program.rows("thread", "list")
        return [sorted(row["messages"]) for row in rows] == [["1@klient.example", "2@klient.example"]]  # type: ignore[type-var]

    wait_until(both, seconds=60, what="both mails in one thread")
    circle.program.stop()
    circle.program.cli("sync")
    assert both()
    (person,) = circle.program.rows("person", "list")
    assert person["emails"] == ["ewa@klient.example"]
