"""Mail files, and ``mailcrm parse``."""

from __future__ import annotations

import hashlib
import json
import mailbox
from pathlib import Path

import pytest

from mailcrm.cli.app import main
from mailcrm.mail.files import messages
from tests.unit.mails import HEAD, mail, multipart

ONE, TWO = mail(b"From: a@x.example", b"Subject: one"), mail(b"From: b@x.example", b"Subject: two")
FROM = b"From a@x.example Mon Jan  1 10:00:00 2024\n"


def test_an_eml_with_an_mbox_line_is_one_message(tmp_path: Path) -> None:
    raw = FROM + ONE + b"\n" + FROM + b"is quoted here\n"
    (tmp_path / "a.eml").write_bytes(raw)
    assert list(messages(tmp_path / "a.eml")) == [(str(tmp_path / "a.eml"), raw)]


def test_an_mbox_is_several(tmp_path: Path) -> None:
    body = b"From there on we go\n>From here too\nfrom Mon\n"
    raw = FROM + HEAD + b"\r\n" + body + b"\n" + FROM.replace(b"\n", b"\r\n") + TWO + b"\r\n"
    raw += b"From - Tue Jan 02 10:00:00 2024\n" + ONE
    (tmp_path / "box").write_bytes(raw)
    found = list(messages(tmp_path / "box"))
    assert [label for label, _ in found] == [f"{tmp_path / 'box'}#{n}" for n in (1, 2, 3)]
    assert found[0][1] == HEAD + b"\r\n" + body + b"\n"
    assert found[1][1] == TWO + b"\r\n"
    assert found[2][1] == ONE


def test_the_standard_library_s_mbox_is_read(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "m.mbox")
    for number in range(20):
        box.add(mail(b"Subject: %d" % number, body=b"From me\n\nFrom you\n" * number))
    box.close()
    found = [raw for _, raw in messages(tmp_path / "m.mbox")]
    assert [raw.split(b"\n")[0].strip() for raw in found] == [b"Subject: %d" % number for number in range(20)]


def test_folders_of_many_kinds(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "Maildir")
    box.add(ONE)
    box.add_folder("Sent").add(TWO)
    (tmp_path / "Maildir" / "dovecot.index").write_bytes(b"From: no mail")
    (tmp_path / "Maildir" / "tmp" / "x").write_bytes(ONE)
    deep = tmp_path / "folder" / "deep"
    deep.mkdir(parents=True)
    (deep / "b.eml").write_bytes(TWO)
    (deep / "00001.7c53336b").write_bytes(b"Return-Path: <a@x.example>\n" + ONE)
    (deep / "notes.txt").write_bytes(b"no mail at all")
    (deep / ".hidden.eml").write_bytes(TWO)
    labels = [str(Path(label).relative_to(tmp_path)) for label, _ in messages(tmp_path)]
    assert [label for label in labels if label.startswith("folder")] == [
        "folder/deep/00001.7c53336b",
        "folder/deep/b.eml",
    ]
    maildir = [label for label in labels if label.startswith("Maildir")]
    assert [Path(label).parent.as_posix() for label in maildir] == ["Maildir/.Sent/new", "Maildir/new"]
    assert len(labels) == 4


def test_what_can_t_be_read_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.eml").symlink_to(tmp_path / "gone")
    (tmp_path / "b.eml").mkdir()
    (tmp_path / "c.eml").write_bytes(ONE)
    reports: list[tuple[str, str]] = []
    found = list(messages(tmp_path, lambda label, reason: reports.append((label, reason))))
    found += messages(tmp_path / "a.eml", lambda label, reason: reports.append((label, reason)))
    assert [raw for _, raw in found] == [ONE]
    assert reports == [(str(tmp_path / "a.eml"), "No such file or directory")]


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_parse_prints_a_row_for_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pdf = b"Content-Type: application/pdf; name=a.pdf\r\n\r\n%PDF"
    quote = b"On Mon, Jan 1, 2024 at 9:00 AM A <a@x.example> wrote:\r\n> Czy?\r\n"
    plain = b"Content-Type: text/plain; charset=utf-8\r\n\r\nTak.\r\n\r\n" + quote
    (tmp_path / "1.eml").write_bytes(
        b"Date: Mon, 1 Jan 2024 10:00:00 +0100\r\nMessage-ID: <1@x>\r\n" + multipart(plain, pdf)
    )
    (tmp_path / "2.eml").write_bytes(b"")
    (tmp_path / "3.eml").write_bytes(TWO)
    before = sorted(tmp_path.rglob("*"))
    assert main(["--config", str(tmp_path / "none.toml"), "parse", str(tmp_path), "--json"]) == 0
    first, second, third = rows(capsys)
    assert first["file"] == str(tmp_path / "1.eml")
    assert first["error"] is None
    assert first["from"] == {"name": "Jan Kowalski", "email": "jan@klient.example"}
    assert first["to"] == [{"name": "", "email": "anna@firma.example"}]
    assert (first["message_id"], first["subject"], first["date"]) == ("1@x", "Oferta", "2024-01-01T09:00:00Z")
    assert (first["kind"], first["direction"], first["reply_text"]) == ("human", "in", "Tak.")
    assert first["bounce"] is None
    assert first["forwarded_from"] is None
    sha256 = hashlib.sha256(b"%PDF").hexdigest()
    assert first["attachments"] == [{"name": "a.pdf", "type": "application/pdf", "size": 4, "sha256": sha256}]
    assert (second["error"], second["kind"], second["from"]) == ("an empty message", None, None)
    assert second.keys() == first.keys()
    assert third["subject"] == "two"
    assert sorted(tmp_path.rglob("*")) == before


def test_parse_knows_who_we_are_from_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.toml").write_text('domains = ["klient.example"]\n')
    (tmp_path / "1.eml").write_bytes(HEAD + b"\r\nx")
    assert main(["--config", str(tmp_path / "config.toml"), "parse", str(tmp_path / "1.eml"), "--json"]) == 0
    assert rows(capsys)[0]["direction"] == "out"


def test_parse_fails_for_a_path_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "1.eml").write_bytes(ONE)
    arguments = ["parse", str(tmp_path / "gone"), str(tmp_path / "1.eml"), "--json"]
    assert main(["--config", str(tmp_path / "none.toml"), *arguments]) == 1
    assert sorted(str(row["error"]) for row in rows(capsys)) == ["No such file or directory", "None"]
