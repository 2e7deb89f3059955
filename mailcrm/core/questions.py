"""The words in which a rep is asked, in Polish and English: the question, the digest, the notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Literal

from mailcrm.core.choices import LETTERS, REPLY_ABOVE

Language = Literal["en", "pl"]
EXTRACT = 400
"""Characters of the thread's newest message that a question shows."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deal that can be chosen. ``number`` stays the same while others drop out; ``open`` is false once it closed."""

    number: int
    deal: int
    title: str
    stage: str
    value: Decimal | None
    currency: str | None
    open: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """One choice with all that is shown of it.

    Args:
        user: key of the user who is asked; None where nobody is asked by mail.
        author: name and address of who wrote the thread's newest message.
        date: when, in the time zone of the reader.
        answer: the chosen deal; None with state ``answered`` is "none of them".
    """

    id: int
    thread: int
    state: str
    nonce: str
    user: str | None
    candidates: tuple[Candidate, ...]
    subject: str
    author: str
    date: datetime
    extract: str
    answer: int | None = None
    answered_by: str | None = None
    answered_via: str | None = None
    answered_at: datetime | None = None

    @property
    def open_numbers(self) -> tuple[int, ...]:
        """The numbers that can be answered now."""
        return tuple(candidate.number for candidate in self.candidates if candidate.open)


@dataclass(frozen=True, slots=True)
class Ways:
    """How this rep can answer besides replying: the page's address, and what his mailbox offers."""

    page: str
    keywords: bool = False
    folders: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to a rep, before it is a message: plain text and the same as HTML."""

    subject: str
    text: str
    html: str


def language(chosen: Language | None, time_zone: str) -> Language:
    """The language a rep is written to: the one he chose, else Polish in Poland's time zone, else English."""
    return chosen or ("pl" if time_zone in ("Europe/Warsaw", "Poland") else "en")


def words(given: Language) -> Mapping[str, str]:
    """The phrases of a language, by name; for pages too."""
    return _WORDS[given]


def amount(candidate: Candidate, given: Language) -> str:
    """``12 000,00 PLN`` in Polish, ``12,000.00 PLN`` in English; "" without a value."""
    if candidate.value is None:
        return ""
    figures = f"{candidate.value:,.2f}"
    if given == "pl":
        figures = figures.replace(",", "\u00a0").replace(".", ",")
    return f"{figures} {candidate.currency or ''}".strip()


def question_mail(question: Question, name: str, ways: Ways, given: Language) -> Letter:
    """The mail that asks one question; ``name`` is the rep's."""
    say = words(given)
    head = say["ask"].format(name=name or question.user or "")
    how = [say["always"].format(n=question.candidates[0].number), f"{say['page']} {ways.page}"]
    if ways.keywords:
        how.append(say["keyword"].format(first=1, last=min(9, question.candidates[-1].number)))
    if ways.folders:
        how.append(say["folder"])
    text = [_above(given), "", head, "", *_thread_text(question, given), "", say["reply"], ""]
    text += [*_candidate_lines(question, given), "", *how]
    html = [
        f"<p>{escape(_above(given))}</p><p>{escape(head)}</p>",
        _thread_html(question, given),
        f"<p>{escape(say['reply'])}</p>",
        _candidates_html(question, ways.page, given),
        "".join(f"<p>{escape(line)}</p>" for line in how if ways.page not in line),
        f'<p><a href="{escape(ways.page)}">{escape(say["open_page"])}</a></p>',
    ]
    return Letter(f"{say['which']} {one_line(question.subject, given)}", _text(text), _html(html, given))


def digest_mail(questions: Sequence[tuple[Question, str]], name: str, given: Language) -> Letter:
    """The mail that asks several questions, each with its page, by letters."""
    say = words(given)
    head = say["digest"].format(name=name, count=len(questions))
    text, html = [_above(given), "", head, ""], [f"<p>{escape(_above(given))}</p><p>{escape(head)}</p>"]
    for letter, (question, page) in zip(LETTERS, questions, strict=False):
        lines = [f"{letter} {line}" for line in _candidate_lines(question, given)]
        text += ["", f"--- {letter} ---", *_thread_text(question, given), "", *lines, f"{say['page']} {page}"]
        html += [f"<h3>{letter}</h3>", _thread_html(question, given), _candidates_html(question, page, given, letter)]
    return Letter(say["digest_subject"].format(count=len(questions)), _text(text), _html(html, given))


def notice_mail(question: Question, page: str, reason: str, given: Language) -> Letter:
    """The polite answer to an answer that could not be used.

    Args:
        reason: ``unclear``, ``late``, ``closed``, ``withdrawn`` or ``unproven``.
    """
    say = words(given)
    head = say[reason].format(answer=_answer(question, given), by=question.answered_by or "")
    text = [_above(given), "", head, "", *_thread_text(question, given)]
    html = [f"<p>{escape(_above(given))}</p><p>{escape(head)}</p>", _thread_html(question, given)]
    if question.state == "open":
        text += ["", say["reply"], "", *_candidate_lines(question, given), "", f"{say['page']} {page}"]
        html += [f"<p>{escape(say['reply'])}</p>", _candidates_html(question, page, given)]
    return Letter(f"Re: {say['which']} {one_line(question.subject, given)}", _text(text), _html(html, given))


def forward_mail(subject: str, given: Language) -> Letter:
    """Tells a rep that nobody can read out of his mail to the drop-box whose mail it passes on."""
    say = words(given)
    text = say["forward"].format(subject=one_line(subject, given))
    return Letter(f"Re: {one_line(subject, given)}", _text([text]), _html([f"<p>{escape(text)}</p>"], given))


def one_line(subject: str, given: Language) -> str:
    """A subject fit for a header: no line breaks or other controls, at most 120 characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in subject).split())
    return (plain if len(plain) <= 120 else plain[:119] + "…") or words(given)["no_subject"]


def extract_of(text: str) -> str:
    """The beginning of a message's own text, in one paragraph."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text[: EXTRACT * 4]).split())
    return plain if len(plain) <= EXTRACT else plain[: EXTRACT - 1] + "…"


def _answer(question: Question, given: Language) -> str:
    for candidate in question.candidates:
        if candidate.deal == question.answer:
            return f"{candidate.number} – {candidate.title}"
    return words(given)["none"] if question.answer is None else str(question.answer)


def _above(given: Language) -> str:
    return f"{REPLY_ABOVE} {words(given)['above']} ##"


def _thread_text(question: Question, given: Language) -> list[str]:
    say = words(given)
    return [
        f"  {say['subject']}: {one_line(question.subject, given)}",
        f"  {say['from']}: {one_line(question.author, given)}",
        f"  {say['date']}: {question.date:%Y-%m-%d %H:%M}",
        f"  {question.extract}",
    ]


def _thread_html(question: Question, given: Language) -> str:
    say = words(given)
    return (
        f"<blockquote><b>{escape(one_line(question.subject, given))}</b><br>"
        f"{escape(say['from'])}: {escape(one_line(question.author, given))}, {question.date:%Y-%m-%d %H:%M}<br>"
        f"{escape(question.extract)}</blockquote>"
    )


def _details(candidate: Candidate, given: Language) -> str:
    return ", ".join(part for part in (candidate.stage, amount(candidate, given)) if part)


def _candidate_lines(question: Question, given: Language) -> list[str]:
    lines = [
        f"  {candidate.number}  {one_line(candidate.title, given)} ({_details(candidate, given)})"
        for candidate in question.candidates
        if candidate.open
    ]
    return [*lines, f"  0  {words(given)['none']}"]


def _candidates_html(question: Question, page: str, given: Language, letter: str = "") -> str:
    rows = [
        f'<tr><td><a href="{escape(page)}?n={candidate.number}"><b>{letter} {candidate.number}</b></a></td>'
        f"<td>{escape(one_line(candidate.title, given))}</td><td>{escape(_details(candidate, given))}</td></tr>"
        for candidate in question.candidates
        if candidate.open
    ]
    none = f"<tr><td><b>{letter} 0</b></td><td>{escape(words(given)['none'])}</td><td></td></tr>"
    return f'<table cellpadding="4">{"".join(rows)}{none}</table>'


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _html(parts: Sequence[str], given: Language) -> str:
    return f'<!doctype html><html lang="{given}"><meta charset="utf-8"><body>{"".join(parts)}</body></html>\n'


_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "which": "Which deal?",
        "above": "reply above this line",
        "ask": "{name}, which open deal does this thread belong to?",
        "subject": "Subject",
        "from": "From",
        "date": "Date",
        "no_subject": "(no subject)",
        "reply": "Reply with the number:",
        "none": "none of these",
        "always": 'With "always {n}" the person\'s later threads go to deal {n} too, until it closes.',
        "page": "Or answer here:",
        "open_page": "Or answer on this page",
        "keyword": "Or set the keyword $crm{first} … $crm{last} on one of the thread's messages.",
        "folder": "Or move a message of the thread into the deal's folder under CRM.",
        "digest_subject": "Which deals? {count} threads are waiting",
        "digest": '{name}, {count} threads are waiting for their deal. Reply with a line for each: "A 2", "B 0", '
        '"C always 1".',
        "unclear": "I could not tell which deal was meant. Please answer with nothing but the number.",
        "late": "This was answered before by {by}: {answer}. Nothing was changed.",
        "closed": "That deal is closed meanwhile. Please choose again.",
        "unproven": "That answer could not be proved to be yours, so it does not count. Please use the page.",
        "forward": 'I could not read out of your mail "{subject}" whose mail it passes on, so it was not stored. '
        "Please forward the original once more, with its From line left in the text, or as an attachment.",
        "title": "Which deal does this thread belong to?",
        "always_box": "Always this deal for this person, until it closes",
        "answered_with": "Answered by {by}: {answer}",
        "thanks": "Thank you. The thread is linked.",
        "thanks_none": "Thank you. The thread stays without a deal.",
        "already": "This was answered before; nothing was changed.",
        "withdrawn": "This question is settled: none of its deals is open any more, or the thread is linked already.",
        "gone": "This link is not valid",
        "gone_text": "It may be cut off or changed. Use the newest question in your inbox.",
        "not_open": "That deal is not open any more. Please choose another.",
        "wrong": "Please choose one of the buttons.",
        "conversation": "The thread",
    },
    "pl": {
        "which": "Która szansa?",
        "above": "odpowiedz nad tą linią",
        "ask": "{name}, do której otwartej szansy należy ten wątek?",
        "subject": "Temat",
        "from": "Od",
        "date": "Data",
        "no_subject": "(bez tematu)",
        "reply": "Odpowiedz samym numerem:",
        "none": "żadna z nich",
        "always": "Po „zawsze {n}” także późniejsze wątki tej osoby trafią do szansy {n}, aż zostanie zamknięta.",
        "page": "Albo odpowiedz tutaj:",
        "open_page": "Albo odpowiedz na tej stronie",
        "keyword": "Albo oznacz jedną z wiadomości wątku słowem kluczowym $crm{first} … $crm{last}.",
        "folder": "Albo przenieś wiadomość z wątku do folderu szansy pod CRM.",
        "digest_subject": "Które szanse? Czekające wątki: {count}",
        "digest": "{name}, na wybór szansy czekają wątki ({count}). Odpowiedz, po jednej linii na wątek: „A 2”, "
        "„B 0”, „C zawsze 1”.",
        "unclear": "Nie udało się odczytać, o którą szansę chodzi. Prosimy odpowiedzieć samym numerem.",
        "late": "To pytanie ma już odpowiedź ({by}): {answer}. Nic nie zmieniono.",
        "closed": "Ta szansa została w międzyczasie zamknięta. Prosimy wybrać ponownie.",
        "unproven": "Nie udało się potwierdzić, że to Twoja odpowiedź, więc się nie liczy. Prosimy użyć strony.",
        "forward": "Nie udało się odczytać z wiadomości „{subject}”, czyją pocztę przekazuje, więc jej nie zapisano. "
        "Prosimy przekazać oryginał jeszcze raz, zostawiając w treści linię „Od”, albo jako załącznik.",
        "title": "Do której szansy należy ten wątek?",
        "always_box": "Zawsze ta szansa dla tej osoby, aż zostanie zamknięta",
        "answered_with": "Odpowiedź ({by}): {answer}",
        "thanks": "Dziękujemy. Wątek jest powiązany.",
        "thanks_none": "Dziękujemy. Wątek pozostaje bez szansy.",
        "already": "To pytanie miało już odpowiedź; nic nie zmieniono.",
        "withdrawn": "Pytanie jest nieaktualne: żadna z jego szans nie jest już otwarta albo wątek jest już powiązany.",
        "gone": "Ten link jest nieprawidłowy",
        "gone_text": "Mógł zostać ucięty lub zmieniony. Użyj najnowszego pytania w swojej skrzynce.",
        "not_open": "Ta szansa nie jest już otwarta. Prosimy wybrać inną.",
        "wrong": "Prosimy wybrać jeden z przycisków.",
        "conversation": "Wątek",
    },
}
