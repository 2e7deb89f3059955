"""What the relay lets through, what it changes, and above all what it does not change."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.app.submit import Handed
from mailcrm.mail.relay_letter import Rejected, examine
from mailcrm.mail.relay_session import unstuffed
from tests.house import NOW
from tests.relay_kit import ANNA, EWA

FROM = b"From: Anna Nowak <anna@firma.example>\r\n"
REST = b"Message-ID: <1@firma.example>\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\nTo: ewa@klient.example\r\n"
SIGNED = (
    b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary=b\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nhello \r\n--b\r\n"
    b"Content-Type: application/pkcs7-signature\r\n\r\nAA==\r\n--b--\r\n"
)
ENCRYPTED = b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nAA==\r\n"
PGP = b"\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nAA==\r\n-----END PGP MESSAGE-----\r\n"
INVITATION = (
    b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    b"--b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n--b--\r\n"
)
DKIM = b"DKIM-Signature: v=1; a=rsa-sha256; h=from:date; b=AA==\r\n\r\nhello\r\n"
PLAIN = b"\r\nhello\r\n"


def seen(content: bytes, *recipients: str, sender: str = ANNA.email) -> Handed:
    return examine(content, ANNA, sender, recipients or (EWA,), NOW)


def refused(content: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        seen(content)
    return caught.value.answer


@pytest.mark.parametrize("body", [SIGNED, ENCRYPTED, PGP, INVITATION, DKIM, PLAIN])
@pytest.mark.parametrize("recipients", [(EWA,), (EWA, "jan@klient.example")])
def test_a_whole_mail_is_passed_on_byte_for_byte(body: bytes, recipients: tuple[str, ...]) -> None:
    content = FROM + REST + body
    assert seen(content, *recipients).content == content


@pytest.mark.parametrize("body", [SIGNED, ENCRYPTED, PGP, INVITATION, DKIM])
def test_what_must_not_be_touched_gets_nothing_added(body: bytes) -> None:
    assert seen(FROM + body).content == FROM + body


@pytest.mark.parametrize(
    ("body", "recipients", "tracked"),
    [(PLAIN, (EWA,), True), (PLAIN, (EWA, "jan@klient.example"), False)]
    + [(body, (EWA,), False) for body in (SIGNED, ENCRYPTED, PGP, INVITATION, DKIM)],
)
def test_only_what_may_be_changed_is_tracked_for_who_wants_that(
    body: bytes, recipients: tuple[str, ...], tracked: bool
) -> None:
    content = FROM + REST + body
    assert not seen(content, *recipients).tracked
    who = replace(ANNA, track_by_hand=True)
    handed = examine(content, who, ANNA.email, recipients, NOW)
    assert handed.tracked is tracked
    assert handed.content == content
    automatic = b"X-Mailcrm-Flow: Offer\r\n" + content
    assert not examine(automatic, who, ANNA.email, recipients, NOW).tracked


def test_mail_to_several_gets_nothing_added() -> None:
    assert seen(FROM + PLAIN, EWA, "jan@klient.example").content == FROM + PLAIN


def test_plain_mail_gets_the_id_and_date_that_it_lacks() -> None:
    mail = seen(FROM + PLAIN)
    added = f"Message-ID: <{mail.message_id}>\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\n".encode()
    assert mail.content == mail.original == added + FROM + PLAIN
    assert mail.message_id.endswith("@firma.example")


@pytest.mark.parametrize("body", [SIGNED, PLAIN])
def test_bcc_and_our_marks_are_taken_out_and_nothing_else(body: bytes) -> None:
    hidden = b"Bcc: a@x.example,\r\n\tb@x.example\r\nbCC : c@x.example\r\n"
    hidden += b"X-Mailcrm-Draft: token\r\n folded\r\nResent-Bcc: d@x.example\r\n"
    mail = seen(FROM + hidden + REST + body)
    assert mail.content == FROM + REST + body
    assert mail.original == FROM + hidden + REST + body  # the thread knows the blind copies, and the draft


def test_bcc_in_the_text_stays() -> None:
    content = FROM + REST + b"\r\nBcc: is a word\r\nX-Mailcrm-Flow: too\r\n"
    assert seen(content).content == content


def test_each_recipient_once() -> None:
    assert seen(FROM + REST + PLAIN, EWA, "x@x.example", EWA).recipients == (EWA, "x@x.example")


# --- in whose name ---


@pytest.mark.parametrize(
    "header",
    [
        b"From: boss@firma.example\r\n",
        b'From: "anna@firma.example" <boss@firma.example>\r\n',
        b"From: anna@firma.example, boss@firma.example\r\n",
        b"From: <boss@firma.example> (anna@firma.example)\r\n",
        b"From: anna@firma.example <boss@firma.example>\r\n",
        b"From: boss@firma.example <anna@firma.example>, x <ewa@klient.example>\r\n",
        b"From: anna@firma.example;boss@firma.example\r\n",
        b"From: =?utf-8?q?boss=40firma.example=3E?= <ewa@klient.example>\r\n",
        b"From: =?utf-8?q?anna=40firma.example?=\r\n",
        b"From: group: anna@firma.example, boss@firma.example;\r\n",
        b"From:\r\n",
        b"From: Anna\r\n",
        b"From: <>\r\n",
        FROM + b"Sender: boss@firma.example\r\n",
        FROM + b"Resent-From: boss@firma.example\r\n",
        b"from: anna@firma.example\r\nFROM : boss@firma.example\r\n",
        b"Subject: no author\r\n",
        b"From: " + b"anna@firma.example, " * 500 + b"anna@firma.example\r\n",
        b"From: anna@firma.example\r\n\tboss@firma.example\r\n",
    ],
)
def test_forged_authors_are_refused(header: bytes) -> None:
    assert refused(header + REST + PLAIN).startswith(("550 5.7.1", "554 5.6.0"))


@pytest.mark.parametrize(
    "header",
    [
        b"From: A.Nowak@Firma.Example\r\n",
        b"From: =?utf-8?b?QW5uYSBOb3dhayAoxYHDs2TFuik=?= <anna@firma.example>\r\n",
        "From: Łucja <anna@firma.example>\r\n".encode(),
        b'From: "Nowak, Anna" <anna@firma.example>\r\nSender: a.nowak@firma.example\r\n',
        b"From:\r\n Anna\r\n <anna@firma.example>\r\n",
    ],
)
def test_the_users_own_names_pass(header: bytes) -> None:
    assert seen(header + REST + PLAIN).content == header + REST + PLAIN


# --- automatic mail ---


@pytest.mark.parametrize(
    "marks",
    [
        b"Auto-Submitted: auto-generated\r\n",
        b"Auto-Submitted: auto-replied; owner-email=x\r\n",
        b"auto-submitted:\r\n\tAUTO-NOTIFIED\r\n",
        b"Auto-Submitted: no\r\nAuto-Submitted: auto-generated\r\n",
        b"Auto-Submitted:\r\n",
        b"Auto-Submitted: (no) auto-generated\r\n",
        b"Precedence: Bulk\r\n",
        b"Precedence: list (of ours)\r\n",
        b"Precedence: auto_reply\r\n",
        b"X-Precedence: bulk; q=1\r\n",
        b"X-Autoreply: yes\r\n",
        b"X-Autorespond: away\r\n",
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        b"List-Unsubscribe: <https://firma.example/u>\r\n",
        b"List-Id: <news.firma.example>\r\n",
        b"X-Mailcrm-Flow:\r\n",
        b"X-Mailcrm-Flow: One\r\nX-Mailcrm-Flow: Two\r\n",
    ],
)
def test_automatic_mail_names_its_flow(marks: bytes) -> None:
    assert refused(FROM + marks + REST + PLAIN).startswith("550 5.7.1")


@pytest.mark.parametrize(
    "mark", [b"", b"Precedence: special-delivery\r\n", b"Auto-Submitted: no\r\n", b"Auto-Submitted: NO (by hand)\r\n"]
)
def test_mail_by_hand_needs_no_flow(mark: bytes) -> None:
    assert seen(FROM + mark + REST + PLAIN).flow is None


def test_the_flow_is_read_and_its_mark_taken_out() -> None:
    mail = seen(
        FROM + b"X-Mailcrm-Flow: =?utf-8?q?Ciep=C5=82y_lead?=\r\nAuto-Submitted: auto-generated\r\n" + REST + PLAIN
    )
    assert mail.flow == "Ciepły lead"
    assert mail.content == FROM + b"Auto-Submitted: auto-generated\r\n" + REST + PLAIN
    assert seen(FROM + b"x-mailcrm-flow: Offer\r\n" + REST + PLAIN).flow == "Offer"


# --- form, loops ---


def test_a_mail_that_came_round_too_often() -> None:
    hop = b"Received: from a by b; Sun, 22 Nov 2026 09:00:00 +0000\r\n"
    assert seen(hop * 24 + FROM + REST + PLAIN).content
    assert refused(hop * 25 + FROM + REST + PLAIN).startswith("554 5.4.6")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"\r\n" + FROM + PLAIN,
        b" From: anna@firma.example\r\n\r\n",
        FROM + b"no field here\r\n" + PLAIN,
        FROM + b": nameless\r\n" + PLAIN,
        FROM + b"Subject: a\0b\r\n" + PLAIN,
        FROM + b"X: " + b"y" * 600_000 + b"\r\n" + PLAIN,
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(content: bytes) -> None:
    assert refused(content)[:3] in ("554", "552")


def test_a_header_alone_is_a_mail() -> None:
    assert seen(FROM + REST).content == FROM + REST


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_content_breaks_it(head: bytes, body: bytes) -> None:
    with contextlib.suppress(Rejected):
        assert seen(FROM + REST + head + b"\r\n\r\n" + body).content.endswith(body)


@given(st.lists(st.binary(max_size=8).filter(lambda line: b"\r" not in line and b"\n" not in line), max_size=8))
def test_dots_come_back_as_they_were(lines: list[bytes]) -> None:
    sent = b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines)
    assert unstuffed(b"\r\n" + sent + b".\r\n") == b"".join(line + b"\r\n" for line in lines)
