"""Submission to a smarthost, through real sockets."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from mailcrm import config
from mailcrm.app.dispatch import Unreachable
from mailcrm.errors import ConfigError, LoginFailed, Permanent, Temporary
from mailcrm.mail.smtp_out import SmtpTransport
from tests.servers import Sink
from tests.servers.certificate import write
from tests.servers.process import free_port

MAIL = b"From: crm@firma.example\r\nSubject: x\r\n\r\n.dot\r\n"
ENVELOPE = ("crm@firma.example", "anna@firma.example")


def transport(port: int, **settings: Any) -> SmtpTransport:
    smarthost = {"host": "127.0.0.1", "port": port, "tls": "none", **settings}
    return SmtpTransport(config.parse({"smarthost": smarthost}, base=Path()))


def test_a_batch_goes_over_one_connection(sink: Sink) -> None:
    before = sink.sessions
    with transport(sink.port).session() as session:
        assert session.send(*ENVELOPE, MAIL) == "2.0.0 kept"
        session.send(*ENVELOPE, MAIL)
    assert [mail.content for mail in sink.mails] == [MAIL, MAIL]
    assert (sink.mails[0].mail_from, sink.mails[0].rcpt_tos) == (ENVELOPE[0], (ENVELOPE[1],))
    assert sink.sessions == before + 1


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("451 4.3.0 later", Temporary),
        ("550 5.1.1 no such user", Permanent),
        ("552 5.2.2 mailbox full", Temporary),
        ("550 4.7.1 greylisted", Temporary),
        ("554 5.7.1 spam", Permanent),
        ("530 5.7.0 authenticate first", ConfigError),
    ],
)
def test_refusals_are_told_apart(sink: Sink, stage: Any, answer: str, kind: type[Exception]) -> None:
    sink.refuse(answer, stage=stage, times=1)
    with transport(sink.port).session() as session:
        with pytest.raises(kind, match=answer) as caught:
            session.send(*ENVELOPE, MAIL)
        assert type(caught.value) is kind
        session.send(*ENVELOPE, MAIL)  # the connection is still good
    assert len(sink.mails) == 1


def test_a_server_that_hangs_up_is_dialled_again(sink: Sink) -> None:
    sink.refuse("421 4.3.2 closing", stage="DATA", times=1)
    with transport(sink.port).session() as session:
        with pytest.raises(Temporary, match="421"):
            session.send(*ENVELOPE, MAIL)
        session.send(*ENVELOPE, MAIL)


def test_without_smarthost_the_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"smarthost\.host"), SmtpTransport(config.parse({}, base=Path())).session():
        pass


def test_an_unreachable_server_is_no_mails_fault() -> None:
    with pytest.raises(Unreachable, match="can't be reached"), transport(free_port()).session():
        pass


def test_an_unfriendly_greeting_is_no_mails_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        import threading

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"554 no service \x1b[2J here\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(Unreachable, match=r"554 no service \[2J here"), transport(port).session():
            pass
        thread.join(10)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_login_and_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sink(login="crm", password="right") as server:
        monkeypatch.setenv("SMARTHOST_PASSWORD", "right")
        secret = {"env": "SMARTHOST_PASSWORD"}
        with transport(server.port, login="crm", password=secret).session() as session:
            session.send(*ENVELOPE, MAIL)
        monkeypatch.setenv("SMARTHOST_PASSWORD", "wrong")
        with (
            pytest.raises(LoginFailed, match=r"smarthost\.password") as caught,
            transport(server.port, login="crm", password=secret).session(),
        ):
            pass
        assert "wrong" not in str(caught.value)
        with pytest.raises(ConfigError, match=r"530.*smarthost\.login"), transport(server.port).session() as session:
            session.send(*ENVELOPE, MAIL)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("tls")
    write(folder / "cert.pem", folder / "key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


class _Server(Controller):
    def _trigger_server(self) -> None:
        """The library's own first connection would use the server's context as a client's."""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((self.hostname, self.port), 5) as plain:
            if self.ssl_context is None:
                plain.recv(1024)
            else:
                with trusting.wrap_socket(plain) as wrapped:
                    wrapped.recv(1024)


@pytest.fixture(params=["implicit", "starttls"])
def tls(request: pytest.FixtureRequest, certified: tuple[Path, ssl.SSLContext]) -> Iterator[tuple[str, int, Path]]:
    certificate, context = certified
    how = {"ssl_context": context} if request.param == "implicit" else {"tls_context": context}
    controller = _Server(Sink(), hostname="127.0.0.1", port=free_port(), **how)
    controller.start()
    yield request.param, controller.port, certificate
    controller.stop()


def test_mail_goes_over_tls(tls: tuple[str, int, Path]) -> None:
    how, port, certificate = tls
    with transport(port, tls=how, tls_ca=str(certificate)).session() as session:
        assert session.send(*ENVELOPE, MAIL) == "2.0.0 kept"


# aiosmtpd leaves its end of the connection open when a handshake is broken off
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
def test_a_certificate_that_is_not_trusted_names_the_mend(tls: tuple[str, int, Path]) -> None:
    how, port, _ = tls
    with pytest.raises(ConfigError, match=r"not trusted.*smarthost\.tls_ca"), transport(port, tls=how).session():
        pass


def test_a_server_without_tls_is_a_configuration_error(sink: Sink) -> None:
    for how in ("implicit", "starttls"):
        with pytest.raises(ConfigError, match=r"smarthost\.tls"), transport(sink.port, tls=how).session():
            pass


def test_a_missing_ca_file_is_named(sink: Sink) -> None:
    with (
        pytest.raises(ConfigError, match=r"smarthost\.tls_ca"),
        transport(sink.port, tls="starttls", tls_ca="no.pem").session(),
    ):
        pass
