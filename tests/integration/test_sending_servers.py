"""Handing over to a real Postfix, over TLS, pipelined and signed; a copy in the Sent folder of a real Dovecot."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import dkim as oracle
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailcrm import config
from mailcrm.app.handover import Parcel, RecipientRefused, SenderRefused
from mailcrm.mail import dkim, dkim_record
from mailcrm.mail.sent_copy import SentLook
from mailcrm.mail.smtp_out import SmtpTransport
from mailcrm.store.db import Database
from tests.servers import Dovecot, Postfix, Sink, certificate
from tests.unit.test_sent_copy import Desk, copied, desk_at, lying, noted, sent

HEAD = (
    b"Subject: x\r\nDate: Sun, 22 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
)
pytestmark = pytest.mark.servers


@pytest.fixture
def postfix(sink: Sink, tmp_path: Path) -> Iterator[Postfix]:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write(cert, key)
    unknown = "check_recipient_access inline:{{nobody@klient.example = 550 5.1.1 unknown}}, permit"
    settings = {
        "smtpd_tls_security_level": "encrypt",
        "smtpd_tls_cert_file": str(cert),
        "smtpd_tls_key_file": str(key),
        "smtpd_sender_restrictions": "check_sender_access inline:{{boss@firma.example = REJECT}}",
        "smtpd_recipient_restrictions": unknown,
        "smtpd_reject_unlisted_sender": "no",
    }
    with Postfix(routes={}, relay=sink.port, settings=settings) as server:
        yield server


def test_a_batch_goes_through_postfix_signed_and_each_answer_is_that_of_its_mail(
    postfix: Postfix, sink: Sink, tmp_path: Path
) -> None:
    key = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    data = {
        "smarthost": {"host": "127.0.0.1", "port": postfix.port, "tls_ca": "cert.pem", "connections": 3},
        "dkim": {"firma.example": {"selector": "crm", "key": key}},
    }
    settings = config.parse(data, base=tmp_path)
    record = dkim_record.record(dkim.load(settings, "firma.example", settings.dkim["firma.example"])).encode()
    body = "Zażółć\r\n.\r\n.. \t gęślą\r\n".encode() + b"x" * 900 + b"\r\n"
    parcels = []
    for number in range(60):
        recipient = "nobody@klient.example" if number % 7 == 3 else f"p{number}@klient.example"
        sender = "boss@firma.example" if number % 11 == 5 else "anna@firma.example"
        head = f"From: {sender}\r\nTo: {recipient}\r\nMessage-ID: <{number}@firma.example>\r\n".encode() + HEAD
        parcels.append(Parcel(number, sender, recipient, head + b"\r\n" + body))
    told: dict[int, object] = {}
    over = SmtpTransport(settings)
    over.deliver("smarthost", iter(parcels), lambda parcel, said: told.update({parcel.id: said}), lambda: None)
    over.close()
    for parcel in parcels:
        said = told[parcel.id]
        if parcel.sender.startswith("boss"):
            assert isinstance(said, SenderRefused), said
        elif parcel.recipient.startswith("nobody"):
            assert isinstance(said, RecipientRefused), said
            assert said.unknown
        else:
            assert isinstance(said, str), said
            assert "queued as" in said
    taken = [parcel for parcel in parcels if isinstance(told[parcel.id], str)]
    arrived = {mail.rcpt_tos[0]: mail.content for mail in sink.wait_for(len(taken), seconds=30)}
    assert arrived.keys() == {parcel.recipient for parcel in taken}
    for parcel in taken[:5]:
        content = arrived[parcel.recipient]
        assert content.endswith(parcel.content)
        assert oracle.verify(content, dnsfunc=lambda _name, timeout=5: record)


@pytest.fixture
def desk(tmp_path: Path, sqlite: Database, dovecot: Dovecot, sink: Sink) -> Desk:
    return desk_at(sqlite, tmp_path, dovecot, dovecot.new_user("copies"), sink)


def test_one_copy_in_sent_and_one_message_with_ours(desk: Desk) -> None:
    mail = sent(desk)
    message_id = str(message_from_bytes(mail)["Message-ID"]).strip("<>")
    look = SentLook(desk.home.context, desk.dialer)
    assert look.filed("anna", "anna", message_id) is None
    assert copied(desk) == 1
    assert lying(desk) == [(mail, True)]
    assert look.filed("anna", "anna", message_id) is True
    assert (noted(desk), copied(desk)) == (["done"], 0)
    desk.sync()
    assert len(lying(desk)) == 1


def test_the_servers_own_copy_is_the_only_one(desk: Desk) -> None:
    mail = sent(desk)
    desk.server.append(desk.user, mail, "Sent")
    assert copied(desk) == 1
    assert (len(lying(desk)), noted(desk)) == (1, ["done"])
