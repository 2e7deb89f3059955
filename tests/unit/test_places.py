"""Where things lie on disk: a fault is one line that names the key, of every command and of ``check``."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mailcrm.cli.app import main

US = "[users.anna]\nemail = 'anna@firma.example'\n"


@pytest.mark.parametrize(
    ("text", "probe", "words"),
    [
        ("data_dir = 'file/data'", "data_dir", "can't make {folder}/file/data: Not a directory; name one where"),
        ("data_dir = 'file'", "data_dir", "can't make {folder}/file: File exists; name one where"),
        (
            "database = 'sqlite:///gone/crm.db'",
            "database",
            "there is no folder {folder}/gone; make it, or name another",
        ),
        ("database = 'sqlite:///file'", "database", "the file of `database` is no SQLite database; name another"),
        ("database = 'sqlite:///later.db'", "database", "written by a newer version of mailcrm"),
    ],
)
def test_a_place_that_can_not_be_used_is_told_with_its_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, probe: str, words: str
) -> None:
    (tmp_path / "file").write_text("neither a folder nor a database")
    with closing(sqlite3.connect(tmp_path / "later.db")) as later:
        later.executescript("CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('9999')")
    config = tmp_path / "config.toml"
    config.write_text(f"{text}\n{US}", encoding="utf-8")
    words = words.format(folder=tmp_path)

    assert main(["--config", str(config), "person", "list"]) == 1
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert words in errors

    assert main(["--config", str(config), "check", "--json"]) == 1
    found = {row["check"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert found[probe]["state"] == "fault"
    assert words in found[probe]["text"]
