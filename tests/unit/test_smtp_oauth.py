"""Logging in at a smarthost by an access token (RFC 7628, RFC 4954), through real sockets."""

from __future__ import annotations

import json
import logging
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from mailcrm import config
from mailcrm.app.handover import Parcel, Unreachable
from mailcrm.errors import ConfigError, LoginFailed
from mailcrm.mail.oauth_store import TokenFile
from mailcrm.mail.smtp_out import SmtpTransport
from tests.servers import Sink
from tests.servers.oauth import Provider

MAIL = b"From: crm@firma.example\r\nSubject: x\r\n\r\nx\r\n"
ENVELOPE = ("crm@firma.example", "anna@firma.example")
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@dataclass
class Bearer(Sink):
    """Takes the tokens that are in ``good``. ``words``: what clients said, decoded; ``verdict``: how it refuses."""

    login: str | None = "crm,=@firma.example"
    good: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)
    acknowledged: list[bytes] = field(default_factory=list)
    report: Any = field(default_factory=lambda: {"status": "invalid_token", "scope": "https://mail.example/"})
    verdict: str = "535 5.7.8 bad credentials"
    asks_first: int = 0

    async def judge(self, server: SMTP, args: list[str]) -> AuthResult:
        """The token is good; or the error challenge, whatever answers it, and the verdict."""
        if len(args) == 1:
            self.asks_first += 1
            said = await server.challenge_auth("")
            assert isinstance(said, bytes)
        else:
            said = b64decode(args[1], validate=True)
        self.words.append(said.decode())
        token = said.decode().partition("Bearer ")[2].partition("\1")[0]
        if token in self.good:
            return AuthResult(success=True)
        if self.report is not None:
            raw = self.report if isinstance(self.report, bytes) else b64encode(json.dumps(self.report).encode())
            await server.push(b"334 " + raw)
            self.acknowledged.append((await server._reader.readline()).rstrip(b"\r\n"))
        return AuthResult(success=False, handled=False, message=self.verdict.replace("TOKEN", token))


class Old(Bearer):
    """Offers XOAUTH2 alone."""

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802 (aiosmtpd's name)
        return await self.judge(server, args)


class Both(Old):
    """Offers both mechanisms."""

    async def auth_OAUTHBEARER(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        return await self.judge(server, args)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def transport(server: Sink, folder: Path, **oauth: Any) -> SmtpTransport:
    smarthost = {"host": "127.0.0.1", "port": server.port, "tls": "none", "login": server.login, "oauth": oauth}
    return SmtpTransport(config.parse({"smarthost": smarthost, "web": {"secret": "s"}}, base=folder))


def refreshed(provider: Provider) -> dict[str, Any]:
    return {"client_id": "crm", "refresh_token": "refresh-0", "token_url": f"{provider.url}/token"}


def send(over: SmtpTransport) -> None:
    told: list[object] = []
    try:
        parcel = Parcel(1, *ENVELOPE, MAIL)
        over.deliver("smarthost", iter([parcel]), lambda _parcel, result: told.append(result), lambda: None)
    finally:
        over.close()
    assert told == ["2.0.0 kept"]


def test_oauthbearer_is_taken_where_it_is_offered(provider: Provider, tmp_path: Path) -> None:
    with Both(good={"access-1"}) as server:
        send(transport(server, tmp_path, **refreshed(provider)))
        assert server.words == [
            f"n,a=crm=2C=3D@firma.example,\1host=127.0.0.1\1port={server.port}\1auth=Bearer access-1\1\1"
        ]
        assert len(server.mails) == 1


def test_xoauth2_is_taken_where_there_is_nothing_else(provider: Provider, tmp_path: Path) -> None:
    with Old(good={"access-1"}) as server:
        over = transport(server, tmp_path, mechanism="oauthbearer", **refreshed(provider))
        send(over)
        send(over)
        assert server.words == ["user=crm,=@firma.example\1auth=Bearer access-1\1\1"] * 2
        assert len(provider.requests) == 1  # the token is kept while it lives


def test_a_server_without_either_is_a_configuration_error(provider: Provider, tmp_path: Path) -> None:
    with Bearer() as server, pytest.raises(ConfigError, match=r"OAUTHBEARER, XOAUTH2.*LOGIN PLAIN.*smarthost\.host"):
        send(transport(server, tmp_path, **refreshed(provider)))


@pytest.mark.parametrize(("kind", "acknowledged"), [(Both, b"AQ=="), (Old, b"")])
def test_a_void_token_is_replaced_once(
    kind: type[Bearer], acknowledged: bytes, provider: Provider, tmp_path: Path
) -> None:
    with kind(good={"access-2"}) as server:
        send(transport(server, tmp_path, **refreshed(provider)))
        assert server.acknowledged == [acknowledged]
        assert [word.partition("Bearer ")[2].strip("\1") for word in server.words] == ["access-1", "access-2"]
        assert len(server.mails) == 1


@pytest.mark.parametrize(("kind", "acknowledged"), [(Both, b"AQ=="), (Old, b"")])
def test_a_login_that_stays_refused_says_why_and_shows_no_token(
    kind: type[Bearer], acknowledged: bytes, provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "mailcrm")
    with kind() as server:
        with pytest.raises(LoginFailed, match=r"535 5\.7\.8 bad credentials status=invalid_token scope=h.*oauth") as it:
            send(transport(server, tmp_path, **refreshed(provider)))
        assert server.acknowledged == [acknowledged] * 2
    assert len(provider.requests) == 2  # once anew, and no more
    assert not [text for text in (str(it.value), caplog.text) if "access-" in text or "refresh-" in text]


@pytest.mark.parametrize("echo", ["TOKEN", "so TOKEN\x1b[2J"])
def test_a_server_that_repeats_the_token_puts_it_into_no_error(echo: str, provider: Provider, tmp_path: Path) -> None:
    with Both(verdict=f"535 5.7.8 {echo}") as server, pytest.raises(LoginFailed) as caught:
        send(transport(server, tmp_path, **refreshed(provider)))
    assert "access-" not in str(caught.value)
    with (
        Old(report={"status": "access-3 access-4 is void"}) as server,
        pytest.raises(LoginFailed) as caught,
    ):
        send(transport(server, tmp_path, **refreshed(provider)))
    assert "access-" not in str(caught.value)


@pytest.mark.parametrize(
    "report", [b"not base64!", b"", b"W10=", b"Ww==", ["status"], None, {"status": {"a": [1] * 900}}]
)
def test_a_report_that_makes_no_sense_changes_nothing(report: Any, provider: Provider, tmp_path: Path) -> None:
    with Both(report=report) as server, pytest.raises(LoginFailed, match=r"535 5\.7\.8 bad") as caught:
        send(transport(server, tmp_path, **refreshed(provider)))
    assert len(str(caught.value)) < 600


def test_a_server_that_asks_on_and_on_is_left(provider: Provider, tmp_path: Path) -> None:
    with Both(verdict="334 Zm9v") as server, pytest.raises(LoginFailed, match="535 status=invalid_token"):
        send(transport(server, tmp_path, **refreshed(provider)))
    with Both(verdict="235 2.7.0 well, yes") as server, pytest.raises(LoginFailed):  # after an error report
        send(transport(server, tmp_path, **refreshed(provider)))


def test_a_passing_fault_costs_no_token(provider: Provider, tmp_path: Path) -> None:
    with Both(report=None, verdict="454 4.7.0 try later") as server, pytest.raises(Unreachable, match="454"):
        send(transport(server, tmp_path, **refreshed(provider)))
    assert len(provider.requests) == 1


def test_a_long_token_follows_the_go_ahead(tmp_path: Path) -> None:
    long = "t" * 600  # RFC 5321: a command has at most 512 bytes
    with Both(good={long}) as server:
        send(transport(server, tmp_path, command=["/bin/echo", long]))
        assert (server.asks_first, len(server.mails)) == (1, 1)


def test_a_command_that_prints_the_same_token_again_is_asked_no_further(tmp_path: Path) -> None:
    with Both() as server:
        with pytest.raises(LoginFailed) as caught:
            send(transport(server, tmp_path, command=["/bin/echo", "token-of-command"]))
        assert len(server.words) == 1
    assert "token-of-command" not in str(caught.value)


def test_a_refresh_token_that_is_void_names_the_mend(provider: Provider, tmp_path: Path) -> None:
    provider.refresh_token = "another"
    with Both() as server, pytest.raises(LoginFailed, match=r"set smarthost\.oauth\.refresh_token"):
        send(transport(server, tmp_path, **refreshed(provider)))


def test_an_account_without_a_name_is_a_configuration_error(provider: Provider, tmp_path: Path) -> None:
    with Both() as server:
        server.login = None
        with pytest.raises(ConfigError, match=r"smarthost\.login"):
            send(transport(server, tmp_path, **refreshed(provider)))


def test_one_login_serves_reading_and_sending(provider: Provider, tmp_path: Path) -> None:
    """`mailbox login` keeps the refresh token encrypted, and the mailbox's own server for sending uses it too."""
    with Both(good={"access-1"}, login="anna") as server:
        oauth = {"client_id": "crm", "token_url": f"{provider.url}/token"}
        mailbox = {"host": "127.0.0.1", "login": "anna", "oauth": oauth}
        sending = {"host": "127.0.0.1", "port": server.port, "tls": "none", "login": "anna", "oauth": oauth}
        data = {
            "users": {"anna": {"email": "anna@firma.example"}},
            "mailboxes": {"anna": {"user": "anna", **mailbox, "submission": sending}},
        }
        settings = config.parse(data, base=tmp_path)
        TokenFile(settings, "anna").write("refresh-0", None)
        files = [each for each in (tmp_path / "data").rglob("*") if each.is_file()]
        assert files
        assert not [each for each in files if b"refresh-0" in each.read_bytes()]
        SmtpTransport(settings).probe("anna")
        assert server.words == [f"n,a=anna,\1host=127.0.0.1\1port={server.port}\1auth=Bearer access-1\1\1"]
