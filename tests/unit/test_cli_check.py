"""``mailcrm check``: each fault with its mend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailcrm.cli.app import main
from tests.servers import Sink
from tests.servers.pymap import Pymap

US = '[users.anna]\nemail = "anna@firma.example"\n'


def check(path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit code, and check -> (state, text)."""
    config = path / "config.toml"
    config.write_text(text, encoding="utf-8")
    code = main(["--config", str(config), "check", "--json"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return code, {each["check"]: (each["state"], each["text"]) for each in found}


def test_what_is_well_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sink: Sink, pymap: Pymap
) -> None:
    user = pymap.new_user()
    text = f"""
    domains = ["firma.example"]
    {US}
    [mailboxes.anna]
    user = "anna"
    host = "127.0.0.1"
    port = {pymap.port}
    tls = "none"
    login = "{user}"
    password = "{pymap.PASSWORD}"
    [smarthost]
    host = "127.0.0.1"
    port = {sink.port}
    tls = "none"
    """
    code, found = check(tmp_path, text, capsys)
    assert code == 0, found
    assert found["mailbox anna"] == ("ok", "1 folders are read")
    assert (found["smarthost"][0], found["database"][0], found["plugins"][0]) == ("ok", "ok", "ok")


def test_every_fault_is_found_in_one_go(tmp_path: Path, capsys: pytest.CaptureFixture[str], pymap: Pymap) -> None:
    user = pymap.new_user()
    text = f"""
    database = "postgresql+psycopg://mailcrm:hidden@127.0.0.1:1/none"
    {US}
    [mailboxes.anna]
    user = "anna"
    host = "127.0.0.1"
    port = {pymap.port}
    tls = "none"
    login = "{user}"
    password = "not this one"
    [mailboxes.away]
    user = "anna"
    host = "127.0.0.1"
    port = 1
    login = "anna"
    password = {{ env = "MAILCRM_NO_SUCH_VARIABLE" }}
    [smarthost]
    host = "127.0.0.1"
    port = 1
    [web]
    secret = "short"
    [lmtp]
    listen = "nowhere"
    drop_box = "crm@firma.example"
    [plugins]
    block = ["subject_tga"]
    """
    code, found = check(tmp_path, text, capsys)
    assert code == 1
    mends = {
        "domains": 'set domains = ["firma.example"]',
        "database": "see the key database",
        "mailbox anna": "mailboxes.anna",
        "mailbox away": "MAILCRM_NO_SUCH_VARIABLE",
        "smarthost": "smarthost",
        "web.secret": "take 32 random ones",
        "drop-box": "write 127.0.0.1:5524",
        "plugins": "did you mean subject_tag?",
    }
    assert {name: found[name][0] for name in mends} == dict.fromkeys(mends, "fault")
    for name, mend in mends.items():
        assert mend in found[name][1], found[name]
    assert "hidden" not in str(found)
    assert "not this one" not in str(found)


def test_a_password_in_clear_text_is_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f'{US}[smarthost]\nhost = "192.0.2.1.invalid"\nport = 1\ntls = "none"\nlogin = "anna"\npassword = "x"\n'
    config = tmp_path / "config.toml"
    config.write_text(text, encoding="utf-8")
    assert main(["--config", str(config), "check"]) == 1
    assert 'in clear text; set tls = "starttls"' in capsys.readouterr().out


def test_a_configuration_that_does_not_load_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.toml"
    config.write_text("datbase = 1", encoding="utf-8")
    assert main(["--config", str(config), "check"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_each_mailboxs_own_way_out_is_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str], sink: Sink) -> None:
    text = f"""
    domains = ["firma.example"]
    {US}
    [mailboxes.anna]
    user = "anna"
    [mailboxes.anna.submission]
    host = "127.0.0.1"
    port = {sink.port}
    tls = "none"
    [mailboxes.old]
    user = "anna"
    [mailboxes.old.submission]
    host = "127.0.0.1"
    port = 1
    tls = "none"
    """
    code, found = check(tmp_path, text, capsys)
    assert code == 1
    assert found["submission anna"] == ("ok", "")
    state, words = found["submission old"]
    assert (state, "127.0.0.1:1 can't be reached" in words) == ("fault", True)


def test_what_documents_lack_is_said_before_one_is_issued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    us = f'domains = ["firma.example"]\n{US}'
    (tmp_path / "own.ttf").write_text("no font")
    code, found = check(tmp_path, f'{us}[documents]\nname = "Firma"\nfont = "own.ttf"\n', capsys)
    assert code == 1
    assert found["documents"][0] == "note"
    assert "the seller's address (documents.address" in found["documents"][1]
    assert found["documents.font"][0] == "fault"
    assert "own.ttf can't be used" in found["documents.font"][1]
    assert "documents" not in check(tmp_path, us, capsys)[1]  # who issues none is not asked for anything
