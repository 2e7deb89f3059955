"""The PDF of a document: the same bytes, its text, nothing beyond the edges of its pages, whatever it says."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from mailcrm import config
from mailcrm.app import document_fonts
from mailcrm.app.document_fonts import Fonts
from mailcrm.app.document_pdf import pdf
from mailcrm.core.documents import Document, Party, item_of, totals
from mailcrm.errors import Refused

SELLER = Party("Żółta Łódź", "ul. Prosta 1\n00-001 Warszawa", "123-456-32-18", "PL", "PL61 1090", "biuro@firma.example")
BUYER = Party("Źdźbło i Wspólnicy", "ul. Krótka 2\n90-001 Łódź", "PL7251801126", "PL", "", "ewa@klient.example")


def document(*lines: dict[str, Any], currency: str = "PLN", **more: Any) -> Document:
    items = tuple(item_of(each, currency, Decimal(23)) for each in lines or ({"description": "Kurs", "price": 100},))
    fields: dict[str, Any] = {
        "id": 1,
        "key": "k",
        "kind": "invoice",
        "name": "FV/2026/0001",
        "language": "pl",
        "currency": currency,
        "issued_on": date(2026, 11, 22),
        "due_on": date(2026, 12, 6),
        "seller": SELLER,
        "buyer": BUYER,
        "items": items,
        "totals": totals(items, currency),
    }
    return Document(**fields | more)


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Fonts:
    return document_fonts.fonts(config.parse({}, base=tmp_path_factory.mktemp("fonts")))


class Watched:
    """What is written where: the page, the left and right edge and the baseline of every text."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[tuple[int, float, float, float, str]] = []
        cell = FPDF.cell

        def watching(sheet: FPDF, w: float, h: float, text: str, align: str = "L") -> Any:
            wide = sheet.get_string_width(text)
            left = sheet.x if align == "L" else sheet.x + w - wide
            if "{nb}" not in text:
                self.texts.append((sheet.page_no(), left, left + wide, sheet.y + h, text))
            return cell(sheet, w, h, text, align=align)

        monkeypatch.setattr(FPDF, "cell", watching)

    def check(self) -> None:
        assert self.texts
        for page, left, right, bottom, text in self.texts:
            assert left >= 17.9, (page, text)
            assert right <= 192.1, (page, right, text)
            assert 15 <= bottom <= 290, (page, bottom, text)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def read(content: bytes) -> list[str]:
    """The text of each page, as somebody would copy it."""
    return [page.extract_text().replace("\u00a0", " ") for page in PdfReader(io.BytesIO(content)).pages]


def test_it_says_what_the_document_says(fonts: Fonts) -> None:
    lines = (
        {"description": "Wdrożenie", "price": "12500"},
        {"description": "Konsultacje", "price": "180.5", "quantity": "7.5", "unit": "godz.", "tax": 8},
        {"description": "Szkolenie", "price": "2000", "tax": "exempt"},
    )
    content = pdf(document(*lines, exempt="art. 43 ust. 1 pkt 29", note="Dziękujemy: ąćęłńóśźż ĄĆĘŁŃÓŚŹŻ"), fonts)
    [text] = read(content)
    for part in (
        *("Faktura", "FV/2026/0001", "22.11.2026", "06.12.2026", "Żółta Łódź", "NIP: 123-456-32-18", "90-001 Łódź"),
        *("Źdźbło i Wspólnicy", "12 500,00", "7,5", "godz.", "180,50", "1 353,75", "8%", "zw.", "2 000,00"),
        *("15 853,75", "2 983,30", "18 837,05 PLN", "PL61 1090", "art. 43 ust. 1 pkt 29", "strona 1/1"),
        "Dziękujemy: ąćęłńóśźż ĄĆĘŁŃÓŚŹŻ",
    ):
        assert part in text
    told = PdfReader(io.BytesIO(content)).metadata
    assert told is not None
    assert (told.title, told.author, told.producer) == ("Faktura FV/2026/0001", "Żółta Łódź", "mailcrm")
    assert told.creation_date is not None
    assert told.creation_date.isoformat() == "2026-11-22T12:00:00+00:00"


def test_an_offer_in_english_and_yen(fonts: Fonts) -> None:
    buyer = replace(BUYER, country="DE")
    offer = document(
        {"description": "Kurs", "price": "1234.5"}, currency="JPY", kind="offer", language="en", buyer=buyer
    )
    [text] = read(pdf(offer, fonts))
    for part in ("Offer", "Valid until", "6 December 2026", "1,519 JPY", "Tax ID: PL7251801126", "DE", "page 1/1"):
        assert part in text
    assert "PL61" not in text  # nothing is to be paid yet
    assert "To be paid" not in text


def test_the_same_document_gives_the_same_bytes(fonts: Fonts, tmp_path: Path) -> None:
    """In another process too, with fonts that were made anew."""
    one = document(note="Привет: ő")
    content = pdf(one, fonts)
    assert content == pdf(one, fonts)
    assert content != pdf(replace(one, name="FV/2026/0002"), fonts)
    code = (
        "import sys, hashlib; from pathlib import Path; from mailcrm import config\n"
        "from mailcrm.app.document_fonts import fonts; from mailcrm.app.document_pdf import pdf\n"
        "from tests.unit.test_document_pdf import document\n"
        "made = pdf(document(note='Привет: ő'), fonts(config.parse({}, base=Path(sys.argv[1]))))\n"
        "sys.stdout.buffer.write(made)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    again = subprocess.run(command, capture_output=True, check=True, cwd=Path(__file__).parents[2], timeout=50)
    assert again.stdout == content


def test_many_can_be_made_at_once(fonts: Fonts) -> None:
    several = [document(name=f"FV/2026/{number}", note="ő" * (number % 2)) for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda each: pdf(each, fonts), several))
    assert made == [pdf(each, fonts) for each in several]


def test_many_lines_go_over_many_pages_each_with_heads_and_a_number(fonts: Fonts, watched: Watched) -> None:
    lines = [{"description": f"Usługa {number}", "price": number} for number in range(1, 301)]
    pages = read(pdf(document(*lines), fonts))
    watched.check()
    assert len(pages) == 10
    for number, text in enumerate(pages, 1):
        assert f"strona {number}/10" in text
        assert ("Nazwa towaru lub usługi" in text) == bool(re.search(r"^\d+ Usługa \d", text, re.M))
        assert "FV/2026/0001" in text
    whole = "\n".join(pages)
    assert all(f"Usługa {number}" in whole for number in range(1, 301))
    assert "45 150,00" in pages[-1]


HOSTILE: dict[str, Document] = {
    "long words": document(
        {"description": "x" * 2000, "price": 1, "unit": "M" * 20},
        seller=replace(SELLER, name="W" * 200, address="\n".join(["Ł" * 200] * 5), bank_account="0" * 60),
        buyer=Party("W" * 200, "\n".join(["Q" * 200] * 5), "9" * 40, "X" * 60, "", "m" * 200),
        name="W" * 80,
        note="n" * 5000,
    ),
    "large amounts": document(
        {"description": "a b c " * 300, "price": "99999999999.9999", "quantity": 1, "unit": "WWWWWWWWWWWWWWWWWWWW"},
        {"description": "d", "price": "0.0001", "quantity": "999999999.9999"},
        currency="KWD",
        language="en",
    ),
    "tall lines": document({"description": "\n".join("ab" for _ in range(600)), "price": 1}, note="\n" * 3000),
    "a tall address": document(buyer=replace(BUYER, address="\n".join(["Q"] * 400))),
    "many rates": document(*({"description": "x", "price": 1, "tax": str(rate)} for rate in range(101))),
    "what cannot be seen": document(
        {"description": "\u202e😀\u200d🔥 שלום مرحبا 漢字 e\u0301 \x00\x07\ufeff\ufffd", "price": 1},
        buyer=Party("\u202eevil\u2066", "\u0000\n\t", "🇵🇱", "", "", "\ud800"),
        note="{nb} \\( ) <</Type /Page>> %%EOF endstream endobj",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_leaves_the_page(kind: str, fonts: Fonts, watched: Watched) -> None:
    pages = read(pdf(HOSTILE[kind], fonts))
    watched.check()
    assert f"{len(pages)}/{len(pages)}" in pages[-1]
    assert len(pages) < 40
    amounts = [text for *_, text in watched.texts]
    assert any(text.endswith(HOSTILE[kind].currency) for text in amounts)


def test_no_amount_is_ever_cut(fonts: Fonts, watched: Watched) -> None:
    pdf(HOSTILE["large amounts"], fonts)
    texts = {text for *_, text in watched.texts}
    assert {"99,999,999,999.9999", "999,999,999.9999", "100,000,000,000.000"} <= texts
    pdf(HOSTILE["long words"], fonts)
    assert "W" * 80 in {text for *_, text in watched.texts}  # its number


def test_what_the_font_lacks_is_a_box(fonts: Fonts) -> None:
    [text] = read(pdf(HOSTILE["what cannot be seen"], fonts))
    assert "□□ □□□□ □□□□□ □□ é" in text
    assert "evil" in text
    assert "\u202e" not in text
    assert "endstream endobj" in text


@settings(max_examples=12)
@given(texts=st.lists(st.text(max_size=300), min_size=6, max_size=6))
def test_whatever_it_says_it_can_be_made_and_read(fonts: Fonts, texts: list[str]) -> None:
    description, name, address, note, exempt, unit = texts
    line = {"description": f"x{description}", "price": 1, "unit": unit}
    said = document(line, buyer=replace(BUYER, name=name, address=address), note=note, exempt=exempt)
    assert "FV/2026/0001" in "\n".join(read(pdf(said, fonts)))


# -- fonts


def test_a_document_with_other_letters_takes_a_larger_font(fonts: Fonts) -> None:
    assert fonts.regular.file(frozenset(map(ord, "Zażółć – 5 €"))) == fonts.regular.near
    assert fonts.regular.file(frozenset(map(ord, "ő"))) == fonts.regular.latin
    assert fonts.regular.file(frozenset(map(ord, "ж"))) == fonts.regular.whole
    assert fonts.regular.near.stat().st_size < fonts.regular.latin.stat().st_size < fonts.regular.whole.stat().st_size
    [text] = read(pdf(document(note="Gyűjtő Привет Ελλάδα"), fonts))
    assert "Gyűjtő Привет Ελλάδα" in text


def test_a_font_of_ones_own(fonts: Fonts, tmp_path: Path) -> None:
    (tmp_path / "own.ttf").write_bytes(fonts.bold.whole.read_bytes())
    own = document_fonts.fonts(config.parse({"documents": {"font": "own.ttf"}}, base=tmp_path))
    assert own.regular.whole == own.bold.whole == tmp_path / "own.ttf"
    assert "Faktura" in read(pdf(document(), own))[0]


@pytest.mark.parametrize("name", ["none.ttf", "text.ttf", "short.ttf", "font.otf", "."])
def test_what_is_no_font_is_refused(name: str, fonts: Fonts, tmp_path: Path) -> None:
    (tmp_path / "text.ttf").write_text("no font")
    (tmp_path / "short.ttf").write_bytes(fonts.bold.whole.read_bytes()[:5000])
    (tmp_path / "font.otf").write_bytes(fonts.bold.whole.read_bytes())
    given = config.parse({"documents": {"font": name}}, base=tmp_path)
    with pytest.raises(Refused, match=r"documents.font: .* give a TrueType font"):
        document_fonts.fonts(given)
