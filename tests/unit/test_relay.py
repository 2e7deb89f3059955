"""The relay through real sockets: who may hand in what, what is refused, how it ends."""

from __future__ import annotations

import base64
import logging
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailcrm.app.submit import Refusal
from mailcrm.errors import Permanent, Temporary
from mailcrm.mail.relay_door import Patience
from mailcrm.mail.relay_hooks import MOST_ASKED, MOST_RECIPIENTS
from mailcrm.mail.relay_session import MOST_ERRORS
from tests.relay_kit import ANNA, AUTH, EWA, MAIL, PASSWORD, QUICK, Client, Relayed, relay
from tests.servers import certificate
from tests.servers.process import wait_until


@pytest.fixture(scope="module")
def plain() -> Iterator[Relayed]:
    with relay() as running:
        yield running


@pytest.fixture
def relayed(plain: Relayed) -> Relayed:
    plain.mails.clear()
    plain.fate = None
    plain.go.set()
    plain.begun.clear()
    return plain


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    certificate.write(folder / "certificate.pem", folder / "key.pem")
    return folder


def trusting(keys: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(keys / "certificate.pem"))


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


# --- what is taken ---


def test_a_mail_is_taken_as_it_is(relayed: Relayed) -> None:
    body = MAIL + b"..stuffed\r\n\xff 8 bit\r\n" + b"long " * 30_000 + b"\r\n"
    with Client(relayed.port).hello() as client:
        assert client.send(body).startswith("250")
        assert client.send(MAIL).startswith("250")
    plain = body.replace(b"..stuffed", b".stuffed")
    assert [mail.content for mail in relayed.mails] == [plain, MAIL]
    assert (relayed.mails[0].sender, relayed.mails[0].recipients) == (ANNA.email, (EWA,))


@pytest.mark.parametrize("size", [0, 1, 65_529, 65_530, 65_531, 65_536, 131_067, 131_072, 200_000])
def test_the_end_is_found_wherever_it_lies(relayed: Relayed, size: int) -> None:
    content = MAIL + b"x" * size + b"\r\n"
    with Client(relayed.port).hello() as client:
        client.envelope()
        client.socket.sendall(content[:-1])
        client.socket.sendall(content[-1:] + b".\r")
        client.socket.sendall(b"\n")
        assert client.reply().startswith("250")
        assert client.say(b"NOOP").startswith("250")
    assert relayed.mails[0].content == content


def test_commands_may_be_sent_ahead(relayed: Relayed) -> None:
    with Client(relayed.port) as client:
        assert client.reply().startswith("220")
        assert "PIPELINING" in client.say(b"EHLO x")
        client.socket.sendall(AUTH + b"\r\nMAIL FROM:<anna@firma.example>\r\nRCPT TO:<ewa@klient.example>\r\nDATA\r\n")
        assert [client.reply()[:3] for _ in range(4)] == ["235", "250", "250", "354"]
        client.socket.sendall(MAIL + b".\r\nMAIL FROM:<anna@firma.example>\r\nQUIT\r\n")
        assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "221"]


def test_what_a_client_may_ask_for(relayed: Relayed) -> None:
    with Client(relayed.port) as client:
        client.reply()
        offered = client.say(b"EHLO x").split("\r\n")
        assert {"250-SIZE 300000", "250-8BITMIME", "250-SMTPUTF8", "250-AUTH PLAIN LOGIN"} <= set(offered)
        client.say(AUTH)
        assert client.say(b"MAIL FROM:<anna@firma.example> BODY=8BITMIME SIZE=1000").startswith("250")
        assert client.say(b"RSET").startswith("250")
        assert client.say(b"MAIL FROM:<anna@firma.example> SIZE=400000").startswith("552")
        assert client.say(b"MAIL FROM:<anna@firma.example> SMTPUTF8").startswith("250")
        assert client.say("RCPT TO:<zażółć@klient.example>".encode()).startswith("250")
        assert client.say(b"RSET").startswith("250")
        assert client.say(b"MAIL FROM:<anna@firma.example>").startswith("250")
        assert client.say("RCPT TO:<zażółć@klient.example>".encode()).startswith("553")


def test_a_mail_that_is_too_large_is_refused_and_the_next_one_taken(relayed: Relayed) -> None:
    with Client(relayed.port).hello() as client:
        assert client.send(MAIL + b"x" * 400_000 + b"\r\n").startswith("552")
        assert client.send(MAIL).startswith("250")
    assert len(relayed.mails) == 1


# --- what becomes of it ---


@pytest.mark.parametrize(
    ("fate", "answer"),
    [
        (Refusal("no consent of anna for Offer"), "550 5.7.1 no consent"),
        (Permanent("secret detail"), "554 5.6.0"),
        (Temporary("secret detail"), "451 4.3.0"),
        (RuntimeError("secret detail"), "451 4.3.0"),
    ],
)
def test_faults_are_answered_and_not_told(relayed: Relayed, fate: Exception, answer: str) -> None:
    relayed.fate = fate
    with Client(relayed.port).hello() as client:
        said = client.send(MAIL)
        assert said.startswith(answer)
        assert "secret" not in said
        relayed.fate = None
        assert client.send(MAIL).startswith("250")


def test_nothing_is_taken_before_it_is_stored(relayed: Relayed) -> None:
    relayed.go.clear()
    with Client(relayed.port).hello() as client:
        client.envelope()
        client.socket.sendall(MAIL + b".\r\n")
        assert relayed.begun.wait(5)
        client.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
    relayed.go.set()


def test_who_drains_lets_them_finish() -> None:
    with relay() as relayed, Client(relayed.port).hello() as busy, Client(relayed.port).hello() as idle:
        relayed.go.clear()
        busy.envelope()
        busy.socket.sendall(MAIL + b".\r\n")
        assert relayed.begun.wait(5)
        drained = threading.Thread(target=relayed.drain)
        drained.start()
        assert idle.reply().startswith("421")
        relayed.go.set()
        assert busy.reply().startswith("250")
        assert busy.reply().startswith("421")
        drained.join(10)
        assert len(relayed.mails) == 1
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", relayed.port), timeout=1)


# --- open relay, forged senders ---


@pytest.mark.parametrize("line", [b"MAIL FROM:<anna@firma.example>", b"VRFY anna", b"RCPT TO:<a@b.example>", b"DATA"])
def test_nobody_gets_anywhere_without_a_password(relayed: Relayed, line: bytes) -> None:
    with Client(relayed.port).hello(login=False) as client:
        assert client.say(line).startswith(("530 5.7.0 ", "503 5.5.1 "))


@pytest.mark.parametrize(
    "sender",
    [
        "boss@firma.example",
        "",
        "anna@firma.example@evil.example",
        "jan@klient.example",
        "anna+x@firma.example",
        '"anna@firma.example"@evil.example',
        "anna",
        "ANNA@FIRMA.EXAMPLE\udce9",
    ],
)
def test_the_envelope_is_in_the_users_own_name(relayed: Relayed, sender: str) -> None:
    with Client(relayed.port).hello() as client:
        said = client.say(b"MAIL FROM:<" + sender.encode("utf-8", "surrogateescape") + b">")
        assert said.startswith(("550", "553", "501"))


def test_an_alias_is_the_users_own(relayed: Relayed) -> None:
    with Client(relayed.port).hello() as client:
        assert client.say(b"MAIL FROM:<A.Nowak@Firma.example>").startswith("250")


# --- smuggling ---


@pytest.mark.parametrize(
    "end",
    [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\x00.\r\n", b"\r\r\n.\r\r\n"],
)
def test_no_other_end_of_data_ends_it(relayed: Relayed, end: bytes) -> None:
    """Whatever stands after a false end stays in the message, which is refused whole."""
    smuggled = b"MAIL FROM:<anna@firma.example>\r\nRCPT TO:<victim@klient.example>\r\nDATA\r\n" + MAIL
    with Client(relayed.port).hello() as client:
        assert client.send(MAIL + b"x" + end + smuggled).startswith("554 5.6.0")
        assert client.say(b"NOOP").startswith("250")
    assert relayed.mails == []


# --- TLS ---


def test_passwords_only_after_starttls(keys: Path) -> None:
    with relay("starttls", folder=keys) as relayed, Client(relayed.port) as client:
        client.reply()
        assert "AUTH" not in client.say(b"EHLO x")
        assert client.say(AUTH).startswith("530 5.7.0 ")
        client.start_tls(trusting(keys))
        assert client.say(b"MAIL FROM:<anna@firma.example>").startswith("503")  # EHLO before TLS is forgotten
        offered = client.say(b"EHLO x")
        assert "AUTH PLAIN LOGIN" in offered
        assert "STARTTLS" not in offered
        assert client.say(b"STARTTLS").startswith("503")
        assert client.say(AUTH).startswith("235")
        assert client.send(MAIL).startswith("250")


@pytest.mark.parametrize("injected", [b"NOOP\r\n", b"EHLO evil\r\nMAIL FROM:<anna@firma.example>\r\n", b"X"])
def test_nothing_said_before_tls_counts_as_said_in_it(keys: Path, injected: bytes) -> None:
    with relay("starttls", folder=keys) as relayed, Client(relayed.port) as client:
        client.reply()
        client.say(b"EHLO x")
        client.socket.sendall(b"STARTTLS\r\n" + injected)
        assert client.reply().startswith("554")
        assert client.reply() == ""


def test_tls_from_the_first_byte(keys: Path) -> None:
    with relay("implicit", folder=keys) as relayed:
        with smtplib.SMTP_SSL("localhost", relayed.port, context=trusting(keys), timeout=10) as client:
            client.login("anna", PASSWORD)
            client.sendmail(ANNA.email, [EWA], MAIL)
        assert len(relayed.mails) == 1


# --- passwords ---


def test_auth_login(relayed: Relayed) -> None:
    with Client(relayed.port).hello(login=False) as client:
        assert client.say(b"AUTH LOGIN").startswith("334 VXNlcm5hbWU6")
        assert client.say(b64("anna")).startswith("334 UGFzc3dvcmQ6")
        assert client.say(b64(PASSWORD)).startswith("235")
        assert client.say(AUTH).startswith("503")


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ([b"AUTH PLAIN", b"*"], "501"),
        ([b"AUTH PLAIN ==="], "501"),
        ([b"AUTH PLAIN " + b64("anna")], "501"),
        ([b"AUTH PLAIN " + b64(f"boss\0anna\0{PASSWORD}")], "501"),
        ([b"AUTH PLAIN " + base64.b64encode(b"\0anna\0\xff\xfe")], "501"),
        ([b"AUTH CRAM-MD5"], "504"),
        ([b"AUTH"], "504"),
        ([b"AUTH PLAIN " + b64("\0anna\0wrong")], "535"),
        ([b"AUTH LOGIN " + b64("nobody"), b64(PASSWORD)], "535"),
    ],
)
def test_other_logins_fail(relayed: Relayed, lines: list[bytes], answer: str) -> None:
    assert relayed.door is not None
    relayed.door._failures.clear()
    with Client(relayed.port).hello(login=False) as client:
        said = [client.say(line) for line in lines]
        assert said[-1].startswith(answer)
        assert client.say(b"MAIL FROM:<anna@firma.example>").startswith("530 5.7.0 ")


def test_guessing_is_ended() -> None:
    wrong = b"AUTH PLAIN " + b64("\0anna\0wrong")
    with relay(patience=Patience(delay=0.0, tries=3, address_tries=4)) as relayed:
        with Client(relayed.port).hello(login=False) as client:
            assert [client.say(wrong)[:3] for _ in range(3)] == ["535"] * 3
            assert client.reply().startswith("421")
            assert client.reply() == ""
        with Client(relayed.port).hello(login=False) as client:
            assert client.say(wrong).startswith("535")
            assert client.say(wrong).startswith("421")
        assert len(relayed.passwords.asked) == 4
        with Client(relayed.port).hello(login=False) as client:  # not even the right one is looked at
            assert client.say(AUTH).startswith("421")
        assert len(relayed.passwords.asked) == 4
        with Client(relayed.port).hello(login=False) as client:  # who was in before is not shut out by a neighbour
            assert client.say(b"AUTH PLAIN " + b64(f"\0anna\0known {PASSWORD}")).startswith("235")


def test_no_password_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with relay(patience=Patience(delay=0.0, address_tries=1)) as relayed:
        for lines in (
            [b"AUTH PLAIN " + b64("\0anna\0Sesame-1")],
            [b"AUTH LOGIN", b64("anna"), b64("Sesame-1")],
            [b64("\0anna\0Sesame-1")],
            [b"AUTH PLAIN", b64("\0anna\0Sesame-1") + b"!"],
            [AUTH],
        ):
            with Client(relayed.port).hello(login=False) as client:
                for line in lines:
                    client.say(line)
    secrets = ["Sesame", PASSWORD, *(b64(each).decode().strip("=")[:-2] for each in ("Sesame-1", "\0anna\0Sesame-1"))]
    assert [each for each in secrets if each in caplog.text] == []
    assert "a login from 127.0.0.1 was refused" in caplog.text


# --- too much, too slow ---


def test_two_thousand_recipients(relayed: Relayed) -> None:
    with Client(relayed.port).hello() as client:
        assert client.say(b"MAIL FROM:<anna@firma.example>").startswith("250")
        client.socket.sendall(b"".join(b"RCPT TO:<r%d@klient.example>\r\n" % number for number in range(2_000)))
        answers = [client.reply()[:3] for _ in range(MOST_ASKED + MOST_ERRORS + 2)]
    later = MOST_ASKED - MOST_RECIPIENTS
    assert answers == ["250"] * MOST_RECIPIENTS + ["452"] * later + ["550"] * MOST_ERRORS + ["421", ""]
    assert relayed.mails == []


def test_the_first_recipients_get_their_mail_and_the_client_sends_the_rest(relayed: Relayed) -> None:
    with Client(relayed.port).hello() as client:
        client.say(b"MAIL FROM:<anna@firma.example>")
        said = [client.say(b"RCPT TO:<r%d@klient.example>" % number)[:3] for number in range(MOST_RECIPIENTS + 50)]
        assert said.count("452") == 50
        assert client.say(b"DATA").startswith("354")
        assert client.say(MAIL + b".").startswith("250")
    assert len(relayed.mails[0].recipients) == MOST_RECIPIENTS


def test_too_many_connections() -> None:
    with relay(patience=Patience(address_connections=2)) as relayed:
        with Client(relayed.port).hello(), Client(relayed.port).hello(), Client(relayed.port) as third:
            assert third.reply().startswith("421 4.7.0 too many connections")
            assert third.reply() == ""

        def free() -> bool:
            with Client(relayed.port) as again:
                return again.reply().startswith("220")

        wait_until(free)


def test_the_slow_are_sent_away() -> None:
    with relay(unknown=0.2, data=0.2) as relayed:
        with Client(relayed.port).hello(login=False) as silent:
            assert silent.reply() == ""
        with Client(relayed.port).hello() as slow:
            slow.envelope()
            slow.socket.sendall(MAIL[:20])
            assert slow.reply() == ""
    assert relayed.mails == []


def test_too_much_at_once_waits() -> None:
    with relay(patience=Patience(delay=0.0, held=1_000)) as relayed, Client(relayed.port).hello() as client:
        assert client.send(MAIL + b"x" * 2_000 + b"\r\n").startswith("452")
        assert client.send(MAIL).startswith("250")
        assert relayed.door is not None
        assert relayed.door.held == 0


def test_a_line_without_end_is_not_kept(relayed: Relayed) -> None:
    with Client(relayed.port).hello(login=False) as client:
        client.socket.sendall(b"NOOP " + b"x" * 300_000)
        assert client.say(b"").startswith("500")
        assert client.say(b"NOOP").startswith("250")


def test_patience_is_as_documented() -> None:
    assert (QUICK.tries, QUICK.address_tries, QUICK.window, QUICK.address_connections) == (3, 10, 900.0, 100)
