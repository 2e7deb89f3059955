"""An import that is killed and started again ends as one that was not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import Table, func, select
from sqlalchemy.exc import OperationalError

from mailcrm.errors import Temporary
from mailcrm.store import tables
from mailcrm.store.db import Database
from tests.servers import wait_until

ROWS = 6_000


def test_kill_in_the_middle_and_a_second_run(tmp_path: Path) -> None:  # DATA-7
    (tmp_path / "config.toml").write_text('[users.anna]\nemail = "anna@firma.example"\n')
    lines = [f"Jan {n},jan{n}@a{n % 50}.example,Firma {n % 50},hurt,Uwaga {n}" for n in range(ROWS)]
    (tmp_path / "rows.csv").write_text("\n".join(["Name,Email,Company,Label,Note", *lines, ""]))
    command = [sys.executable, "-m", "mailcrm.cli.app", "import", "rows.csv", "--as", "persons"]
    database = Database(f"sqlite:///{tmp_path / 'mailcrm.db'}")

    def count(table: Table = tables.person) -> int:
        try:
            with database.read() as connection:
                return connection.scalar(select(func.count()).select_from(table)) or 0
        except (Temporary, OperationalError):  # not made yet
            return 0

    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(count, seconds=30, what="the first batch")
    running.kill()
    running.wait()
    assert 0 < count() < ROWS
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "0 failed" in done.stdout
    assert {
        table.name: count(table) for table in (tables.person, tables.person_address, tables.person_tag, tables.note)
    } == {
        "person": ROWS,
        "person_address": ROWS,
        "person_tag": ROWS,
        "note": ROWS,
    }
    assert count(tables.organization) == 50
    database.close()
