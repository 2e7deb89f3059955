"""``mailcrm mailbox`` against servers: pymap, Dovecot, and an OAuth2 provider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailcrm.cli.app import main
from tests.servers import Dovecot
from tests.servers.oauth import Provider
from tests.servers.process import free_port
from tests.servers.pymap import Pymap


class Machine:
    """A configuration and the command line that uses it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._file = folder / "config.toml"
        self._capsys = capsys
        self.said = ""

    def configure(self, text: str) -> None:
        user = '[users.anna]\nemail = "anna@firma.example"\n'
        self._file.write_text('domains = ["firma.example"]\n' + user + text)

    def run(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        """Run a command; its JSON lines, with what it told on standard error in ``said``."""
        found = main(["--config", str(self._file), "mailbox", *arguments])
        printed = self._capsys.readouterr()
        self.said = printed.err
        assert found == code, self.said
        return [json.loads(line) for line in printed.out.splitlines()]


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, capsys)


def at(port: int, login: str, password: str = "pw", more: str = "") -> str:
    return (
        f'[mailboxes.anna]\nuser = "anna"\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nlogin = "{login}"\n'
        f'password = "{password}"\n{more}'
    )


def test_list_says_whose_and_where_and_no_password(machine: Machine) -> None:
    machine.configure(at(1143, "anna", "very-secret"))
    rows = {row["mailbox"]: row for row in machine.run("list", "--json")}
    assert rows["anna"]["users"] == ["anna"]
    assert rows["anna"]["server"] == "anna@127.0.0.1:1143"
    assert rows["anna"]["state"] == "new"
    assert "very-secret" not in json.dumps(rows)


def test_test_logs_in_and_counts_folders(machine: Machine, pymap: Pymap) -> None:
    user = pymap.new_user()
    pymap.append(user, b"Subject: x\r\n\r\nx\r\n", "Trash")
    machine.configure(at(pymap.port, user))
    [row] = machine.run("test", "--json")
    assert row == {"mailbox": "anna", "ok": True, "folders": 2, "read": 1, "extensions": ["IDLE", "OBJECTID"]}


@pytest.mark.parametrize(
    ("password", "name", "says"),
    [("wrong-password", "anna", "mailboxes.anna.password"), ("pw", "ola", "no mailbox 'ola'; configured are: anna")],
)
def test_test_says_what_is_wrong_and_fails(machine: Machine, pymap: Pymap, password: str, name: str, says: str) -> None:
    machine.configure(at(pymap.port, pymap.new_user(), password))
    [row] = machine.run("test", name, "--json", code=1)
    assert not row["ok"]
    assert says in machine.said
    assert "wrong-password" not in machine.said


def test_test_goes_on_after_a_failure(machine: Machine, pymap: Pymap) -> None:
    dead = at(free_port(), "x").replace("[mailboxes.anna]", "[mailboxes.dead]")
    machine.configure(dead + at(pymap.port, pymap.new_user()))
    rows = {row["mailbox"]: row["ok"] for row in machine.run("test", "--json", code=1)}
    assert rows == {"dead": False, "anna": True}
    assert "nothing listens there" in machine.said


def test_folders_shows_which_are_read(machine: Machine, pymap: Pymap) -> None:  # DATA-15
    user = pymap.new_user()
    for folder in ("Sent", "Trash", "Klienci", "Prywatne"):
        pymap.append(user, b"Subject: x\r\n\r\nx\r\n", folder)
    machine.configure(at(pymap.port, user, more='exclude = ["Prywatne"]\n'))
    rows = {row["folder"]: (row["role"], row["read"]) for row in machine.run("folders", "anna", "--json")}
    assert rows == {
        "INBOX": ("inbox", True),
        "Sent": ("sent", True),
        "Trash": ("trash", False),
        "Klienci": ("other", True),
        "Prywatne": ("other", False),
    }


def test_pause_and_resume(machine: Machine) -> None:
    machine.configure(at(1143, "anna"))

    def state() -> tuple[str, str | None]:
        [row] = [row for row in machine.run("list", "--json") if row["mailbox"] == "anna"]
        return row["state"], row["reason"]

    machine.run("resume", "anna", code=1)
    assert "nothing to resume" in machine.said
    machine.run("pause", "anna", "--reason", "moving house")
    assert state() == ("paused", "moving house")
    machine.run("resume", "anna")
    assert state() == ("new", None)  # nothing was ever read of it: the first look is still to come
    machine.run("pause", "nobody", code=1)
    assert "no mailbox 'nobody'" in machine.said


def test_a_mailbox_without_server_can_not_be_tested(machine: Machine) -> None:
    machine.configure('[mailboxes.anna]\nuser = "anna"\n')
    machine.run("folders", "anna", "--json", code=1)
    assert "no host" in machine.said


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def oauth(port: int, login: str, provider: Provider, mechanism: str = "xoauth2") -> str:
    return (
        f'[mailboxes.anna]\nuser = "anna"\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nlogin = "{login}"\n'
        f'[mailboxes.anna.oauth]\nmechanism = "{mechanism}"\nclient_id = "crm"\nscope = "mail offline_access"\n'
        f'device_url = "{provider.url}/device"\ntoken_url = "{provider.url}/token"\n'
    )


def test_login_shows_page_and_code(machine: Machine, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    provider.answers = [
        (
            200,
            {
                "device_code": "device-code",
                "user_code": "WXYZ",
                "verification_uri": "https://a.example/d",
                "interval": 1,
            },
        )
    ]
    machine.configure(oauth(1, "anna", provider))
    machine.run("login", "anna")
    assert "https://a.example/d" in machine.said
    assert "WXYZ" in machine.said
    assert "device-code" not in machine.said


def test_login_of_a_mailbox_with_password_is_refused(machine: Machine) -> None:
    machine.configure(at(1, "anna"))
    machine.run("login", "anna", code=1)
    assert "mailboxes.anna.oauth" in machine.said


@pytest.mark.servers
@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_dovecot_takes_the_token_and_refuses_a_withdrawn_one(
    machine: Machine, provider: Provider, mechanism: str
) -> None:
    with Dovecot(oauth_url=f"{provider.url}/introspect") as server:
        machine.configure(oauth(server.port, "anna", provider, mechanism))
        [row] = machine.run("test", "--json", code=1)
        assert "mailcrm mailbox login anna" in row["fault"]
        codes = {"device_code": "device-code", "user_code": "WXYZ", "verification_uri": "https://a.example/d"}
        provider.answers = [(200, codes | {"interval": 1})]
        machine.run("login", "anna")
        [row] = machine.run("test", "--json")
        assert row["ok"]
        provider.withdrawn = True
        [row] = machine.run("test", "--json", code=1)
        assert "login was refused" in row["fault"]
        assert "access-" not in row["fault"]
