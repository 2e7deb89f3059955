"""Who wrote the message that a forward carries."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from mailcrm import config
from mailcrm.core.classify import classify
from mailcrm.core.forwards import author_of, forwarded
from mailcrm.core.model import Address, Embedded, Message
from mailcrm.mail.parse import parse
from tests.forward_mails import OWN, SENT, Sample, samples

SAMPLES = list(samples())
BLOCK = "From: Ola <ola@klient.example>\nSent: Tuesday, November 3, 2026 12:00 PM\nTo: Anna\nSubject: Pytanie\n\nTreść"


class Nowhere:
    """Takes attachments and forgets them."""

    def put(self, content: object) -> tuple[str, int]:
        return "0", 0


def letter(subject: str, text: str = "", **rest: Any) -> Message:
    return Message("a@firma.example", None, Address("Anna", "anna@firma.example"), subject=subject, text=text, **rest)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.client for sample in SAMPLES])
def test_forwards_of_many_clients(sample: Sample) -> None:  # DATA-19
    mail = EmailMessage()
    mail["From"], mail["Subject"], mail["Date"] = (
        "anna@firma.example",
        sample.subject,
        "Tue, 03 Nov 2026 15:00:00 +0100",
    )
    mail.set_content(sample.html or sample.text, subtype="html" if sample.html else "plain")
    reading = classify(parse(mail.as_bytes(), Nowhere(), config.Parsing()))
    assert reading.forward is not None
    assert reading.forward.author == Address(sample.name, sample.email)
    assert reading.forward.subject == sample.original
    assert reading.forward.date == SENT
    assert reading.forward.text.startswith("Dzień dobry")
    assert reading.reply_text == ("" if sample.client == "Gmail, nothing added" else OWN)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Re: Oferta", f"Tak.\n\n{BLOCK}"),
        ("Odp: Oferta", f"Tak.\n\n-----Original Message-----\n{BLOCK}"),
        ("RE: Fwd: Oferta", f"Tak.\n\n---------- Forwarded message ---------\n{BLOCK}"),
        ("Oferta", f"Tak.\n\n{BLOCK}"),
        ("Fwd: Oferta", "Zobacz załącznik."),
        ("Oferta", "Forwarded message: no, I did not get one. From: you."),
        ("Oferta", "---------- Forwarded message ---------\nhas been lost"),
    ],
)
def test_what_is_no_forward(subject: str, text: str) -> None:
    assert forwarded(letter(subject, text)) is None


def test_a_marker_with_a_header_block_needs_no_prefix() -> None:
    found = forwarded(letter("Pytanie od Oli", f"Zobacz\n\n-------- Wiadomość przekazana --------\n{BLOCK}"))
    assert found is not None
    assert found.author == Address("Ola", "ola@klient.example")


def test_a_forward_as_attachment() -> None:  # DATA-19
    head = (
        "From: =?utf-8?q?Ola?= <ola@klient.example>\nSubject: Pytanie\nDate: Tue, 3 Nov 2026 12:00:00 +0100\n"
        "Message-ID: <p1@klient.example>\n\nTreść"
    )
    attached = (Embedded("message/rfc822", head),)
    found = forwarded(letter("Pytanie", "W załączeniu.", content_type="multipart/mixed", embedded=attached))
    assert found is not None
    assert found.author is not None
    assert (found.author.email, found.subject, found.message_id) == (
        "ola@klient.example",
        "Pytanie",
        "p1@klient.example",
    )
    assert (found.date, found.text) == (datetime(2026, 11, 3, 11, tzinfo=UTC), "Treść")
    assert forwarded(letter("Re: Pytanie", "x", embedded=attached)) is None
    assert forwarded(letter("Pytanie", "x", embedded=attached, in_reply_to=("y@z.example",))) is None
    assert forwarded(letter("Undelivered", "x", embedded=attached, content_type="multipart/report")) is None


def test_the_first_of_several_quoted_messages_is_the_forwarded_one() -> None:
    inner = BLOCK.replace("ola@", "piotr@").replace("Ola", "Piotr")
    found = forwarded(letter("FW: Pytanie", f"{BLOCK}\n\n{inner}"))
    assert found is not None
    assert found.author == Address("Ola", "ola@klient.example")


def test_thunderbird_names_the_forwarded_message_in_a_header() -> None:
    headers = {"x-forwarded-message-id": ("<p1@klient.example>",)}
    found = forwarded(letter("Fwd: Pytanie", BLOCK, headers=headers))
    assert found is not None
    assert found.message_id == "p1@klient.example"


@pytest.mark.parametrize(
    ("value", "author"),
    [
        ("Jan Kowalski <Jan@Klient.example>", Address("Jan Kowalski", "jan@klient.example")),
        ('"Kowalski, Jan" <jan@klient.example>', Address("Kowalski, Jan", "jan@klient.example")),
        ("Jan [mailto:jan@klient.example]", Address("Jan", "jan@klient.example")),
        ("Jan <jan@klient.example<mailto:jan@klient.example>>", Address("Jan", "jan@klient.example")),
        ("jan@klient.example", Address("", "jan@klient.example")),
        ("jan@klient.example <jan@klient.example>", Address("", "jan@klient.example")),
        ("biuro@x.example on behalf of Jan <jan@klient.example>", Address("Jan", "jan@klient.example")),
        ("jan@klient.example (Jan)", Address("Jan", "jan@klient.example")),
        ("Jan <jan@źródło.example>", Address("Jan", "jan@xn--rdo-qqa75a2h.example")),
        ("Kowalski Jan", Address("Kowalski Jan", "")),
        ("", None),
        ("---", None),
    ],
)
def test_spellings_of_the_author(value: str, author: Address | None) -> None:
    found = author_of(value)
    if found is not None and "rdo" in found.email:
        assert found.email.startswith("jan@xn--")
        return
    assert found == author
