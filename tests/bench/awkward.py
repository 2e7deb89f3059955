"""Awkward mail made to measure: what broken and old clients send, with the sender and subject that are meant."""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Awkward(NamedTuple):
    """One mail. ``sender`` is the address in lower case, or the name where there is no address."""

    name: str
    raw: bytes
    sender: str
    subject: str


_POLISH = [
    "Oferta współpracy – część druga",
    "Zażółć gęślą jaźń",
    "Re: Zapytanie o możliwość płatności",
    "Więcej szczegółów w środę",
]
_GERMAN = ["Rückfrage zu Ihrem Angebot für Möbel", "Größere Änderungen am Vertrag", "Übermäßige Kosten"]
_FRENCH = ["Réponse à votre demande de devis", "Déjà reçu, très bientôt à Genève"]
_RUSSIAN = ["Коммерческое предложение по проекту", "Договор на подпись"]
_CHINESE = ["会议纪要和报价合同", "关于合同价格的问题"]
_JAPANESE = ["お見積りの件について", "契約書をお送りします"]
_SETS = [
    (_POLISH, ("cp1250", "iso-8859-2")),
    (_GERMAN, ("cp1252", "iso-8859-1")),
    (_FRENCH, ("cp1252",)),
    (_RUSSIAN, ("cp1251", "koi8-r")),
    (_CHINESE, ("gbk",)),
    (_JAPANESE, ("iso-2022-jp", "cp932")),
]
_ALL = [text for texts, _ in _SETS for text in texts]
_BODY = b"\r\nTekst\r\n"


def mails() -> Iterator[Awkward]:
    """All of them, the same at each call."""
    for text in _ALL:
        for make in (_cut_in_character, _no_padding, _raw_question_mark, _no_end, _glued, _spaces_inside, _eight_bit):
            if (made := make(text)) is not None:
                name = make.__name__.strip("_").replace("_", " ")
                yield Awkward(name, _mail(b"Jan <jan@klient.example>", made), "jan@klient.example", text)
    for texts, charsets in _SETS:
        for text in texts:
            for charset in charsets:
                try:
                    yield Awkward(
                        f"raw {charset}",
                        _mail(b"Jan <jan@klient.example>", text.encode(charset)),
                        "jan@klient.example",
                        text,
                    )
                except UnicodeEncodeError:
                    continue
    for number, (field, sender) in enumerate(_SENDERS):
        subject = _ALL[number % len(_ALL)]
        yield Awkward("sender " + field.decode("ascii", "replace"), _mail(field, _q(subject)), sender, subject)
    for number, (name, spoil) in enumerate(_SPOILS):
        subject = _ALL[number % len(_ALL)]
        raw = spoil(_mail(b"Jan <jan@klient.example>", _q(subject)))
        yield Awkward(name, raw, "jan@klient.example", subject)


_SENDERS = [
    (b"MAILER-DAEMON", "mailer-daemon"),
    (b"<MAILER-DAEMON>", "mailer-daemon"),
    (b"Mail Delivery System <>", "mail delivery system"),
    (b"jan@klient.example (Jan Kowalski)", "jan@klient.example"),
    (b"Kowalski, Jan <jan@klient.example>", "jan@klient.example"),
    (b"boss@firma.example <jan@klient.example>", "jan@klient.example"),
    (b'"boss@firma.example" <jan@klient.example>', "jan@klient.example"),
    (b"=?utf-8?Q?Jan_<jan=40klient.example>?=", "jan@klient.example"),
    (b"=?iso-8859-2?Q?Kowalski,_Jan?= <jan@klient.example>", "jan@klient.example"),
    (b'"=?utf-8?Q?Jan_=C5=81?=" <jan@klient.example>', "jan@klient.example"),
    (b"Jan <jan@klient.example", "jan@klient.example"),
    (b"Jan jan@klient.example", "jan@klient.example"),
    (b"<@relay.example:jan@klient.example>", "jan@klient.example"),
    (b"Jan <mailto:jan@klient.example>", "jan@klient.example"),
    (b"Jan\r\n\t<jan@klient.example>", "jan@klient.example"),
    (b'"Jan <jan@klient.example>', "jan@klient.example"),
    (b"Jan (Dzia\xb3 sprzeda\xbfy) <jan@klient.example>", "jan@klient.example"),
    ("Łukasz Żak <jan@klient.example>".encode(), "jan@klient.example"),
    ("Łukasz Żak <jan@klient.example>".encode("iso-8859-2"), "jan@klient.example"),
    ("王小明 <jan@klient.example>".encode("gbk"), "jan@klient.example"),
    ("山田 <jan@klient.example>".encode("iso-2022-jp"), "jan@klient.example"),
    (b"Jan <JAN@Klient.EXAMPLE>", "jan@klient.example"),
    (b"Jan < jan@klient.example >", "jan@klient.example"),
    (b"[Biuro] Jan <jan@klient.example>", "jan@klient.example"),
    (b"Jan: Biuro <jan@klient.example>", "jan@klient.example"),
    (b"Jan <<jan@klient.example>>", "jan@klient.example"),
]
_SPOILS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("bare LF", lambda raw: raw.replace(b"\r\n", b"\n")),
    ("mbox line first", lambda raw: b"From jan@klient.example Mon Jan  1 10:00:00 2024\n" + raw),
    ("escaped mbox line first", lambda raw: b">From jan@klient.example Mon Jan  1 10:00:00 2024\n" + raw),
    ("blank lines first", lambda raw: b"\r\n\r\n" + raw),
    ("no blank line", lambda raw: raw.replace(b"\r\n\r\n", b"\r\n", 1)),
    ("a line without colon first", lambda raw: b"this is no field\r\n" + raw),
    ("a line without colon between", lambda raw: raw.replace(b"Subject:", b"this is no field\r\nSubject:")),
    ("a space before the colon", lambda raw: raw.replace(b"Subject:", b"Subject :").replace(b"From:", b"From :")),
    ("repeated subject", lambda raw: raw.replace(b"\r\n\r\n", b"\r\nSubject: another\r\n\r\n", 1)),
    ("repeated sender", lambda raw: raw.replace(b"\r\n\r\n", b"\r\nFrom: other@x.example\r\n\r\n", 1)),
    ("shouted names", lambda raw: raw.replace(b"Subject:", b"SUBJECT:").replace(b"From:", b"FROM:")),
    ("unknown charset", lambda raw: raw.replace(_BODY, b"Content-Type: text/plain; charset=x-none\r\n" + _BODY)),
    ("no boundary", lambda raw: raw.replace(_BODY, b"Content-Type: multipart/mixed\r\n" + _BODY)),
    ("empty content type", lambda raw: raw.replace(_BODY, b"Content-Type:\r\n" + _BODY)),
    ("NUL bytes", lambda raw: raw + b"\0\0\0"),
    ("impossible date", lambda raw: raw.replace(b"Mon, 1 Jan 2024 10:00:00 +0100", b"Mon, 99 Foo 2024 25:61 +9999")),
    (
        "multipart cut off",
        lambda raw: raw.replace(_BODY, b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nCon"),
    ),
]


def _mail(sender: bytes, subject: bytes) -> bytes:
    head = b"Received: from x.example by y.example; Mon, 1 Jan 2024 10:00:00 +0100\r\nFrom: " + sender
    return (
        head
        + b"\r\nTo: anna@firma.example\r\nSubject: "
        + subject
        + b"\r\nDate: Mon, 1 Jan 2024 10:00:00 +0100\r\n"
        + _BODY
    )


def _q(text: str, charset: str = "utf-8") -> bytes:
    data = quopri.encodestring(text.encode(charset), header=True).replace(b"=\n", b"").replace(b"?", b"=3F")
    return b"=?%s?Q?%s?=" % (charset.encode(), data)


def _b(data: bytes) -> bytes:
    return b"=?utf-8?B?" + base64.b64encode(data) + b"?="


def _cut_in_character(text: str) -> bytes | None:
    data = text.encode()
    at = next(index for index, byte in enumerate(data) if byte > 127) + 1
    return _b(data[:at]) + b"\r\n " + _b(data[at:])


def _no_padding(text: str) -> bytes | None:
    made = _b(text.encode())
    return made.replace(b"=?=", b"?=").replace(b"=?=", b"?=") if b"=?=" in made else None


def _raw_question_mark(text: str) -> bytes | None:
    return _q(text).replace(b"=3F", b"?") if "?" in text else None


def _no_end(text: str) -> bytes | None:
    return _q(text).removesuffix(b"?=")


def _glued(text: str) -> bytes | None:
    first, _, rest = text.partition(" ")
    return _q(first + " ") + _q(rest) if rest else None


def _spaces_inside(text: str) -> bytes | None:
    return _q(text).replace(b"_", b" ") if " " in text else None


def _eight_bit(text: str) -> bytes | None:
    return text.encode()
