"""Headers as they are really sent: encoded words, raw 8-bit, addresses, dates, ids."""

from __future__ import annotations

from datetime import UTC, datetime
from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.classify import READS
from mailcrm.core.model import Address
from mailcrm.mail import headers
from mailcrm.mail.address_list import addresses
from mailcrm.mail.dates import date_of
from mailcrm.mail.headers import KEPT, KEPT_PREFIXES, message_ids, words
from tests.unit.mails import mail, read


def subject(value: bytes, *more: bytes) -> str:
    return read(mail(b"From: a@b.example", b"Subject: " + value, *more)).subject


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?utf-8?Q?Za=C5=BC=C3=B3=C5=82=C4=87?=", "Zażółć"),
        (b"=?UTF-8?B?WmHFvMOzxYLEhw==?=", "Zażółć"),
        (b"=?iso-8859-2?Q?Za=BF=F3=B3=E6_g=EA=B6l=B1?=", "Zażółć gęślą"),
        (b"=?windows-1250?Q?Za=BF=F3=B3=E6_g=EA=9Cl=B9?=", "Zażółć gęślą"),
        (b"=?utf-8?B?WmHFvMOzxYLEhw?=", "Zażółć"),  # padding lost
        (b"=?utf-8?Q?Za=C5=BC=C3?= =?utf-8?Q?=B3=C5=82=C4=87?=", "Zażółć"),  # a character cut in two
        (b"=?utf-8?Q?Za=C5=BC?==?utf-8?Q?=C3=B3?=", "Zażó"),  # glued together
        (b"=?utf-8?Q?a?=\r\n =?iso-8859-2?Q?=B1?=", "aą"),
        (b"Re: =?utf-8?Q?=C5=BC?= i =?utf-8?Q?=C4=85?= koniec", "Re: ż i ą koniec"),
        (b"=?utf-8*pl?Q?=C5=BC?=", "ż"),  # RFC 2231 language
        (b"=?utf-8?Q?pytanie? tak?=", "pytanie? tak"),  # a raw question mark and spaces inside
        (b"=?utf-8?Q?uci=C4=99te", "ucięte"),  # no end
        (b"=?iso-2022-jp?B?GyRCMnE1RBsoQg==?=", "会議"),
        (b"=?utf-7?Q?Za+AXwA8wFCAQc-?=", "Zażółć"),
        (b"=?x-no-such-set?Q?Za=C5=BC?=", "Zaż"),
        (b"=?unknown-8bit?Q?Oferta_wsp=F3=B3pracy?=", "Oferta współpracy"),
        (b"=?gb2312?B?u+HS6Q==?=", "会议"),
        (b"no = ?=encoded =?words here", "no = ?=encoded =?words here"),
        (b"  folded\r\n\tsubject \r\n line", "folded subject  line"),
    ],
)
def test_encoded_words(raw: bytes, text: str) -> None:
    assert subject(raw) == text


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("Oferta współpracy – część druga", "utf-8"),
        ("Zażółć gęślą jaźń", "cp1250"),
        ("Zażółć gęślą jaźń", "iso-8859-2"),
        ("Więcej szczegółów", "cp1250"),
        ("Größere Änderungen für Käufer", "cp1252"),
        ("Déjà vu, très bientôt à Genève", "cp1252"),
        ("Коммерческое предложение", "cp1251"),
        ("Коммерческое предложение", "koi8-r"),
        ("会议纪要和报价合同", "gbk"),
        ("お見積りの件について", "cp932"),
        ("お見積りの件について", "euc_jp"),
        ("お見積りの件について", "iso2022_jp"),
        ("견적서를 보내드립니다", "cp949"),
    ],
)
def test_raw_8_bit_headers_are_guessed(text: str, charset: str) -> None:
    assert subject(text.encode(charset)) == text


def test_the_declared_charset_of_the_body_helps_with_raw_headers() -> None:
    raw = "Ménage à trois: café".encode("mac-roman")
    assert subject(raw, b"Content-Type: text/plain; charset=macintosh") == "Ménage à trois: café"


@pytest.mark.parametrize("inside", [b"=0D=0ABcc:_victim@x.example", b"=0A=0A<html>", b"=00=1B[2J=7F", b"=E2=80=A8x"])
def test_decoded_controls_become_spaces(inside: bytes) -> None:
    found = read(mail(b"From: =?utf-8?Q?Jan" + inside + b"?= <j@x.example>", b"Subject: =?utf-8?Q?a" + inside + b"?="))
    assert found.from_ is not None
    for text in (found.subject, found.from_.name):
        assert text.isprintable()
        assert "\n" not in text
    assert found.bcc == ()


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=80))
def test_what_the_standard_library_encodes_comes_back(text: str) -> None:
    encoded = Header(text, "utf-8").encode()
    assert headers.text(encoded.replace("\n", "").encode()) == headers.clean(text)


@given(st.text(max_size=200))
def test_encoded_words_never_raise(text: str) -> None:
    for raw in (text, "=?utf-8?Q?" + text, "=?" + text + "?B?" + text + "?="):
        assert headers.clean(words(raw)).encode("utf-8", "strict").decode() == headers.clean(words(raw))


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("Jan Kowalski <Jan@Klient.Example>", [("Jan Kowalski", "jan@klient.example")]),
        ('"Kowalski, Jan" <jan@x.example>', [("Kowalski, Jan", "jan@x.example")]),
        ("Kowalski, Jan <jan@x.example>", [("Kowalski, Jan", "jan@x.example")]),
        ("jan@x.example (Jan Kowalski)", [("Jan Kowalski", "jan@x.example")]),
        ('"jan b"@x.example', [("jan b@x.example", "")]),
        ('"jan.b"@x.example, Jan <"jan.b"@x.example>', [("", "jan.b@x.example"), ("Jan", "jan.b@x.example")]),
        ("jan@[192.0.2.1], jan@[ipv6:2001:db8::1]", [("", "jan@[192.0.2.1]"), ("", "jan@[ipv6:2001:db8::1]")]),
        ("jan@x.example", [("", "jan@x.example")]),
        ("<jan@x.example>", [("", "jan@x.example")]),
        ("MAILER-DAEMON", [("MAILER-DAEMON", "")]),
        ("<MAILER-DAEMON>", [("MAILER-DAEMON", "")]),
        ("Mail Delivery Subsystem <MAILER-DAEMON>", [("Mail Delivery Subsystem", "")]),
        ("Jan Kowalski jan@x.example", [("Jan Kowalski", "jan@x.example")]),
        ("Jan <jan@x.example", [("Jan", "jan@x.example")]),
        ('"Jan <jan@x.example>, b@y.example', [("Jan", "jan@x.example"), ("", "b@y.example")]),
        ("Team: a@x.example, B <b@x.example>;", [("", "a@x.example"), ("B", "b@x.example")]),
        ("undisclosed-recipients:;", []),
        ("a@x.example; b@y.example", [("", "a@x.example"), ("", "b@y.example")]),
        ("mailto:a@x.example", [("", "a@x.example")]),
        ("<mailto:a@x.example>", [("", "a@x.example")]),
        ("<@relay.example,@b.example:jan@x.example>", [("", "jan@x.example")]),
        ("Jan <jan @x.example>", [("Jan", "jan@x.example")]),
        ("'Jan' <jan@x.example>", [("Jan", "jan@x.example")]),
        ('"Jan \\"Jasio\\" K" <j@x.example>', [('Jan "Jasio" K', "j@x.example")]),
        ("=?utf-8?Q?Pawe=C5=82?= <p@x.example>", [("Paweł", "p@x.example")]),
        ('"=?utf-8?Q?Pawe=C5=82?=" <p@x.example>', [("Paweł", "p@x.example")]),
        ("=?utf-8?Q?Nowak=2C_Pawe=C5=82?= <p@x.example>", [("Nowak, Paweł", "p@x.example")]),
        ("=?utf-8?Q?Jan_<jan=40x.example>?=", [("Jan", "jan@x.example")]),
        ("[Support] Anna <a@x.example>", [("[Support] Anna", "a@x.example")]),
        ("boss@corp.example <evil@x.example>", [("boss@corp.example", "evil@x.example")]),
        ("jan@żółw.example", [("", "jan@xn--w-uga1v8h.example")]),
        ("a@x.example, , b@x.example,", [("", "a@x.example"), ("", "b@x.example")]),
        ("<>", []),
        ("", []),
    ],
)
def test_addresses(raw: str, found: list[tuple[str, str]]) -> None:
    assert addresses(raw.encode()) == tuple(Address(name, email) for name, email in found)


@given(st.text(max_size=300))
def test_addresses_never_raise(text: str) -> None:
    for address in addresses(text.encode("utf-8", "replace")):
        assert address.name.isprintable() or " " in address.name or address.name
        assert "\n" not in address.name + address.email


def test_a_sender_without_at_sign_is_a_sender() -> None:
    assert read(mail(b"From: MAILER-DAEMON", b"Subject: x")).from_ == Address("MAILER-DAEMON", "")


def test_raw_8_bit_names() -> None:
    found = read(mail("From: Łukasz Żak <l@x.example>".encode("iso-8859-2"), b"Subject: x"))
    assert found.from_ == Address("Łukasz Żak", "l@x.example")
    found = read(mail("From: 王小明 <w@x.example>".encode("gbk"), b"Content-Type: text/plain; charset=gbk"))
    assert found.from_ == Address("王小明", "w@x.example")


def test_repeated_fields_first_wins_and_recipients_add_up() -> None:
    found = read(
        mail(
            b"Subject: ",
            b"Subject: first",
            b"Subject: second",
            b"From: a@x.example",
            b"From: b@x.example",
            b"To: c@x.example",
            b"To: d@x.example",
            b"Message-ID: <1@x>",
            b"Message-ID: <2@x>",
        )
    )
    assert (found.subject, found.message_id) == ("first", "1@x")
    assert found.from_ == Address("", "a@x.example")
    assert [each.email for each in found.to] == ["c@x.example", "d@x.example"]


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("Mon, 1 Jan 2024 10:00:00 +0200", "2024-01-01T08:00:00"),
        ("1 Jan 2024 10:00 +0200 (CEST)", "2024-01-01T08:00:00"),
        ("Mon, 1 Jan 2024 10:00:00 +02:00", "2024-01-01T08:00:00"),
        ("Mon, 1 Jan 2024 10:00:00 GMT+2", "2024-01-01T08:00:00"),
        ("Mon, 1 Jan 2024 10:00:00 CEST", "2024-01-01T08:00:00"),
        ("Mon, 1 Jan 2024 10:00:00 EST", "2024-01-01T15:00:00"),
        ("Mon, 1 Jan 2024 10:00:00 +9999", "2024-01-01T10:00:00"),
        ("Mon, 1 Jan 2024 10:00:00 XYZ", "2024-01-01T10:00:00"),
        ("Mon, 1 Jan 2024 10:00:00", "2024-01-01T10:00:00"),
        ("Mon,  1 Jan 24 10:00:00 -0000", "2024-01-01T10:00:00"),
        ("Mon, 01 Jan 2024 10:00:60 +0000", "2024-01-01T10:00:59"),
        ("Mon Jan  1 10:00:00 2024", "2024-01-01T10:00:00"),
        ("2024-01-01T10:00:00+02:00", "2024-01-01T08:00:00"),
        ("2024-01-01 10:00:00 +0200", "2024-01-01T08:00:00"),
        ("pon, 1 sty 2024 10:00:00 +0100", "2024-01-01T09:00:00"),
        ("Mon, 1-Jan-2024 10:00:00 PM +0000", "2024-01-01T22:00:00"),
    ],
)
def test_dates(line: str, time: str) -> None:
    assert date_of(line) == datetime.fromisoformat(time).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "line", ["", "yesterday", "32 Jan 2024 10:00:00", "1 Jan 9999 10:00:00 +0000", "1 Jan 1904 00:00 GMT", "0" * 500]
)
def test_no_date_is_said(line: str) -> None:
    found = read(mail(b"From: a@x.example", b"Date: " + line.encode()))
    assert found.date is None
    assert "a date that can't be read" in found.problems


@given(st.text(max_size=100))
def test_dates_never_raise(line: str) -> None:
    found = date_of(line)
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("raw", "ids"),
    [
        (b"<a@x> <b@y>", ("a@x", "b@y")),
        (b"<a@x><b@y>\r\n\t<a@x>", ("a@x", "b@y")),
        (b"a@x b@y", ("a@x", "b@y")),
        (b"<a@x", ("a@x",)),
        (b"<a b@x>", ("ab@x",)),
        (b"<<a@x>>", ("a@x",)),
        (b"<[abc]@x.example>", ("[abc]@x.example",)),
        (b"<no-at-sign>", ("no-at-sign",)),
        (b"no-at-sign", ("no-at-sign",)),
        (b"Your message of Monday <a@x>", ("a@x",)),
        (b"=?utf-8?Q?=3Ca=40x=3E?=", ("a@x",)),
        (b"&lt;a@x&gt;", ("a@x",)),
        (b"<> < >", ()),
        (b"", ()),
    ],
)
def test_message_ids(raw: bytes, ids: tuple[str, ...]) -> None:
    assert message_ids([raw]) == ids


def test_long_reference_lists_keep_both_ends() -> None:
    raw = b" ".join(b"<%d@x>" % number for number in range(1000))
    found = read(mail(b"From: a@x.example", b"References: " + raw)).references
    assert len(found) == 200
    assert (found[0], found[99], found[100], found[-1]) == ("0@x", "99@x", "900@x", "999@x")


def test_what_rules_read_is_kept_and_nothing_else() -> None:
    for name in READS:
        assert name in KEPT or name.startswith(KEPT_PREFIXES), name
    found = read(
        mail(
            b"Received: one",
            b"Received: two",
            b"Received: three",
            b"Received: four",
            b"DKIM-Signature: v=1",
            b"X-Mailcrm-Flow: spring",
            b"List-Id: =?utf-8?Q?Lista_=C5=BC?= <l.x.example>",
            b"Auto-Submitted : auto-replied",
            b"From: a@x.example",
        )
    )
    assert dict(found.headers) == {
        "received": ("one", "two", "three"),
        "x-mailcrm-flow": ("spring",),
        "list-id": ("Lista ż <l.x.example>",),
        "auto-submitted": ("auto-replied",),
    }
