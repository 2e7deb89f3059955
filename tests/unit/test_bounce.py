"""What a bounce says, from delivery reports and from the words of many mail systems."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm import config
from mailcrm.core import bounce
from mailcrm.core.model import Address, Embedded, Kind, Message
from mailcrm.core.permanence import is_permanent
from mailcrm.mail import odd_bounces
from mailcrm.mail.parse import parse
from tests.bounce_mails import ORIGINAL, WHO, Sample, harmless, plain, report, samples

SAMPLES = list(samples())


class Nowhere:
    """Takes attachments and forgets them."""

    def put(self, content: object) -> tuple[str, int]:
        return "0", 0


def read(raw: bytes) -> Message:
    return parse(raw, Nowhere(), config.Parsing())


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.system for sample in SAMPLES])
def test_bounces_of_many_systems(sample: Sample) -> None:
    reading = odd_bounces.read(sample.raw, read(sample.raw))
    assert reading.kind is Kind.BOUNCE
    assert reading.bounce is not None
    assert (reading.bounce.recipient, reading.bounce.status) == (sample.recipient, sample.status)
    assert reading.bounce.permanent == sample.permanent
    assert reading.bounce.reason
    assert "\n" not in reading.bounce.reason
    if ORIGINAL.encode() in sample.raw:
        assert reading.bounce.original_id == ORIGINAL


@pytest.mark.parametrize(("what", "raw"), list(harmless()), ids=[what for what, _ in harmless()])
def test_mail_systems_messages_that_are_no_bounces(what: str, raw: bytes) -> None:
    assert odd_bounces.read(raw, read(raw)).kind is Kind.AUTO_REPLY


@pytest.mark.parametrize(
    ("status", "words", "permanent"),
    [
        ("5.1.1", "", True),
        ("5.1.1", "mailbox full", False),
        ("5.1.1", "user unknown; see our spam policy", True),
        ("5.2.1", "account disabled", True),
        ("5.2.2", "", False),
        ("5.7.1", "blocked by policy", False),
        ("5.7.1", "550 no such user here", True),
        ("5.0.0", "550 unknown user", True),
        ("5.5.0", "mailbox unavailable", True),
        ("5.5.0", "mailbox unavailable for policy reasons", False),
        ("4.4.4", "domain not found", True),
        ("4.2.2", "mailbox full", False),
        (None, "adresat nie istnieje", True),
        (None, "Empfänger unbekannt", True),
        (None, "utilisateur inconnu", True),
        (None, "", False),
    ],
)
def test_status_and_words_are_weighed(status: str | None, words: str, permanent: bool) -> None:
    assert is_permanent(status, words) is permanent


def test_a_report_without_an_address_is_completed_by_the_odd_reader() -> None:
    raw = plain("MAILER-DAEMON@mx.example", "failure notice", "It did not work.")
    reading = odd_bounces.read(raw, read(raw))
    assert reading.kind is Kind.BOUNCE
    assert reading.bounce is not None
    assert reading.bounce.recipient is None


def test_a_daemon_in_its_own_language_without_null_sender() -> None:
    text = f"Twoja wiadomość nie została dostarczona:\n\n<{WHO}>: adresat nie istnieje\n"
    raw = plain("MAILER-DAEMON@poczta.example", "Zwrot wiadomości", text, headers="")
    reading = odd_bounces.read(raw, read(raw))
    assert reading.kind is Kind.BOUNCE
    assert reading.bounce is not None
    assert (reading.bounce.recipient, reading.bounce.permanent) == (WHO, True)


def test_the_original_id_may_stand_in_the_report_or_in_references() -> None:
    fields = f"X-Original-Message-ID: <{ORIGINAL}>\n\nFinal-Recipient: rfc822; {WHO}\nAction: failed\nStatus: 5.1.1\n"
    part = Embedded("message/delivery-status", fields)
    sender = Address("", "mailer-daemon@googlemail.example")
    found = bounce.failed(Message("b@x", None, sender, embedded=(part,)))
    assert found is not None
    assert found.original_id == ORIGINAL
    referring = Message("b@x", None, sender, in_reply_to=("r@firma.example",), text="user unknown")
    assert bounce.from_text(referring).original_id == "r@firma.example"


def test_no_address_is_made_up() -> None:
    for address in ("davi...@klient.example", "unknown", "rfc822", "\ufffd@klient.example", "<>"):
        part = Embedded("message/delivery-status", f"Final-Recipient: rfc822; {address}\nAction: failed\n")
        found = bounce.failed(Message("b@x", None, None, embedded=(part,)))
        assert found is not None
        assert found.recipient is None


@settings(max_examples=60)
@given(st.binary(max_size=400), st.text(max_size=200))
def test_nothing_makes_it_raise(raw: bytes, text: str) -> None:
    part = Embedded("message/delivery-status", f"{text}\n\nAction: failed\n{text}")
    message = Message("b@x", None, Address("", "mailer-daemon@mx.example"), text=text, embedded=(part,))
    assert odd_bounces.read(raw, message).rule
    odd_bounces.odd_bounce(b"Content-Type: multipart/report; boundary=x\n\n--x\n" + raw, message)


@pytest.mark.parametrize("unit", [b"<a@", b"a@b.example ", b"\n\n", b"x", b"Hi. This is the\n\n<a>:\n", b" ", b"=3D"])
def test_hostile_bytes_take_no_time(unit: bytes) -> None:
    body = unit * (3_000_000 // len(unit))
    raw = b"From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\nThe following addresses had\n" + body
    message = Message(
        "b@x", None, Address("", "mailer-daemon@mx.example"), text=body.decode(), subject="failure notice"
    )
    start = time.perf_counter()
    odd_bounces.read(raw, message)
    assert time.perf_counter() - start < 4


def test_a_report_in_pieces_of_many_kinds_is_read_in_time() -> None:
    fields = "Action: delayed\nFinal-Recipient: rfc822; a@b.example\n\n" * 1200
    raw = report("5.1.1", "x").replace(b"Action: failed", fields.encode() + b"Action: failed")
    start = time.perf_counter()
    odd_bounces.read(raw, read(raw))
    assert time.perf_counter() - start < 2
