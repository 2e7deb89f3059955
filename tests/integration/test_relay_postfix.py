"""The recipes of docs/relay.md, as they stand there, in a real Postfix: before the relay with a login for each sender,
behind it, and both at once."""

from __future__ import annotations

import re
import smtplib
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.program import Program, mailbox
from tests.relay_kit import set_password
from tests.servers import Dovecot, Postfix, Sink, certificate
from tests.servers.process import free_port, program, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]
RECIPES = (Path(__file__).parents[2] / "docs/relay.md").read_text(encoding="utf-8")
ANNA, EWA, PASSWORD = "anna@firma.example", "ewa@klient.example", "battery staple"
SIGNED = (
    b"From: Anna Nowak <anna@firma.example>\r\nTo: ewa@klient.example, jan@klient.example\r\n"
    b"Subject: =?utf-8?q?Za=C5=BC?=\r\n"
    b"Message-ID: <signed@firma.example>\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/signed; boundary="b";\r\n\tprotocol="application/pkcs7-signature"; micalg=sha-256\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"Dzie\xc5\x84 dobry,  \r\n.\r\n..two dots\r\nFrom here\r\n--b\r\n"
    b"Content-Type: application/pkcs7-signature\r\n\r\nAA==\r\n--b--\r\n"
)


def recipe(heading: str) -> list[str]:
    """The blocks under a heading."""
    section = RECIPES.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```\w*\n(.*?)```", section, re.DOTALL)


class Office:
    """The program with a relay between a Postfix before it and a Postfix behind it; what leaves ends in the sink."""

    def __init__(self, dovecot: Dovecot, sink: Sink) -> None:
        self.dovecot = dovecot
        self.port, self.submission, again = free_port(), free_port(), free_port()
        folder = Path(tempfile.mkdtemp(prefix="mailcrm-office-"))
        folder.chmod(0o711)
        certificate.write(folder / "relay.pem", folder / "relay.key")
        self.certificate = folder / "relay.pem"
        service, setting, logins = recipe("Postfix before the relay")
        (folder / "logins").write_text(logins.replace("ANNAS-PASSWORD", PASSWORD))
        transport = service.replace("/etc/postfix/mailcrm", f"{folder}/logins") + (
            "  -o smtp_tls_security_level=secure -o smtp_tls_secure_cert_match=localhost\n"
            f"  -o smtp_tls_CAfile={self.certificate}\n"
        )
        name, _, value = setting.strip().replace("5587", str(self.port)).partition(" = ")
        # Who submits needs no login here, which would take a server of accounts.
        logged_in = "smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject"
        [both] = recipe("One Postfix before and behind")
        assert logged_in in both
        for there, here in {
            "submission ": f"127.0.0.1:{self.submission} ",
            logged_in: "smtpd_client_restrictions=permit_mynetworks,reject",
            "5587": str(self.port),
            "10026": str(again),
        }.items():
            both = both.replace(there, here)
        self.behind = Postfix(routes={}, relay=sink.port, services=transport + both)
        self.before = Postfix(
            routes={"firma.example": dovecot.lmtp_port},
            relay=self.port,
            settings={"relayhost": "", name: value},
            services=transport,
        )
        self.program = Program(
            smarthost=again,
            relay={
                "listen": f"127.0.0.1:{self.port}",
                "tls": "starttls",
                "cert": f"{folder}/relay.pem",
                "key": f"{folder}/relay.key",
            },
            mailboxes={"anna": mailbox("anna", dovecot, dovecot.new_user(), poll="1m")},
        )


@pytest.fixture(scope="module")
def _office() -> Iterator[tuple[Office, Sink]]:
    with Dovecot() as dovecot, Sink() as sink:
        made = Office(dovecot, sink)
        set_password(made.program, "anna", PASSWORD)
        with made.behind, made.program, made.before:
            yield made, sink


@pytest.fixture
def office(_office: tuple[Office, Sink]) -> Office:
    _office[1].forget()
    return _office[0]


@pytest.fixture
def world(_office: tuple[Office, Sink]) -> Sink:
    return _office[1]


def without_trace(content: bytes) -> bytes:
    """A message without the Received fields that each server puts on top."""
    while content.startswith(b"Received:"):
        end = content.index(b"\r\n")
        while content[end + 2 : end + 3] in (b" ", b"\t"):
            end = content.index(b"\r\n", end + 2)
        content = content[end + 2 :]
    return content


def test_a_mail_program_hands_in_and_postfix_behind_delivers(office: Office, world: Sink) -> None:
    with smtplib.SMTP("127.0.0.1", office.port) as client:
        client.ehlo()
        client._host = "localhost"  # type: ignore[attr-defined]
        client.starttls(context=ssl.create_default_context(cafile=office.certificate))
        client.login("anna", PASSWORD)
        client.sendmail(ANNA, [EWA, "jan@klient.example"], SIGNED, mail_options=["BODY=8BITMIME"])
    found = world.wait_for(2, seconds=30)
    assert sorted(mail.rcpt_tos for mail in found) == [(EWA,), ("jan@klient.example",)]
    assert {mail.mail_from for mail in found} == {ANNA}
    assert {without_trace(mail.content) for mail in found} == {SIGNED}
    (message,) = wait_until(
        lambda: [row for row in office.program.rows("message", "list") if row["message_id"] == "signed@firma.example"],
        what="the message in its thread",
    )
    assert (message["direction"], message["mailboxes"]) == ("out", ["anna"])


def test_swaks_through_postfix_before_and_behind(office: Office, world: Sink) -> None:
    command = [program("swaks", package="swaks"), "--silent", "2", "--server", f"127.0.0.1:{office.before.port}"]
    command += ["--from", ANNA, "--to", EWA, "--h-From", ANNA, "--header", "Subject: Through both", "--body", "hello"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    (mail,) = world.wait_for(1, seconds=30)
    assert mail.message["Subject"] == "Through both"
    assert len(mail.message.get_all("Received") or []) == 2  # of both Postfixes; the relay tells nobody where she sits


def test_one_postfix_before_and_behind(office: Office, world: Sink) -> None:
    with smtplib.SMTP("127.0.0.1", office.submission) as client:
        client.sendmail(ANNA, [EWA], SIGNED)
    (mail,) = world.wait_for(1, seconds=30)
    assert without_trace(mail.content) == SIGNED
    assert len(mail.message.get_all("Received") or []) == 2
    assert office.program.rows("outbox", "list")[-1]["state"] in ("sending", "sent")


def test_what_the_relay_refuses_comes_back_to_the_sender(office: Office, world: Sink) -> None:
    """Automatic mail without consent, by a program that knows nothing of flows: Postfix tells its sender why."""
    head = b"From: anna@firma.example\r\nMessage-ID: <auto@firma.example>\r\n"
    office.before.send(ANNA, [EWA], head + b"Auto-Submitted: auto-generated\r\n\r\nhello\r\n")

    def bounce() -> EmailMessage | None:
        with office.dovecot.client(ANNA) as client:
            client.select_folder("INBOX", readonly=True)
            for data in client.fetch(client.search(["FROM", "MAILER-DAEMON"]), ["BODY.PEEK[]"]).values():
                return message_from_bytes(data[b"BODY[]"], policy=policy.default)
        return None

    told = wait_until(bounce, seconds=30, what="the bounce")
    assert "550 5.7.1 automatic mail is to name its flow" in " ".join(told.as_string().split())
    assert world.mails == []
