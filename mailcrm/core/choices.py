"""The choice between several open deals: signed tokens, and what a rep's answer says.

A question's token stands in its Message-ID, so that any mail program's reply carries it back (RFC 5322, 3.6.4).
The page has a token of its own: message ids are written into mail logs, which must not open the page.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mailcrm.core.model import Message

LETTERS = "ABCDEFGHJKLMNPQRSTUV"
"""Of the questions in a digest. I and O read like digits and are words, W and Z are Polish words."""

REPLY_ABOVE = "## mailcrm:"
"""Begins each of our mails; what stands below it in an answer is our own text, quoted without a mark."""

_QUESTION_ID = re.compile(r"q\.(\d{1,18})\.([0-9a-f]{8,32})\.([0-9a-f]{32})(?:\.[a-z]+)?@[^@]+")
_DIGEST_ID = re.compile(r"d\.(\d{1,18})\.(\d{1,18}(?:-\d{1,18}){0,19})\.([0-9a-f]{32})(?:\.[a-z]+)?@[^@]+")
_PAGE = re.compile(r"(\d{1,18})\.([0-9a-f]{8,32})\.([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class AnswerReference:
    """Which of our questions a message answers; the signature has been checked.

    Args:
        choices: ids of the choices, in the order of the digest's letters.
        nonce: the choice's nonce, to be compared with the stored one; None for a digest.
    """

    choices: tuple[int, ...]
    nonce: str | None = None

    @property
    def digest(self) -> bool:
        """True if the mail asked by letters."""
        return self.nonce is None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: the candidate's number (0 is "none"), and whether it is meant for later threads too."""

    number: int
    always: bool = False


def folder_name(deal: int, title: str) -> str:
    """The name of a deal's folder under ``CRM``: its id, then its title as far as every server can hold it."""
    plain = "".join(c if c.isalnum() or c in " -_" else " " for c in title)
    return " ".join(f"{deal} {plain}".split())[:60].rstrip()


def deal_of_folder(name: str) -> int | None:
    """The deal's id that such a folder's name begins with."""
    match = re.match(r"\d{1,18}(?!\d)", name)
    return int(match[0]) if match else None


@dataclass(frozen=True, slots=True)
class DigestAnswer:
    """Answers by position in the digest, and the positions whose line was there but not clear."""

    answers: Mapping[int, Answer]
    unclear: tuple[int, ...] = ()


def question_id(secret: bytes, choice: int, nonce: str, domain: str, label: str = "") -> str:
    """The Message-ID (without ``<>``) of a question; with a ``label`` (a-z), of another mail about the same choice."""
    return _local(f"q.{choice}.{nonce}.{_sign(secret, 'mail', f'{choice}.{nonce}')}", label) + f"@{domain}"


def digest_id(secret: bytes, user: int, choices: Sequence[int], domain: str, label: str = "") -> str:
    """The Message-ID (without ``<>``) of a digest for a user (his id): it carries the choices, at most 20."""
    body = f"{user}.{'-'.join(map(str, choices))}"
    return _local(f"d.{body}.{_sign(secret, 'digest', body)}", label) + f"@{domain}"


def page_token(secret: bytes, choice: int, nonce: str) -> str:
    """The token of the page on which the choice can be answered."""
    return f"{choice}.{nonce}.{_sign(secret, 'page', f'{choice}.{nonce}')}"


def read_page_token(secret: bytes, token: str) -> tuple[int, str] | None:
    """The choice's id and nonce, or None for a token that is not ours."""
    match = _PAGE.fullmatch(token)
    if not match or not _signed(secret, "page", f"{match[1]}.{match[2]}", match[3]):
        return None
    return int(match[1]), match[2]


def is_question(message: Message, secret: bytes) -> bool:
    """True for our own questions, digests and notices, whichever folder they are found in."""
    return is_own(message, lambda each: _reference(each, secret) is not None)


def is_own(message: Message, signed: Callable[[str], bool]) -> bool:
    """True for a mail of ours that asks a rep something.

    Where a relay replaced the Message-ID, the token still stands in References, and our header says what it is;
    a header alone proves nothing.

    Args:
        signed: whether an id bears a token of ours.
    """
    if message.message_id and signed(message.message_id):
        return True
    if message.header("x-mailcrm-choice") is None or message.in_reply_to:
        return False
    return any(map(signed, message.references))


def answer_reference(message: Message, secret: bytes) -> AnswerReference | None:
    """The question that a message replies to, or None: no token, a forged one, or our own mail."""
    named = [*message.in_reply_to, *reversed(message.references)]
    if not any(each.startswith(("q.", "d.")) for each in named) or is_question(message, secret):
        return None
    return next((found for each in named if (found := _reference(each, secret))), None)


def read_answer(text: str, numbers: Sequence[int]) -> Answer | None:
    """What a reply to a question says; None where it is not clear, since a guess would be worse than asking again.

    The answer stands at the beginning of a line of its own ("2", "2, thanks", "always 2", "żaden"). Greetings,
    signatures and quoted text are passed over; two different answers cancel each other.

    Args:
        text: the reply's own text, quoted text removed as far as that was possible.
        numbers: the numbers that were offered, without 0.
    """
    found: set[Answer] = set()
    for line in own_lines(text):
        answer, clear = _line(line, numbers)
        if not clear and (not found or _takes_back(line)):
            return None
        if answer:
            found.add(answer)
    return found.pop() if len(found) == 1 else None


def read_digest(text: str, numbers: Sequence[Sequence[int]]) -> DigestAnswer:
    """What a reply to a digest says, line by line: "A 2", "B: none", "C always 1".

    Of a letter that has its answer, a further line that says nothing is passed over, such as the rep's name below.

    Args:
        text: as for ``read_answer``.
        numbers: for each question, in the order of the letters, the numbers that were offered.
    """
    found: dict[int, set[Answer | None]] = {}
    for line in own_lines(text):
        match = _LETTERED.fullmatch(line)
        position = LETTERS.find(match[1].upper()) if match else -1
        if match and 0 <= position < len(numbers):
            said = found.setdefault(position, set())
            answer, clear = _line(match[2], numbers[position])
            if answer or (not clear and (not said or match[2][0].isdigit() or _takes_back(match[2]))):
                said.add(answer)
    if not any(found.values()) and len(numbers) == 1 and (only := read_answer(text, numbers[0])):
        return DigestAnswer({0: only})
    answers = {position: one for position, said in found.items() if len(said) == 1 and (one := next(iter(said)))}
    return DigestAnswer(answers, tuple(sorted(position for position in found if position not in answers)))


_NOISE = str.maketrans("", "", "\ufe0f\u20e3\u200b\u200e\u200f\ufeff*_`\"'„”“")
_LETTERED = re.compile(r"\W*([A-Za-z])(?:[\W_]*(?=\d)|[\W_]+(?=\w{2}))(.+)")  # "A2", "B: none"; no name as "Anna"
_QUOTE = re.compile(r"^\s*[>|]")
_END = re.compile(
    r"^\s*(?:--\s?$|-{4,}|_{4,}|(?:from|von|de|od|nadawca):\s|sent from my|wysłan[eo] z|get outlook|"
    r"(?:on|w dniu|dnia|am|le|el)\b.*(?:wrote|pisze|napisał(?:\(a\)|a)?|schrieb|écrit|escribió)\b.*:\s*$)",
    re.IGNORECASE,
)
_ALWAYS = frozenset({"always", "zawsze"})
_NONE = frozenset(
    {"none", "neither", "no", "nothing", "nie", "żaden", "żadna", "żadne", "żadnej", "zaden", "zadna", "zadne"}
    | {"brak", "none of them", "none of these", "no deal", "żaden z nich", "żadna z nich", "żadne z nich"}
    | {"żadna z tych", "żadne z tych", "żaden z tych"}
    | {"none of the above", "żadna z powyższych", "żadne z powyższych", "żaden z powyższych"}
)
_FILLER = frozenset(
    {"please", "thanks", "thank", "you", "the", "is", "it", "its", "to", "i", "choose", "answer", "number", "no", "nr"}
    | {"deal", "option", "proszę", "poproszę", "dzięki", "dziękuję", "numer", "szansa", "opcja", "wybieram"}
    | {"odpowiedź"}
)
_SECOND_THOUGHT = frozenset({"sorry", "meant", "rather", "actually", "or", "not", "no", "mistake", "wait"}) | frozenset(
    {"przepraszam", "raczej", "jednak", "albo", "lub", "nie", "pomyłka", "czy"}
)
_WORD = re.compile(r"\d+(?:[.,:/]\d+)*%?|[^\W\d_]+")
_BREAK = re.compile(r"\s*(?:[.,;:!)\]–—-]|$)")


def _line(line: str, numbers: Sequence[int]) -> tuple[Answer | None, bool]:
    """One line's answer, if it has one, and whether the line is clear: no answer without a digit is clear too."""
    line = line.translate(_NOISE).strip()
    words = [(match[0].casefold(), match.end()) for match in _WORD.finditer(line)]
    if " ".join(word for word, _ in words) in _NONE:
        return Answer(0), True
    figures = [word for word, _ in words if word[0].isdigit()]
    if not figures:
        return None, not any(word in _ALWAYS for word, _ in words) or len(words) > 3
    first = next(index for index, (word, _) in enumerate(words) if word[0].isdigit())
    before = {word for word, _ in words[:first]}
    after = [word for word, _ in words[first + 1 :]]
    if not figures[0].isdecimal() or len(figures[0]) > 9 or not before <= _FILLER | _ALWAYS:
        return None, False
    number = int(figures[0])
    always = bool(before & _ALWAYS) or (bool(after) and after[0] in _ALWAYS)
    if (number not in numbers and number != 0) or (number == 0 and always):
        return None, False
    if any(other.isdecimal() and len(other) < 10 and int(other) in numbers for other in figures[1:]):
        return None, False
    rest = [word for word in after if not word[0].isdigit()]
    if not (_BREAK.match(line[words[first][1] :]) or all(word in _FILLER | _ALWAYS for word in rest)):
        return None, False
    return Answer(number, always), True


def _takes_back(line: str) -> bool:
    """True for a line that goes on about the answer; other lines with digits are a signature's telephone or street."""
    return any(match[0].casefold() in _SECOND_THOUGHT for match in _WORD.finditer(line))


def own_lines(text: str) -> list[str]:
    """The lines that the rep wrote himself."""
    own: list[str] = []
    for line in text.splitlines():
        if _QUOTE.match(line):
            continue
        if REPLY_ABOVE in line or _END.match(line):
            break
        if line.strip():
            own.append(line)
    return own


def _reference(message_id: str, secret: bytes) -> AnswerReference | None:
    if match := _QUESTION_ID.fullmatch(message_id):
        if _signed(secret, "mail", f"{match[1]}.{match[2]}", match[3]):
            return AnswerReference((int(match[1]),), nonce=match[2])
    elif match := _DIGEST_ID.fullmatch(message_id):  # noqa: SIM102 - the two kinds read alike
        if _signed(secret, "digest", f"{match[1]}.{match[2]}", match[3]):
            return AnswerReference(tuple(map(int, match[2].split("-"))))
    return None


def _local(local: str, label: str) -> str:
    return f"{local}.{label}" if label else local


def _sign(secret: bytes, purpose: str, body: str) -> str:
    return hmac.digest(secret, f"mailcrm choice {purpose} {body}".encode(), hashlib.sha256).hex()[:32]


def _signed(secret: bytes, purpose: str, body: str, signature: str) -> bool:
    return hmac.compare_digest(_sign(secret, purpose, body), signature)
