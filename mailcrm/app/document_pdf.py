"""An invoice or offer as a PDF (A4). The same document gives the same bytes, whenever it is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from datetime import UTC, datetime, time
from decimal import Decimal

from mailcrm.app.document_fonts import Fonts
from mailcrm.app.document_sheet import GAP, INK, LEFT, RIGHT, RULE, SHADE, WIDTH, Sheet
from mailcrm.core import document_words as say
from mailcrm.core.document_words import WORDS, Words
from mailcrm.core.documents import Document, Item, Party

_SIZES = (9.0, 8.0, 7.0, 6.0, 5.0)  # points: the first at which the amounts leave the description its room
_NARROWEST = 46.0  # millimetres of the description
_NUMBERS = frozenset({0, 2, 4, 5, 6})  # the columns of the table that are set to their right
_PAD = 1.3  # millimetres above and below a line of the table


def pdf(document: Document, fonts: Fonts) -> bytes:
    """The PDF of a document; its time of creation is noon of the day of issue."""
    words = WORDS[document.language]
    title = f"{words.titles[document.kind]} {document.name}"
    sheet = Sheet(fonts, _texts(document, words), title, document.seller.name, words.page)
    sheet.set_creation_date(datetime.combine(document.issued_on, time(12), UTC))
    sheet.set_title(title)
    sheet.set_author(document.seller.name)
    sheet.set_producer("mailcrm")
    sheet.set_lang(document.language)
    _head(sheet, document, words)
    _parties(sheet, document, words)
    _table(sheet, document, words)
    _sums(sheet, document, words)
    _foot(sheet, document, words)
    return bytes(sheet.output())


def _head(sheet: Sheet, document: Document, words: Words) -> None:
    """What it is, its number, and its days."""
    sheet.write_line(words.titles[document.kind], LEFT, WIDTH / 2, 22, bold=True)
    sheet.write_line(document.name, LEFT + WIDTH / 3, WIDTH * 2 / 3, 22, align="R", bold=True)
    sheet.down(12)
    sheet.rule(0.6, INK)
    sheet.down(3.5)
    days = {words.issued: document.issued_on, words.until[document.kind]: document.due_on}
    top = sheet.get_y()
    for index, (label, day) in enumerate(days.items()):
        if day is not None:
            sheet.set_y(top)
            sheet.label(label, LEFT + index * 48, 46)
            sheet.write_line(say.day(day, document.language), LEFT + index * 48, 46, 10)
    sheet.set_y(top + 13)


def _parties(sheet: Sheet, document: Document, words: Words) -> None:
    """Who sells, and beside it who buys."""
    top, half = sheet.get_y(), WIDTH / 2 - 5
    ends = []
    for party, label, left in (
        (document.seller, words.seller, LEFT),
        (document.buyer, words.buyer, LEFT + half + 10),
    ):
        sheet.set_y(top)
        sheet.label(label, left, half)
        sheet.block(party.name, left, half, 11, bold=True)
        sheet.block("\n".join(_about(party, document, words)), left, half, 9.5)
        ends.append(sheet.get_y())
    sheet.set_y(max(ends) + 7)


def _about(party: Party, document: Document, words: Words) -> Iterator[str]:
    if party.address:
        yield party.address
    if party.country and document.seller.country != document.buyer.country and document.buyer.country:
        yield party.country
    if party.tax_id:
        yield f"{words.tax_id}: {party.tax_id}"
    if party.contact:
        yield party.contact


def _table(sheet: Sheet, document: Document, words: Words) -> None:
    """The lines, over as many pages as they need; each begins with the heads of the columns."""
    rows = [_row(index, item, document) for index, item in enumerate(document.items, 1)]
    size, widths = _fitting(sheet, [words.columns, *rows])
    _heads(sheet, words, widths, size)
    high = size * 0.5
    for number, described, *rest in rows:
        texts = list(sheet.broken(described, widths[1] - 2 * GAP, size))
        sheet.down(_PAD)
        for index, text in enumerate(texts):
            last = _PAD if index == len(texts) - 1 else 0
            page = sheet.page_no()
            sheet.room(high + last)
            if sheet.page_no() != page:
                _heads(sheet, words, widths, size)
                sheet.down(_PAD)
            sheet.cells((number, text, *rest) if index == 0 else ("", text), widths, size, right=_NUMBERS)
            sheet.down(high)
        sheet.down(_PAD)
        sheet.rule(0.1, RULE)


def _heads(sheet: Sheet, words: Words, widths: Sequence[float], size: float) -> None:
    high = size * 0.42 + 3
    sheet.set_fill_color(*SHADE)
    sheet.rect(LEFT, sheet.get_y(), WIDTH, high, style="F")
    sheet.down(1.5)
    sheet.cells(words.columns, widths, size, right=_NUMBERS, bold=True)
    sheet.down(high - 1.5)


def _row(index: int, item: Item, document: Document) -> tuple[str, ...]:
    language, currency = document.language, document.currency
    return (
        str(index),
        item.description,
        say.quantity(item.quantity, language),
        item.unit,
        say.price(item.price, currency, language),
        say.rate(item.tax, language),
        say.amount(item.net, currency, language),
    )


def _fitting(sheet: Sheet, rows: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """The size of the text, and how wide each column is: the description has what the others leave."""
    others = [(row[0], "", *row[2:]) for row in rows]
    for size in _SIZES:
        widths = sheet.columns(others, size)
        widths[1] = WIDTH - sum(widths[:1] + widths[2:])
        if widths[1] >= _NARROWEST:
            break
    return size, widths


def _sums(sheet: Sheet, document: Document, words: Words) -> None:
    """What it comes to, by rate and all in all, and what is to be paid."""
    rates, total = document.totals.rates, document.totals

    def shown(*amounts: Decimal) -> tuple[str, ...]:
        return tuple(say.amount(each, document.currency, document.language) for each in amounts)

    heads = (words.rate, words.net, words.tax, words.gross)
    rows = [(say.rate(each.rate, document.language), *shown(each.net, each.tax, each.gross)) for each in rates]
    last = (words.sum, *shown(total.net, total.tax, total.gross))
    widths = [max(width, 26.0) for width in sheet.columns([heads, *rows, last], 9)]
    high, right = 5.6, frozenset({1, 2, 3})
    sheet.room(min(len(rows) + 2, 20) * high + 30)
    sheet.down(6)
    for index, row in enumerate((heads, *rows, last)):
        sheet.room(high)
        sheet.cells(row, widths, 9, right=right, bold=row is last, pale=index == 0)
        sheet.down(high - 0.8)
        if index in (0, len(rows)):
            sheet.rule(0.2, RULE, RIGHT - sum(widths))
        sheet.down(0.8 if index not in (0, len(rows)) else 1.4)
    sheet.room(24)
    sheet.down(4)
    sheet.set_fill_color(*SHADE)
    sheet.rect(LEFT, sheet.get_y(), WIDTH, 12, style="F")
    sheet.down(3.2)
    due = f"{shown(total.gross)[0]}\u00a0{document.currency}"
    sheet.write_line(words.due[document.kind], LEFT + 4, WIDTH / 2 - 4, 12, bold=True)
    sheet.write_line(due, LEFT + WIDTH / 3, WIDTH * 2 / 3 - 4, 14, align="R", bold=True)
    sheet.down(15)


def _foot(sheet: Sheet, document: Document, words: Words) -> None:
    """Where it is to be paid to, why it is exempt, and what else is to be said."""
    told = (
        (words.account, document.seller.bank_account if document.kind == "invoice" else ""),
        (words.exempt_by, document.exempt),
        ("", document.note.strip()),
    )
    for label, text in told:
        if text:
            sheet.room(12)
            if label:
                sheet.label(label, LEFT, WIDTH)
            sheet.block(text, LEFT, WIDTH, 10)
            sheet.down(3)


def _texts(document: Document, words: Words) -> Iterator[str]:
    """All that stands in it, but for numbers, which every font has."""
    yield from (document.name, document.note, document.exempt, document.currency, "0123456789-%.,:/{}nb")
    for party in (document.seller, document.buyer):
        yield from astuple(party)
    for item in document.items:
        yield from (item.description, item.unit)
    yield from (*words.columns, *words.titles.values(), *words.until.values(), *words.due.values())
    yield from (words.issued, words.seller, words.buyer, words.tax_id, words.account, words.rate, words.net)
    yield from (words.tax, words.gross, words.sum, words.exempt, words.exempt_by)
