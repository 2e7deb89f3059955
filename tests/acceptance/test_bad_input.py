"""Hostile and broken mail, end to end: each piece has a clear outcome, and the rest of the mailbox goes on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.called import called
from tests.program import mailbox
from tests.servers.pymap import Pymap

HEAD = (
    b"From: Ewa <ewa@klient.example>\r\nTo: anna@firma.example\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n"
    b"MIME-Version: 1.0\r\n"
)
LATER = HEAD.replace(b"08:00", b"08:30")


def letter(name: str, fields: bytes = b"", body: bytes = b"x", head: bytes = HEAD) -> bytes:
    named = b"Message-ID: <%s@klient.example>\r\nSubject: About %s\r\n" % (name.encode(), name.encode())
    return head + named + fields + b"\r\n" + body + b"\r\n"


def nested(levels: int) -> bytes:
    part = b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n"
    return b"".join(part % (level, level + 1) for level in range(levels))


TOKEN = b"q.1.0123456789abcdef.0123456789abcdef0123456789abcdef@firma.example"
STORED = {
    "malformed": letter(
        "malformed", b"Content-Type: multipart/mixed; boundary=\r\nSubject\r\n: nothing\r\n", b"--\r\n--"
    ),
    "charset": letter("charset", b"Content-Type: text/plain; charset=x-klingon\r\n", b"Za\xbf\xf3\xb3\xe6"),
    "nul": letter("nul", b"X-Nul: a\0b\r\n", b"be\0fore"),
    "many": letter("many", b"Cc: " + b",\r\n ".join(b"p%d@inna.example" % n for n in range(10_000)) + b"\r\n"),
    "no-date": letter("no-date", head=HEAD.replace(b"Date:", b"X-Date:")),
    "no-from": letter("no-from", b"Cc: ewa@klient.example\r\n", head=HEAD.replace(b"From:", b"X-From:")),
    "twice": letter("twice", body=b"first"),
    "forged": letter("forged", b"In-Reply-To: <" + TOKEN + b">\r\nReferences: <" + TOKEN + b">\r\n", b"1"),
    "path": letter(
        "path",
        b'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="../../../etc/passwd"\r\n',
        b"PDF",
    ),
}
AGAIN = letter("twice", body=b"second", head=LATER)


def in_parts(count: int) -> bytes:
    fields = b"Content-Type: multipart/mixed; boundary=b\r\n"
    return letter("parts", fields, b"--b\r\n\r\nx\r\n" * count + b"--b--")


REFUSED = {
    "deep": (letter("deep", b"Content-Type: multipart/mixed; boundary=b0\r\n", nested(1000)), "nested deeper than"),
    "parts": (in_parts(100_000), "more than 2000 parts"),
    "empty": (b"\r\n\r\n", "an empty message"),
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def settings() -> dict[str, Any]:
    """A configuration with one mailbox that files feed."""
    return {
        "domains": ["firma.example"],
        "users": {"anna": {"email": "anna@firma.example", "name": "Anna Nowak"}},
        "mailboxes": {"anna": {"user": "anna"}},
        "web": {"secret": "thirty-two characters, more or less"},
    }


@pytest.fixture
def run(tmp_path: Path, settings: dict[str, Any], migrated_sqlite: Path) -> Run:
    """Runs a command: exit code, output, errors."""
    shutil.copy(migrated_sqlite, tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        config = tmp_path / "config.toml"
        config.write_bytes(msgspec.toml.encode(settings))
        done = called("--config", str(config), *arguments)
        return done.code, done.out, done.err

    return call


def rows(run: Run, *arguments: str) -> list[dict[str, Any]]:
    code, out, errors = run(*arguments, "--json")
    assert code == 0, errors
    return [json.loads(line) for line in out.splitlines()]


def found(run: Run, folder: Path) -> dict[str, dict[str, Any]]:
    """Checks what became of all of it. Returns the messages by name, of the two with one name the later."""
    messages = rows(run, "message", "list")
    named = {row["message_id"].partition("@")[0]: row for row in reversed(messages)}
    assert set(named) == {*STORED, "good"}
    assert [row["text"] for row in messages if row["message_id"].startswith("twice")] == ["second", "first"]
    assert named["charset"]["text"].startswith("Za")
    assert "\0" not in json.dumps(named["nul"])
    assert len(named["many"]["cc"]) == 10_000
    assert named["no-from"]["from"] is None
    assert named["no-date"]["date"] is not None  # when it was received
    assert [each["name"] for each in named["path"]["attachments"]] == ["passwd"]
    assert {path.parent.parent for path in folder.rglob("*") if re.fullmatch("[0-9a-f]{64}", path.name)} == {
        folder / "data" / "files"
    }
    aside = rows(run, "quarantine", "list")
    for _, reason in REFUSED.values():
        assert sum(reason in row["reason"] for row in aside) == 1, (reason, aside)
    assert len(aside) == len(REFUSED)
    assert [row["emails"] for row in rows(run, "person", "list")] == [["ewa@klient.example"]]  # not the 10,000
    assert rows(run, "choice", "list") == []
    return named


def test_files_with_all_of_it(run: Run, tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    everything = STORED | {"twice-2": AGAIN, "zz": letter("good")} | {name: raw for name, (raw, _) in REFUSED.items()}
    for name, raw in everything.items():
        (box / f"{name}.eml").write_bytes(raw)
    command = ("--now", "2026-11-22T09:00:00Z", "ingest", str(box), "--mailbox", "anna")
    (told,) = rows(run, *command)
    assert (told["stored"], told["quarantined"]) == (len(STORED) + 2, len(REFUSED))
    found(run, tmp_path)
    (again,) = rows(run, *command)
    assert (again["stored"], again["persons"]) == (0, 0)
    found(run, tmp_path)
    code, _, errors = run("quarantine", "retry")
    assert (code, errors) == (1, f"0 stored, {len(REFUSED)} still unreadable\n")


def test_mailbox_with_all_of_it(run: Run, settings: dict[str, Any], pymap: Pymap, tmp_path: Path) -> None:
    user = pymap.new_user()
    settings["mailboxes"]["anna"] = mailbox("anna", pymap, user)
    first, then = dict(list(STORED.items())[:4]), dict(list(STORED.items())[4:])
    deep = letter("deep", b"Content-Type: multipart/mixed; boundary=b0\r\n", nested(100))  # more is too much for pymap,
    parts = in_parts(2_100)  # and what we read in no time keeps it busy for a quarter of a minute
    for raw in [*first.values(), deep]:
        pymap.deliver(user, raw)
    assert rows(run, "sync")[0]["stored"] == len(first)
    for raw in [parts, REFUSED["empty"][0], *then.values(), AGAIN, letter("good")]:
        pymap.deliver(user, raw)
    (told,) = rows(run, "sync")
    assert (told["stored"], told["unreadable"]) == (len(then) + 2, 2)
    found(run, tmp_path)
    (idle,) = rows(run, "sync")
    assert (idle["stored"], idle["unreadable"]) == (0, 0)


def test_a_hundred_megabytes_attached(run: Run, tmp_path: Path) -> None:
    size = 100_000_000
    path = tmp_path / "big.eml"
    head = letter("big", b'Content-Type: application/zip; name="big.zip"\r\n', b"")
    with path.open("wb") as file:
        file.write(head.rstrip(b"\r\n") + b"\r\n\r\n")
        for _ in range(100):
            file.write(b"0123456789" * (size // 1000))
    (tmp_path / "next.eml").write_bytes(letter("good"))
    (told,) = rows(run, "ingest", str(path), str(tmp_path / "next.eml"), "--mailbox", "anna")
    assert (told["stored"], told["quarantined"]) == (2, 0)
    (big,) = rows(run, "message", "show", "big@klient.example")
    assert [(each["name"], each["size"]) for each in big["attachments"]] == [("big.zip", size)]


@pytest.mark.parametrize(
    ("change", "key", "mend"),
    [
        ({"password": "not this one"}, "mailboxes.anna", "password"),
        ({"password": {"env": "MAILCRM_NO_SUCH_VARIABLE"}}, "mailboxes.anna.password", "MAILCRM_NO_SUCH_VARIABLE"),
        ({"password": {"file": "no-such-file"}}, "mailboxes.anna.password", "no-such-file"),
        ({"host": "no-such-host.invalid"}, "mailboxes.anna", "host"),
        ({"port": 1}, "mailboxes.anna", "127.0.0.1:1"),
        ({"tls": "starttls"}, "mailboxes.anna", "tls"),
        ({"tls": "explicit"}, "mailboxes.anna.tls", "starttls"),
        ({"port": "many"}, "mailboxes.anna.port", "int"),
        ({"user": "nobody"}, "mailboxes.anna", "nobody"),
        ({"backfill_since": "ages"}, "mailboxes.anna.backfill_since", "1y"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_do(
    run: Run, settings: dict[str, Any], pymap: Pymap, change: dict[str, Any], key: str, mend: str
) -> None:
    settings["mailboxes"]["anna"] = mailbox("anna", pymap, pymap.new_user()) | change
    code, _, errors = run("sync")
    assert code == 1
    assert errors.count("\n") == 1, errors
    assert key in errors
    assert mend in errors
    assert "not this one" not in errors
