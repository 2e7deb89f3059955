"""Forwards: who wrote the forwarded message, when and about what, read from what mail programs put above it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, timedelta, timezone, tzinfo

from mailcrm.core.addresses import normalise
from mailcrm.core.dates import quoted_date
from mailcrm.core.model import Address, Forward, Message
from mailcrm.core.phrases import FORWARD_PREFIX, REPLY_PREFIX
from mailcrm.core.quoted import header_block, label

_MOST = 64_000
_MOST_LINES = 2_000

# Words that only a forward carries. "Original message" also stands above replies, so it is no marker.
_MARKER = re.compile(
    r"[>\s]{0,6}(?:[-=_*]{2,40}\s{0,3}|begin )"
    r"(?:(?:begin )?forwarded (?:message|mail|e-?mail|by)|(?:wiadomość|wiadomosc) przekazana|przekazana wiadomość"
    r"|przekazywana wiadomość"
    r"|wiadomość przesłana dalej|(?:treść|początek) przekaz\w{1,8} wiadomości|weitergeleitete (?:nachricht|mail"
    r"|e-?mail)|weitergeleitet von"
    r"|message (?:transféré|transmis|réexpédié)|(?:e-?mail|courriel) transféré|mensaje (?:reenviado|enviado)"
    r"|messaggio (?:inoltrato|inoltrata)"
    r"|doorgestuurd (?:bericht|e-?mail)|doorgezonden bericht|mensagem (?:encaminhada|reencaminhada)|(?:přeposlaná"
    r"|předaná|přeposlal)\w{0,3} (?:zpráva|e-?mail)"
    r"|preposlaná správa|(?:пересылаемое|пересланное|перенаправленное) сообщение|(?:переслане|перенаправлене)"
    r" повідомлення"
    r"|vidarebefordrat (?:meddelande|mejl|brev)|videresendt (?:besked|meddelelse|melding|e-?mail|e-?post)|välitetty"
    r" viesti|edelleenlähetetty viesti"
    r"|továbbított (?:üzenet|levél)|iletilen (?:mesaj|ileti)|转发(?:的)?(?:邮件|邮件信息)|forwarded)\b"
    r"|[>\s]{0,6}(?:begin forwarded message|początek (?:przekazywanej|przekazanej|przesłanej dalej) wiadomości|anfang"
    r" der weitergeleiteten (?:nachricht|e-?mail)"
    r"|début du (?:message|e-?mail) (?:réexpédié|transféré)|inicio del mensaje reenviado|inizio messaggio inoltrato"
    r"|begin doorgestuurd bericht"
    r"|início da mensagem (?:re)?encaminhada|začátek přeposílané zprávy|začiatok preposlanej správy|начало"
    r" переадресованного сообщения|начало переадресуемого сообщения"
    r"|початок (?:листа, що пересилається|переадресованого повідомлення|пересланого повідомлення)|vidarebefordrat"
    r" brev|start på videresendt besked|videresendt melding"
    r"|przekazana wiadomość|wiadomość przekazana|treść przekazanej wiadomości)\s?[:：]?",
    re.IGNORECASE,
)
# Part of every marker: sparing other mail the pattern. Without the first letter, which may be a capital.
_MARKER_STEMS = (
    *("orwarded", "ORWARDED", "rzekaz", "rzesłan", "eitergeleitet", "ransf", "ransmis", "éexpédi", "eenviad", "nviado"),
    *("noltrat", "oorgest", "oorgezond", "ncaminhad", "řepos", "ředan", "repos", "ересыл", "ереслан", "ереадрес"),
    *(
        "еренаправлен",
        "ересил",
        "idarebefordrat",
        "ideresendt",
        "älitetty",
        "delleenl",
        "ovábbított",
        "letilen",
        "转发",
    ),
)
_END_MARKER = re.compile(
    r"[>\s]{0,6}[-=_]{2,40}\s{0,3}(?:end (?:of )?forwarded|koniec (?:przekaz|wiadomości)|завершение|кінець|конец)",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[^\s<>()\[\]:;,\"'|]{1,100}@[\w](?:[\w.-]{0,200}\w)?")
# Attributions name date and author in one line: "03.11.2026, 12:00, "Jan" <jan@klient.example>:"
_ATTRIBUTED = re.compile(r"[>\s]{0,6}(?=.{0,80}\d).{0,200}@.{0,200}[:：]\s{0,3}$")
_HEAD_FIELD = re.compile(
    r"^(from|subject|date|message-id|resent-from):[ \t]*(.*(?:\n[ \t]+.*){0,20})", re.IGNORECASE | re.MULTILINE
)
_ZONE = re.compile(r"([+-])(\d\d)(\d\d)\s*(?:\(|$)")


def forwarded(message: Message) -> Forward | None:
    """The message that ``message`` forwards, or None if it is no forward.

    A forward has a forward prefix in its subject or a forward marker in its text, with a header block below it, or
    carries the other message as an attachment (RFC 2046 section 5.2.1) and is neither a reply nor a report. A reply
    that quotes in Outlook's manner is no forward.

    The quoted date is local to the forwarder: where it names no zone, that of his own Date header is taken, else
    UTC; so allow for some hours. Text that only came as an HTML part must have been turned into text before.
    """
    found = find(message)
    return found[1] if found else None


def find(message: Message) -> tuple[int | None, Forward] | None:
    """As ``forwarded``, with the offset in ``message.text`` where the forwarder's own words end (None: nowhere)."""
    subject = message.subject
    if REPLY_PREFIX.match(subject) or message.content_type == "multipart/report":
        return None
    prefixed = FORWARD_PREFIX.match(subject) is not None
    text = message.text
    if (prefixed or _has_marker(text)) and (inline := _inline(message, prefixed)):
        return inline
    attached = next((part.text for part in message.embedded if part.type == "message/rfc822"), None)
    if attached is not None and (prefixed or not (message.in_reply_to or message.references)):
        return None, _attached(attached)
    return None


def _has_marker(text: str) -> bool:
    if ":" not in text or not any(sign in text for sign in ("--", ":\n", "==", "__", "**")):
        return False
    for stem in _MARKER_STEMS:
        if stem in text:
            return any(_MARKER.match(line, 0, 200) for line in text[:_MOST].splitlines()[:_MOST_LINES])
    return False


def _inline(message: Message, prefixed: bool) -> tuple[int, Forward] | None:
    text = message.text[:_MOST]
    lines = text.splitlines()[:_MOST_LINES]
    zone = _zone(message)
    marker: int | None = None
    for at, line in enumerate(lines):
        if marker is None and _MARKER.match(line, 0, 200):
            marker = at
            continue
        if not (prefixed or marker is not None) or (":" not in line and "：" not in line):
            continue
        block = header_block(lines, at)
        if block is not None:
            if not prefixed and (marker is None or _words_between(lines, marker + 1, at)):
                return None
            author = author_of(block.from_)
            if author is None:
                return None
            known = block.message_id or (message.header("x-forwarded-message-id") or "").strip("<> ") or None
            date = quoted_date(block.date, zone)
            forward = Forward(author, block.subject or None, date, known, _body(lines, block.end))
            return _own_words_end(text, lines, at if marker is None else marker), forward
        if marker is not None or prefixed:
            author = _attributed(lines, at)
            if author is not None and (marker is None or not _words_between(lines, marker + 1, at)):
                start = at if marker is None else marker
                forward = Forward(author, None, quoted_date(line, zone), None, _body(lines, at + 1))
                return _own_words_end(text, lines, start), forward
    return None


def _words_between(lines: Sequence[str], start: int, end: int) -> bool:
    return any(line.strip(" \t>\u00a0") for line in lines[start:end])


def _attributed(lines: Sequence[str], at: int) -> Address | None:
    line = lines[at]
    if label(line) is not None or not _ATTRIBUTED.match(line, 0, 400):
        return None
    found = _EMAIL.search(line)
    email = normalise(found[0]) if found else ""
    if not found or not email:
        return None
    before = line[: found.start()].rstrip(" <([")
    quoted = re.search(r"\"([^\"]{1,80})\"\s*$", before)
    name = quoted[1] if quoted else re.sub(r"^.*(?:\d|,|\bo\b|\bat\b|\bużytkownik\b|\bum\b)[\s,:]+", "", before)
    return Address(_name(name), email)


def _body(lines: Sequence[str], start: int) -> str:
    while start < len(lines) and (not lines[start].strip() or _MARKER.match(lines[start], 0, 200)):
        start += 1  # some programs repeat the marker below the header block
    body = list(lines[start:])
    end = next((i for i, line in enumerate(body) if _END_MARKER.match(line, 0, 120)), len(body))
    body = body[:end]
    filled = [line for line in body if line.strip()]
    if filled and all(line.lstrip()[:1] == ">" for line in filled):
        body = [re.sub(r"^\s?>\s?", "", line) for line in body]
    return "\n".join(line.rstrip() for line in body).strip()


def _own_words_end(text: str, lines: Sequence[str], start: int) -> int:
    """The offset of line ``start``, or of the blank lines and rules above it."""
    while start and not lines[start - 1].strip("_-=* \t\u00a0"):
        start -= 1
    return sum(map(len, text.splitlines(keepends=True)[:start]))


def author_of(value: str) -> Address | None:
    """The author in the value of a quoted From line, in any program's spelling; None if it is blank.

    ``email`` is "" where the program wrote the name alone, as Outlook does for colleagues.
    """
    value = re.sub(r"\(mailto:|\[mailto:|<mailto:", "<", value[:600], flags=re.IGNORECASE).strip()
    behalf = re.search(r"\b(?:on behalf of|w imieniu|im auftrag von|de la part de)\b", value, re.IGNORECASE)
    if behalf and _EMAIL.search(value, behalf.end()):
        value = value[behalf.end() :]
    for found in _EMAIL.finditer(value):
        email = normalise(found[0])
        if email:
            name = _name(value[: found.start()]) or _name(value[found.end() :])
            return Address("" if normalise(name) == email else name, email)
    name = _name(value)
    return Address(name, "") if name and any(c.isalpha() for c in name) else None


def _name(value: str) -> str:
    return " ".join(value.strip().strip("<>()[]\"'„”“*_,;: \t\u00a0").split())[:200]


def _zone(message: Message) -> tzinfo:
    """The zone of the forwarder's own clock (his Date header), else UTC."""
    found = _ZONE.search((message.header("date") or "")[:100])
    if found is None or int(found[2]) > 14:
        return UTC
    minutes = int(found[2]) * 60 + int(found[3])
    return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))


def _attached(text: str) -> Forward:
    head, _, body = text.replace("\r\n", "\n").lstrip("\n").partition("\n\n")
    fields: dict[str, str] = {}
    for name, value in _HEAD_FIELD.findall(head):
        fields.setdefault(name.lower(), " ".join(value.split()))
    return Forward(
        author_of(fields.get("from", "")),
        fields.get("subject") or None,
        quoted_date(fields.get("date", "")),
        fields.get("message-id", "").strip("<> ") or None,
        body.strip(),
    )
