"""Access tokens: refreshed, kept, rotated; the device flow; and no secret in any error."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mailcrm import config as configuration
from mailcrm.config import Config, OAuth
from mailcrm.errors import ConfigError, LoginFailed, MailcrmError, Refused, Temporary
from mailcrm.mail.oauth import AccessToken, Tokens, token
from mailcrm.mail.oauth_device import await_consent, invite
from tests.servers.oauth import Provider
from tests.servers.process import free_port

KEY = "mailboxes.anna.oauth"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def section(provider: Provider, **changes: Any) -> OAuth:
    values: dict[str, Any] = {
        "refresh_token": "refresh-0",
        "client_id": "crm",
        "client_secret": "client-secret",
        "token_url": f"{provider.url}/token",
        "device_url": f"{provider.url}/device",
        "scope": "mail offline_access",
    }
    return OAuth(**values | changes)


def config(folder: Path, secret: str = "web-secret") -> Config:
    return configuration.parse({"web": {"secret": secret}}, base=folder)


def test_a_refresh_token_buys_an_access_token(provider: Provider, tmp_path: Path) -> None:
    assert token(section(provider), config(tmp_path), KEY) == AccessToken("access-1", 3600)
    [(path, form)] = provider.requests
    assert path == "/token"
    assert form == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-0",
        "client_id": "crm",
        "client_secret": "client-secret",
        "scope": "mail offline_access",
    }


def test_a_token_is_kept_until_shortly_before_it_expires(provider: Provider, tmp_path: Path) -> None:
    now = 1000.0
    tokens = Tokens(config(tmp_path), clock=lambda: now)
    oauth = section(provider)
    assert {tokens.token(oauth, KEY).value for _ in range(3)} == {"access-1"}
    now += 3600 - 61
    assert tokens.token(oauth, KEY).value == "access-1"
    now += 2
    assert tokens.token(oauth, KEY).value == "access-2"


def test_a_refused_token_is_replaced(provider: Provider, tmp_path: Path) -> None:
    tokens = Tokens(config(tmp_path))
    tokens.token(section(provider), KEY)
    tokens.forget(KEY)
    assert tokens.token(section(provider), KEY).value == "access-2"


def test_a_rotated_refresh_token_is_used_from_then_on(provider: Provider, tmp_path: Path) -> None:
    for number in (1, 2, 3):  # each time as after a restart
        assert token(section(provider), config(tmp_path), KEY).value == f"access-{number}"


def test_another_configured_refresh_token_replaces_the_rotated_one(provider: Provider, tmp_path: Path) -> None:
    token(section(provider), config(tmp_path), KEY)
    provider.refresh_token = "by-hand"
    assert token(section(provider, refresh_token="by-hand"), config(tmp_path), KEY).value == "access-2"


def test_threads_that_want_a_token_at_once_use_the_refresh_token_once(provider: Provider, tmp_path: Path) -> None:
    tokens = Tokens(config(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: tokens.token(section(provider), KEY).value, range(8)))
    assert set(found) == {"access-1"}
    assert len(provider.requests) == 1


def test_stored_tokens_are_encrypted_and_private(provider: Provider, tmp_path: Path) -> None:
    token(section(provider), config(tmp_path), "mailboxes.../anna.oauth")
    folder = tmp_path / "data" / "tokens"
    [file] = [path for path in folder.iterdir() if path.suffix != ".lock"]
    assert file.parent == folder
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert b"refresh" not in file.read_bytes()
    assert list((tmp_path / "data").rglob("anna*")) == []  # the name of a mailbox leads out of no folder


def test_another_web_secret_asks_for_a_new_login(provider: Provider, tmp_path: Path) -> None:
    token(section(provider), config(tmp_path), KEY)
    with pytest.raises(LoginFailed, match="mailcrm mailbox login anna"):
        token(section(provider), config(tmp_path, "another"), KEY)


def test_without_web_secret_a_key_is_kept_in_the_data_folder(provider: Provider, tmp_path: Path) -> None:
    plain = configuration.parse({}, base=tmp_path)
    token(section(provider), plain, KEY)
    assert token(section(provider), plain, KEY).value == "access-2"


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (
            (400, {"error": "invalid_grant", "error_description": "refresh-0"}),
            LoginFailed,
            "mailcrm mailbox login anna",
        ),
        ((401, {"error": "invalid_client"}), ConfigError, "client_id"),
        ((400, {"error": "invalid_scope"}), ConfigError, "mailboxes.anna.oauth.scope"),
        ((400, {"error": "weird_code"}), ConfigError, "weird_code"),
        ((400, {"error": "refresh-0 is bad"}), ConfigError, "OAuth2"),
        ((503, b"busy refresh-0"), Temporary, "HTTP 503"),
        ((429, {}), Temporary, "HTTP 429"),
        ((200, b"<html>refresh-0</html>"), ConfigError, "OAuth2"),
        ((200, b"\xff\xfe"), ConfigError, "OAuth2"),
        ((200, {"access_token": 7}), ConfigError, "OAuth2"),
        ((200, {"token": "x"}), ConfigError, "access token"),
        ((200, {"access_token": "a\r\nb"}), ConfigError, "access token"),
        ((302, {}), ConfigError, "HTTP 302"),
        ((307, {}), ConfigError, "HTTP 307"),
    ],
)
def test_each_refusal_says_what_to_do_and_no_secret(
    provider: Provider, tmp_path: Path, answer: Any, error: type[MailcrmError], says: str
) -> None:
    provider.answers = [answer]
    with pytest.raises(error) as caught:
        token(section(provider), config(tmp_path), KEY)
    assert says in str(caught.value)
    assert KEY in str(caught.value)
    assert "refresh-0" not in str(caught.value)
    assert "client-secret" not in str(caught.value)
    assert len(provider.requests) == 1  # no redirect was followed


def test_a_provider_that_is_away_is_a_temporary_failure(provider: Provider, tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="check the address"):
        token(section(provider, token_url=f"http://127.0.0.1:{free_port()}/"), config(tmp_path), KEY)


@pytest.mark.parametrize("url", ["http://login.example/token", "ftp://127.0.0.1/", "file:///etc/passwd", "nonsense"])
def test_secrets_travel_encrypted_only(provider: Provider, tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="https://"):
        token(section(provider, token_url=url), config(tmp_path), KEY)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"refresh_token": None}, LoginFailed, "mailcrm mailbox login anna"),
        ({"token_url": ""}, ConfigError, "token_url"),
        ({"client_id": ""}, ConfigError, "client_id"),
    ],
)
def test_what_is_missing_is_named(
    provider: Provider, tmp_path: Path, changes: dict[str, Any], error: type[MailcrmError], says: str
) -> None:
    with pytest.raises(error, match=says):
        token(section(provider, **changes), config(tmp_path), KEY)


def test_tokens_do_not_show_in_representations(provider: Provider, tmp_path: Path) -> None:
    found = token(section(provider), config(tmp_path), KEY)
    assert "access-1" not in repr(found)
    assert "device-code" not in repr(invite(section(provider), config(tmp_path), KEY))


class TestCommand:
    def test_its_output_is_the_token(self, tmp_path: Path) -> None:
        oauth = OAuth(command=(sys.executable, "-c", "print('from-command')"))
        assert Tokens(config(tmp_path)).token(oauth, KEY).value == "from-command"

    @pytest.mark.parametrize(
        ("program", "says"),
        [
            ("import sys; sys.exit('secret-stuff')", "ended with 1"),
            ("print('secret-stuff two')", "one access token"),
            ("print('')", "one access token"),
            ("print('żeton')", "one access token"),
        ],
    )
    def test_its_failure_is_told_without_its_output(self, tmp_path: Path, program: str, says: str) -> None:
        with pytest.raises(LoginFailed, match=says) as caught:
            token(OAuth(command=(sys.executable, "-X", "utf8", "-c", program)), config(tmp_path), KEY)
        assert "secret-stuff" not in str(caught.value)

    def test_its_absence_is_a_fault_of_the_configuration(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"mailboxes\.anna\.oauth\.command"):
            token(OAuth(command=("/nonexistent",)), config(tmp_path), KEY)


class TestDeviceFlow:
    def login(self, provider: Provider, folder: Path) -> list[float]:
        slept: list[float] = []
        oauth = section(provider, refresh_token=None)
        invitation = invite(oauth, config(folder), KEY)
        assert (invitation.page, invitation.user_code) == (f"{provider.url}/activate", "ABCD-EFGH")
        await_consent(oauth, config(folder), KEY, invitation, sleep=slept.append, clock=lambda: sum(slept))
        return slept

    def test_the_rep_agrees_and_tokens_flow(self, provider: Provider, tmp_path: Path) -> None:
        provider.waits = 2
        assert self.login(provider, tmp_path) == [5, 5, 5]
        oauth = section(provider, refresh_token=None)
        assert token(oauth, config(tmp_path), KEY).value == "access-2"
        assert token(oauth, config(tmp_path), "mailboxes.anna.submission.oauth").value == "access-3"

    def test_it_asks_less_often_when_told_so_or_when_nobody_answers(self, provider: Provider, tmp_path: Path) -> None:
        codes = {"device_code": "device-code", "user_code": "ABCD-EFGH", "verification_url": f"{provider.url}/activate"}
        provider.answers = [(200, codes), (400, {"error": "slow_down"}), (503, b"")]
        assert self.login(provider, tmp_path) == [5, 10, 20]

    def test_a_refusal_by_the_rep_is_told(self, provider: Provider, tmp_path: Path) -> None:
        oauth = section(provider)
        invitation = invite(oauth, config(tmp_path), KEY)
        provider.answers = [(400, {"error": "access_denied"})]
        with pytest.raises(Refused, match="declined"):
            await_consent(oauth, config(tmp_path), KEY, invitation, sleep=lambda _: None)

    def test_an_expired_code_is_told(self, provider: Provider, tmp_path: Path) -> None:
        provider.waits = 10**6
        with pytest.raises(Refused, match="expired"):
            self.login(provider, tmp_path)

    def test_a_provider_without_refresh_token_is_told(self, provider: Provider, tmp_path: Path) -> None:
        oauth = section(provider)
        invitation = invite(oauth, config(tmp_path), KEY)
        provider.answers = [(200, {"access_token": "only"})]
        with pytest.raises(ConfigError, match="offline_access"):
            await_consent(oauth, config(tmp_path), KEY, invitation, sleep=lambda _: None)

    def test_a_page_that_is_no_page_is_refused(self, provider: Provider, tmp_path: Path) -> None:
        provider.answers = [(200, {"device_code": "d", "user_code": "u", "verification_uri": "javascript:alert(1)"})]
        with pytest.raises(ConfigError, match="sent no code"):
            invite(section(provider), config(tmp_path), KEY)

    def test_the_section_must_name_the_device_url(self, provider: Provider, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="device_url is missing"):
            invite(msgspec.structs.replace(section(provider), device_url=""), config(tmp_path), KEY)
