"""Bodies and attachments: broken multiparts, transfer encodings, charsets, names, reports, HTML."""

from __future__ import annotations

import base64
import mmap
from pathlib import Path

import pytest

from mailcrm import config
from mailcrm.core.html_text import text_of
from mailcrm.mail import parse as parse_module
from mailcrm.mail.parse import Unparsable, parse
from tests.unit.mails import HEAD, Kept, mail, multipart, read

PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\nDzie\xc5\x84 dobry"
PDF = b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJDRA=="


def test_alternatives_give_one_text() -> None:
    html = b"Content-Type: text/html; charset=iso-8859-2\r\n\r\n<p>Dzie\xf1 dobry"
    found = read(multipart(PLAIN, html, kind=b"alternative"))
    assert (found.text, found.attachments) == ("Dzień dobry", ())
    assert found.content_type == "multipart/alternative"


def test_inline_texts_are_joined_in_order() -> None:
    found = read(multipart(PLAIN, PDF, b"Content-Type: text/plain\r\n\r\n-- \r\nlista"))
    assert found.text == "Dzień dobry\n\n-- \nlista"
    assert [each.name for each in found.attachments] == ["a.pdf"]


def test_html_only_mail_gets_readable_text() -> None:
    html = (
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<html><head><title>x</title><style>p{}</style></head><body>"
        b"<p>Tak,&nbsp;<b>kupuj</b>&#281;.<br>Jan</p><blockquote>Pan pisa&lstrok;:<blockquote>wcze&#347;niej"
        b"</blockquote></blockquote><ul><li>raz<li>dwa</ul><script>alert(1)</script></body></html>"
    )
    assert read(multipart(html)).text == "Tak, kupuję.\nJan\n\n> Pan pisał:\n> > wcześniej\n\n- raz\n- dwa"


def test_an_empty_plain_alternative_does_not_hide_the_html() -> None:
    found = read(
        multipart(
            b"Content-Type: text/plain\r\n\r\n \r\n", b"Content-Type: text/html\r\n\r\n<p>Tak", kind=b"alternative"
        )
    )
    assert found.text == "Tak"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a < b and c > d", "a < b and c > d"),
        ("<p>one<p>two", "one\n\ntwo"),
        ("<pre>a\n  b</pre>", "a\nb"),
        ("<!-- no --><div>yes<!-- open", "yes"),
        ("<div title='a>b'>x</div>", "x"),
        ('<div title="open>x</div>\n<p>y', "x\n\ny"),
        ("<td>a</td><td>b</td>", "a b"),
        ("</blockquote>x", "x"),
        ("<br><br>x", "x"),
        ("x<style>never closed", "x"),
        ("", ""),
    ],
)
def test_html(source: str, text: str) -> None:
    assert text_of(source) == text


@pytest.mark.parametrize(
    ("end", "boundary"),
    [(b"", b"=_b"), (b"--=_b", b"=_b"), (b"--=_b-", b"=_b"), (b"--=_b--", b"other"), (b"--=_b--", b"")],
    ids=["cut", "cut in the line", "cut in the end", "wrong boundary", "no boundary"],
)
def test_broken_multiparts(end: bytes, boundary: bytes) -> None:
    given = b'; boundary="%s"' % boundary if boundary else b""
    raw = (
        HEAD
        + b"Content-Type: multipart/mixed%s\r\n\r\n" % given
        + b"--=_b\r\n"
        + PLAIN
        + b"\r\n--=_b\r\n"
        + PDF
        + b"\r\n"
        + end
    )
    kept = Kept()
    found = read(raw, kept)
    assert found.text == "Dzień dobry"
    assert kept.files[found.attachments[0].sha256] == b"ABCD"
    assert found.problems or end == b"--=_b--"


def test_a_multipart_that_is_none_is_text() -> None:
    found = read(HEAD + b"Content-Type: multipart/mixed; boundary=x\r\n\r\nTylko tekst\r\n")
    assert (found.text, found.problems) == ("Tylko tekst", ("a multipart without its boundary",))


def test_a_boundary_that_begins_another() -> None:
    inner = b'Content-Type: multipart/alternative; boundary="=_b1"\r\n\r\n--=_b1\r\n' + PLAIN + b"\r\n--=_b1--\r\n"
    found = read(multipart(inner, PDF))
    assert (found.text, len(found.attachments)) == ("Dzień dobry", 1)


def test_a_nested_multipart_cut_by_its_parent() -> None:
    inner = b"Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n" + PLAIN
    found = read(multipart(inner, PDF))
    assert (found.text, len(found.attachments)) == ("Dzień dobry", 1)


def test_the_preamble_and_the_epilogue_are_no_text() -> None:
    raw = multipart(PLAIN).replace(b"\r\n\r\n--=_b", b"\r\n\r\nThis is MIME.\r\n--=_b", 1) + b"epilogue\r\n"
    assert read(raw).text == "Dzień dobry"


def test_missing_blank_line() -> None:
    found = read(HEAD + b"Dzien dobry, pisze w sprawie oferty\r\ni prosze o odpowiedz\r\n")
    assert found.subject == "Oferta"
    assert found.text.startswith("Dzien dobry")
    assert found.problems == ("no blank line between header and body",)


def test_a_header_line_that_lost_its_indent() -> None:
    found = read(b"Subject: Oferta na\nnasze produkty\nFrom: a@x.example\nTo: b@x.example\n\nTekst")
    assert (found.subject, found.text) == ("Oferta na nasze produkty", "Tekst")
    assert found.from_ is not None
    assert [each.email for each in found.to] == ["b@x.example"]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "before", [b"", b"From jan@klient.example Mon Jan  1 10:00:00 2024\r\n", b">From x\n", b"\r\n\r\n"]
)
def test_newlines_and_what_stands_before_the_header(before: bytes, newline: bytes) -> None:
    found = read(before + multipart(PLAIN, PDF).replace(b"\r\n", newline))
    assert found.from_ is not None
    assert (found.from_.email, found.subject, found.text) == ("jan@klient.example", "Oferta", "Dzień dobry")
    assert found.attachments[0].size == 4


def test_mixed_newlines() -> None:
    assert read(HEAD.replace(b"\r\n", b"\n") + b"\r\nraz\ndwa\r\ntrzy\rcztery").text == "raz\ndwa\ntrzy\ncztery"


def test_nul_bytes_and_controls_are_gone() -> None:
    found = read(mail(b"From: a@x.example", b"Subject: a\x00b", body=b"raz\x00 dwa\x1b[2J\x07\r\n"))
    assert (found.subject, found.text) == ("a b", "raz dwa[2J")


@pytest.mark.parametrize(
    ("text", "codec", "label"),
    [
        ("Zażółć gęślą jaźń", "utf-8", "utf-8"),
        ("Zażółć gęślą jaźń", "iso-8859-2", "iso-8859-2"),
        ("Zażółć gęślą jaźń", "cp1250", "iso-8859-2"),
        ("Zażółć gęślą jaźń", "cp1250", "utf-8"),
        ("Zażółć gęślą jaźń", "utf-8", "us-ascii"),
        ("Zażółć gęślą jaźń", "utf-8", "x-nonsense"),
        ("Zażółć gęślą jaźń", "utf-8", "unicode_escape"),
        ("“Quoted” – it’s €5", "cp1252", "iso-8859-1"),
        ("“Quoted” – it’s €5", "cp1252", ""),
        ("会议纪要和报价合同", "gbk", "gb2312"),
        ("会议纪要和报价合同", "gbk", ""),
        ("お見積りの件について", "iso2022_jp", "ISO-2022-JP"),
        ("お見積りの件について", "iso2022_jp", ""),
        ("お見積り①の件", "cp932", "shift_jis"),
        ("견적서를 보내드립니다", "cp949", "ks_c_5601-1987"),
        ("Zażółć 😀", "utf-7", "utf-7"),
        ("Zażółć 😀", "utf-16", "utf-16"),
        ("Предложение", "koi8-r", "koi8-r"),
    ],
)
def test_charsets_of_bodies(text: str, codec: str, label: str) -> None:
    body = base64.encodebytes(text.encode(codec))
    head = b"Content-Type: text/plain; charset=" + label.encode() if label else b"Content-Type: text/plain"
    raw = mail(b"From: a@x.example", head, b"Content-Transfer-Encoding: base64", body=body)
    assert read(raw).text == text


def test_one_bad_byte_does_not_spoil_the_rest() -> None:
    body = "Zażółć gęślą jaźń. ".encode() * 5 + b"\xc5\r\n"
    found = read(mail(b"From: a@x.example", b"Content-Type: text/plain; charset=utf-8", body=body))
    assert found.text.startswith("Zażółć gęślą jaźń.")


def test_half_a_surrogate_pair_never_comes_out() -> None:
    raw = mail(
        b"From: a@x.example",
        b"Content-Type: text/plain; charset=utf-7",
        b"Subject: =?utf-7?Q?+2D3-?=",
        body=b"+2D3-\r\n",
    )
    found = read(raw)
    (found.text + found.subject).encode("utf-8")


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        (b"base64", b"WmHFvMOzxYLEhw==", "Zażółć"),
        (b"base64", b"WmHFvMOzxYLEhw", "Zażółć"),
        (b"base64", b"WmHF\r\nvMO zx\x00YLEhw=\r\n", "Zażółć"),
        (b"BASE64 (comment)", b"WmHFvMOzxYLEhw==\r\n", "Zażółć"),
        (b'"base64"', b"WmHFvMOzxYLEhw==", "Zażółć"),
        (b"base64", b"This is not base64 at all, is it", "This is not base64 at all, is it"),
        (b"quoted-printable", b"Za=C5=BC=C3=B3=\r\n=C5=82=C4=87", "Zażółć"),
        (b"quoted-printable", b"100=% and =ZZ", "100=% and =ZZ"),
        (b"8bit", "Zażółć".encode(), "Zażółć"),
        (b"x-nonsense", "Zażółć".encode(), "Zażółć"),
        (b"x-uuencode", b"begin 644 a\r\n$5&%K(0  \r\n`\r\nend\r\n", "Tak!"),
    ],
)
def test_transfer_encodings(encoding: bytes, body: bytes, text: str) -> None:
    fields = b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: " + encoding
    assert read(mail(b"From: a@x.example", *fields, body=body)).text == text


def test_format_flowed() -> None:
    body = b"Tak, \r\nprosze.\r\n> cytat \r\n> dalej\r\n>> stary\r\n From here\r\n-- \r\nJan\r\n"
    found = read(mail(b"From: a@x.example", b"Content-Type: text/plain; format=flowed", body=body))
    assert found.text == "Tak, prosze.\n> cytat dalej\n>> stary\nFrom here\n-- \nJan"
    body = b"dlugie \r\nsl \r\nowo\r\n"
    found = read(mail(b"From: a@x.example", b"Content-Type: text/plain; format=flowed; delsp=yes", body=body))
    assert found.text == "dlugieslowo"


def test_escaped_from_lines() -> None:
    found = read(mail(b"From: a@x.example", body=b">From Monday on\r\n>From: quoted\r\n>From Friday\r\n"))
    assert found.text == "From Monday on\n>From: quoted\nFrom Friday"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'attachment; filename="../../etc/passwd"', "passwd"),
        (b'attachment; filename="C:\\Users\\jan\\oferta.pdf"', "oferta.pdf"),
        (b'attachment; filename="/abs/oferta.pdf"', "oferta.pdf"),
        (b'attachment; filename=".."', "part-2.pdf"),
        (b'attachment; filename="a\x00b\x1b.pdf"', "a b .pdf"),
        (b"attachment; filename*=utf-8''oferta%20%C5%BC.pdf", "oferta ż.pdf"),
        (b"attachment; filename*=utf-8''..%2F..%2Fx.pdf", "x.pdf"),
        (b"attachment; filename*=utf-8''a%0D%0Ab.pdf", "ab.pdf"),
        (b"attachment; filename*=utf-8''fdp.%E2%80%AEexe", "fdp.exe"),
        (b"attachment; filename*0*=iso-8859-2''za%BF; filename*1*=%F3; filename*2=.pdf", "zażó.pdf"),
        (b"attachment; filename*1=b.pdf; filename*0=a", "ab.pdf"),
        (b'attachment; filename="=?utf-8?Q?za=C5=BC.pdf?="', "zaż.pdf"),
        (b'attachment; filename="=?utf-8?Q?za=C5=BC?=\r\n =?utf-8?Q?=C3=B3=C5=82.pdf?="', "zażół.pdf"),
        ('attachment; filename="zażółć.pdf"'.encode(), "zażółć.pdf"),
        ('attachment; filename="zażółć.pdf"'.encode("cp1250"), "zażółć.pdf"),
        (b"attachment; filename=two words.pdf", "two words.pdf"),
        (b'attachment; filename="open.pdf', "open.pdf"),
        (b"attachment; filename=" + b"x" * 5000 + b".pdf", "x" * 180 + ".pdf"),
        (b"attachment", "part-2.pdf"),
        (b"", "part-2.pdf"),
    ],
)
def test_file_names(disposition: bytes, name: str) -> None:
    part = b"Content-Type: application/pdf\r\nContent-Disposition: " + disposition + b"\r\n\r\n%PDF"
    assert [each.name for each in read(multipart(PLAIN, part)).attachments] == [name]


def test_the_name_of_the_content_type_serves_too() -> None:
    found = read(multipart(PLAIN, PDF, b"Content-Type: image/png\r\nContent-ID: <i@x>\r\n\r\nPNG"))
    assert [(each.name, each.inline) for each in found.attachments] == [("a.pdf", False), ("part-3.png", True)]


def test_text_files_do_not_leak_into_the_text() -> None:
    log = b"Content-Type: text/plain; name=log.txt\r\nContent-Disposition: attachment; filename=log.txt\r\n\r\nsecret"
    page = b"Content-Type: text/html\r\nContent-Disposition: attachment\r\n\r\n<p>secret"
    csv = b"Content-Type: text/csv; name=a.csv\r\n\r\nsecret"
    found = read(multipart(PLAIN, log, page, csv))
    assert found.text == "Dzień dobry"
    assert [each.name for each in found.attachments] == ["log.txt", "part-3.html", "a.csv"]


def test_an_attached_message_is_a_file_and_no_text() -> None:
    inner = b"From: Ewa <ewa@x.example>\r\nSubject: =?utf-8?Q?Stara_spraw=C4=99?= / 2\r\n\r\ninner secret"
    kept = Kept()
    found = read(multipart(PLAIN, b"Content-Type: message/rfc822\r\n\r\n" + inner), kept)
    assert found.text == "Dzień dobry"
    assert found.attachments[0].name == "Stara sprawę - 2.eml"
    assert kept.files[found.attachments[0].sha256] == inner
    assert [each.type for each in found.embedded] == ["message/rfc822"]
    assert "ewa@x.example" in found.embedded[0].text


def test_a_digest_holds_messages() -> None:
    found = read(multipart(b"\r\nSubject: one\r\n\r\na", b"\r\nSubject: two\r\n\r\nb", kind=b"digest"))
    assert [each.name for each in found.attachments] == ["one.eml", "two.eml"]
    assert found.text == ""


def test_reports_and_invitations_are_embedded() -> None:
    status = (
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    )
    back = b"Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <old@x>\r\n"
    invite = (
        b"Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\nBEGIN:VCALENDAR\r\nSUMMARY:\xc5\xbc\r\n"
    )
    found = read(multipart(PLAIN, status, back, invite, kind=b"report; report-type=delivery-status"))
    assert [each.type for each in found.embedded] == ["message/delivery-status", "text/rfc822-headers", "text/calendar"]
    assert "Action: failed\nStatus: 5.1.1" in found.embedded[0].text
    assert found.embedded[2].params["method"] == "REQUEST"
    assert "SUMMARY:ż" in found.embedded[2].text
    assert found.attachments == ()
    assert found.headers["content-type"][0].startswith("multipart/report; report-type=delivery-status")


def test_an_invitation_with_a_name_is_a_file_too() -> None:
    part = b"Content-Type: text/calendar; method=REQUEST; name=invite.ics\r\n\r\nBEGIN:VCALENDAR"
    found = read(multipart(PLAIN, part))
    assert [each.name for each in found.attachments] == ["invite.ics"]
    assert [each.type for each in found.embedded] == ["text/calendar"]


def test_embedded_text_is_bounded() -> None:
    part = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n" + b"0123456789" * 100_000
    found = read(multipart(PLAIN, part))
    assert len(found.embedded[0].text) == 64_000
    assert found.attachments[0].size > 1_000_000


def test_long_text_is_cut_and_kept_whole_as_a_file() -> None:
    body = b"0123456789" * 100_000
    kept = Kept()
    found = read(mail(b"From: a@x.example", body=body), kept)
    assert len(found.text) == 500_000
    assert kept.files[found.attachments[0].sha256] == body
    assert found.attachments[0].name == "part-1.txt"


def test_a_mapped_file_is_read_like_bytes(tmp_path: Path) -> None:
    raw = multipart(PLAIN, PDF)
    (tmp_path / "m.eml").write_bytes(raw)
    with (tmp_path / "m.eml").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert parse(mapped, Kept(), config.Parsing()) == read(raw)


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"8bit"])
def test_large_attachments_come_in_pieces(encoding: bytes) -> None:
    data = bytes(range(256)) * 8_000 if encoding != b"8bit" else b"a line of text\r\n" * 150_000
    coded = {
        b"base64": base64.encodebytes(data),
        b"quoted-printable": b"".join(b"=%02X" % byte for byte in data),
        b"8bit": data,
    }[encoding]
    largest = 0

    class Watching(Kept):
        def put(self, content):  # type: ignore[no-untyped-def]
            nonlocal largest
            pieces = [content] if isinstance(content, bytes) else list(content)
            largest = max(map(len, pieces))
            return super().put(b"".join(pieces))

    kept = Watching()
    part = b"Content-Type: application/zip\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + coded
    found = read(multipart(PLAIN, part), kept)
    assert kept.files[found.attachments[0].sha256] == data
    assert largest < 600_000


def test_a_fault_of_our_own_is_mended_by_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise KeyError("a fault")

    monkeypatch.setattr(parse_module, "_read", fails)
    found = read(multipart(PLAIN, PDF))
    assert (found.subject, found.text) == ("Oferta", "Dzień dobry")
    assert found.from_ is not None
    assert found.from_.email == "jan@klient.example"
    assert found.attachments[0].size == 4
    assert found.problems == ("read by mail-parser (KeyError: 'a fault')",)


@pytest.mark.parametrize("raw", [b"", b"\r\n\r\n", b"\0\0\0"])
def test_nothing_at_all_is_refused(raw: bytes) -> None:
    with pytest.raises(Unparsable, match="empty"):
        read(raw)
