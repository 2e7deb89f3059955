"""Files attached to a letter: they arrive as they were, under their names, and can't be anything else."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.config import Parsing
from mailcrm.core.attached import MOST_BYTES, file_name
from mailcrm.core.compose import compose
from mailcrm.core.letters import Attachment, Image, Letter
from mailcrm.errors import Refused
from mailcrm.mail.parse import parse
from mailcrm.store.blobs import Blobs
from tests.unit.test_letters import ENVELOPE

PDF = b"%PDF-1.7\r\n\x00\xff" + bytes(range(256)) * 40
LETTER = Letter("Faktura", "W załączeniu.\n", "<p>W załączeniu.</p>\n", (Image("a@p", "a.png", "image/png", b"\x89"),))


def with_file(name: str = "FV/2026/0001.pdf", letter: Letter = LETTER, content: bytes = PDF) -> Letter:
    return replace(letter, attachments=(Attachment(name, "application/pdf", content),))


@pytest.mark.parametrize("letter", [LETTER, replace(LETTER, images=()), Letter("x", "y\n")])
@pytest.mark.parametrize(
    ("given_", "name"),
    [
        ("FV/2026/0001.pdf", "FV-2026-0001.pdf"),
        ("Oferta dla Żółtej Łodzi.pdf", "Oferta dla Żółtej Łodzi.pdf"),
        ("ż" * 300 + ".pdf", "ż" * 97 + ".pdf"),
    ],
)
def test_an_attached_file_is_read_as_it_was(tmp_path: Path, letter: Letter, given_: str, name: str) -> None:
    # CAMP-21; RFC 2183, RFC 2231: by our own parser, and by the standard library's
    content = compose(with_file(given_, letter), ENVELOPE)
    assert content == compose(with_file(given_, letter), ENVELOPE)
    blobs = Blobs(tmp_path, durable=False)
    read = parse(content, blobs, Parsing())
    files = [each for each in read.attachments if not each.inline]
    assert [(each.name, each.type, blobs.read(each.sha256)) for each in files] == [(name, "application/pdf", PDF)]
    assert read.text.strip() == letter.text.strip()
    whole = message_from_bytes(content, policy=policy.default)
    assert whole.get_content_type() == "multipart/mixed"
    [part] = whole.iter_attachments()
    assert (part.get_filename(), part.get_content()) == (name, PDF)
    assert max(map(len, content.split(b"\r\n"))) <= 100


@settings(max_examples=40)
@given(st.text(max_size=200))
def test_a_name_is_a_name_of_one_file_and_adds_no_header(name: str) -> None:
    letter = with_file(name, Letter("x", "y\n"))
    [attachment] = letter.attachments
    shown = file_name(attachment)
    assert shown == " ".join(shown.split())
    assert not set(shown) & set('/\\:*?"<>|;%\r\n')
    assert not shown.startswith(".")
    read = message_from_bytes(compose(letter, ENVELOPE), policy=policy.default)
    [part] = read.iter_attachments()
    assert part.get_filename() == shown
    assert [each.casefold() for each in part] == ["content-type", "content-transfer-encoding", "content-disposition"]


def test_what_is_too_large_is_told_in_words() -> None:
    with pytest.raises(Refused, match=r"\(FV-1\.pdf\) has 10\.1 MB, more than the 10 MB .* attach less"):
        compose(with_file("FV/1.pdf", content=bytes(MOST_BYTES + 100_000)), ENVELOPE)
    with pytest.raises(Refused, match="no mail carries"):
        compose(replace(LETTER, attachments=(Attachment("a", "text/html\r\nBcc: x", b""),)), ENVELOPE)
