"""From a configured mailbox to a connection: each failure names the account and its mend, none tells a secret."""

from __future__ import annotations

import base64
import logging
import socket
import ssl
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailcrm.config import Mailbox, OAuth
from mailcrm.errors import ConfigError, LoginFailed, MailcrmError, Permanent
from mailcrm.mail.imap_faults import Away
from mailcrm.mail.imap_session import Dialer, Untrusted
from mailcrm.mail.imap_talk import Talk
from tests.imap_kit import config, mailbox
from tests.scripted_imap import PLAIN, Connection, ScriptedImap
from tests.servers import certificate

SECRET = 'pąss-w0rd"\\ x'


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and localhost, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate.write(folder / "cert.pem", folder / "key.pem")
    return folder


@pytest.fixture
def tls(identity: Path) -> Iterator[ScriptedImap]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity / "cert.pem", identity / "key.pem")
    with ScriptedImap(context=context) as server:
        yield server


def connect(box: Mailbox, timeout: float = 3.0) -> Talk:
    return Dialer(config(anna=box), timeout=timeout).connect("anna", box)


def refusal(box: Mailbox, kind: type[Exception], timeout: float = 3.0) -> str:
    """The text of the error, which never holds the secret, whole traceback included."""
    with pytest.raises(kind) as caught:
        connect(box, timeout)
    shown = "".join(traceback.format_exception(caught.value))
    for form in (SECRET, base64.b64encode(f"\0anna\0{SECRET}".encode()).decode()):
        assert form not in shown
    return str(caught.value)


def test_tls_is_verified(tls: ScriptedImap, identity: Path) -> None:
    talk = connect(mailbox(tls.port, tls="implicit", tls_ca=str(identity / "cert.pem")))
    assert isinstance(talk.wire.sock, ssl.SSLSocket)
    assert talk.examine(b'"INBOX"').uidvalidity == 1
    talk.wire.close()


def test_an_unknown_certificate_names_the_mend(tls: ScriptedImap) -> None:
    text = refusal(mailbox(tls.port, tls="implicit", password=SECRET), Untrusted)
    assert "mailboxes.anna (anna at 127.0.0.1" in text
    assert "tls_ca" in text
    assert tls.logins == 0


def test_a_missing_ca_file_names_the_key(tls: ScriptedImap) -> None:
    text = refusal(mailbox(tls.port, tls="implicit", tls_ca="/nowhere/ca.pem"), ConfigError)
    assert "mailboxes.anna.tls_ca" in text


def test_tls_to_a_port_without_it_names_the_key() -> None:
    with ScriptedImap() as server:
        assert "mailboxes.anna.tls" in refusal(mailbox(server.port, tls="implicit"), Permanent)


def test_starttls(identity: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity / "cert.pem", identity / "key.pem")

    def upgrade(connection: Connection, tag: bytes, honest: bytes) -> None:
        connection.send(tag + b" OK go\r\n")
        connection.sock = context.wrap_socket(connection.sock, server_side=True)
        connection.server.capabilities = PLAIN
        connection.serve()

    with ScriptedImap("IMAP4rev1 STARTTLS LOGINDISABLED") as server:
        server.misbehave(b"^STARTTLS$", upgrade)
        box = mailbox(server.port, tls="starttls", tls_ca=str(identity / "cert.pem"))
        talk = connect(box)
        assert isinstance(talk.wire.sock, ssl.SSLSocket)
        assert "IDLE" in talk.capabilities
        talk.wire.close()


def test_words_before_tls_are_not_believed() -> None:
    with ScriptedImap(PLAIN + " STARTTLS") as server:
        server.misbehave(b"^STARTTLS$", lambda c, tag, h: tag + b" OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n")
        assert "tampering" in refusal(mailbox(server.port, tls="starttls", password=SECRET), Away)
        assert server.logins == 0


def test_no_starttls_names_the_key() -> None:
    with ScriptedImap() as server:
        assert "mailboxes.anna.tls" in refusal(mailbox(server.port, tls="starttls"), Permanent)


@pytest.mark.parametrize("capabilities", [PLAIN, "IMAP4rev1"])
def test_a_wrong_password_names_the_account(capabilities: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedImap(capabilities, password="other") as server:
        secret = SECRET if capabilities == PLAIN else SECRET.replace("ą", "a")

        def parrot(connection: Connection, tag: bytes, honest: bytes) -> bytes:
            coded = base64.b64encode(f"\0anna\0{secret}".encode())
            return tag + b" NO [AUTHENTICATIONFAILED] you said " + secret.encode() + b" " + coded + b"\r\n"

        server.misbehave(b"^(LOGIN|AUTHENTICATE)", parrot)
        box = mailbox(server.port, password=secret)
        text = refusal(box, LoginFailed)
        assert "mailboxes.anna.password" in text
        assert "anna at 127.0.0.1" in text
        assert secret not in text
        assert secret not in caplog.text


def test_a_password_that_login_cannot_carry() -> None:
    with ScriptedImap("IMAP4rev1") as server:
        assert "ASCII" in refusal(mailbox(server.port, password=SECRET), LoginFailed)
        assert "control character" in refusal(mailbox(server.port, password="a\r\nb"), ConfigError)


def test_a_refusal_for_now_is_not_a_wrong_password() -> None:
    with ScriptedImap() as server:
        words = b" NO [UNAVAILABLE] Temporary authentication failure\r\n"
        server.misbehave(b"^AUTHENTICATE", lambda c, tag, h: tag + words)
        with pytest.raises(Away) as caught:
            connect(mailbox(server.port))
        assert caught.value.retry_after == 60
        server.greeting = b"* BYE Too many connections from your address\r\n"
        with pytest.raises(Away) as caught:
            connect(mailbox(server.port))
        assert caught.value.retry_after == 300


@pytest.mark.parametrize(
    ("mechanism", "word"),
    [("xoauth2", b"user=anna\1auth=Bearer pw-token\1\1"), ("oauthbearer", b"n,a=anna,\1host=127.0.0.1\1")],
)
def test_oauth(mechanism: str, word: bytes) -> None:
    with ScriptedImap("IMAP4rev1 AUTH=XOAUTH2 AUTH=OAUTHBEARER", password="pw-token") as server:
        auth = OAuth(mechanism=mechanism, command=("printf", "pw-token"))  # type: ignore[arg-type]
        connect(mailbox(server.port, password=None, oauth=auth)).wire.close()
        given = next(line for line in server.log if line.startswith(b"AUTHENTICATE"))
        assert given == b"AUTHENTICATE " + mechanism.upper().encode()
        assert server.heard[-1].startswith(word)


def test_a_refused_token_is_not_sent_twice() -> None:
    with ScriptedImap("IMAP4rev1 AUTH=XOAUTH2", password="other") as server:
        auth = OAuth(command=("printf", "stale-token"))

        def challenge(connection: Connection, tag: bytes, honest: bytes) -> bytes:
            connection.send(b"+ " + base64.b64encode(b'{"status":"401"}') + b"\r\n")
            connection.server.heard.append(base64.b64decode(connection.line()))
            return tag + b" NO [AUTHENTICATIONFAILED] token expired\r\n"

        server.misbehave(b"^AUTHENTICATE", challenge)
        text = refusal(mailbox(server.port, password=None, oauth=auth), LoginFailed)
        assert "mailboxes.anna.oauth" in text
        assert "stale-token" not in text
        assert b"stale-token" not in server.heard[-1]


def test_unreachable_servers_are_told_apart() -> None:
    with ScriptedImap() as server:
        port = server.port
    assert "nothing listens" in refusal(mailbox(port), Away)
    assert "no server named" in refusal(mailbox(143, host="no-such-host.invalid"), Away)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for tls in ("none", "starttls"):
            text = refusal(mailbox(silent.getsockname()[1], tls=tls), Away, 0.2)
            assert "no answer for 0 s; check mailboxes.anna.host and port; if TLS begins at once there, set tls" in text
    with ScriptedImap() as server:
        server.greeting = b"220 smtp.firma.example ESMTP\r\n"
        text = refusal(mailbox(server.port), Away)
        assert "220 smtp.firma.example ESMTP" in text
        assert "check mailboxes.anna.host and port" in text
        server.greeting = b"* BYE too many connections\r\n"
        assert "check" not in refusal(mailbox(server.port), Away)


def test_a_hostile_greeting_is_an_error_and_no_crash() -> None:
    for greeting in (b"\r\n", b"* OK\r\n* \xff\xfe\r\n", b"\0" * 50 + b"\r\n", b"* PREAUTH hi\r\n* BYE no\r\n"):
        with ScriptedImap() as server:
            server.greeting = greeting
            server.misbehave(b".", lambda c, tag, h: c.cut(b"* CAPABILITY\r\n"), 9)
            refusal(mailbox(server.port), MailcrmError)
