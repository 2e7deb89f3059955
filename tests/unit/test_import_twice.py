"""Whatever the rows: importing them a second time creates and changes nothing."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.app import importing
from mailcrm.app.import_file import prepare
from mailcrm.core.columns import Subject
from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from tests.house import build

NAMES = st.sampled_from(["Jan Lis", "JAN LIS", "Ewa Nowa", ""])
EMAILS = st.sampled_from(["", "a@x.example", "b@x.example", "a@y.example", "a@x.example; c@x.example"])
COMPANIES = st.sampled_from(["", "Alfa", "ALFA Sp. z o.o.", "Beta S.A."])
PHONES = st.sampled_from(["", "111 222", "111222", "333"])
VALUES = st.sampled_from(["", "100", "200"])
DAYS = st.sampled_from(["", "2025-01-01", "2025-01-02"])
WEBS = st.sampled_from(["", "x.example", "www.y.example"])

CONTACTS = st.sampled_from(
    [
        ("Jan Lis", "a@x.example", "Alfa"),
        ("Jan Lis", "b@y.example", "Beta S.A."),
        ("JAN LIS", "a@x.example", "ALFA Sp. z o.o."),
        ("Ewa Nowa", "", "Alfa"),
        ("", "c@x.example", ""),
        ("", "", "Beta S.A."),
    ]
)

PERSONS = st.tuples(NAMES, EMAILS, COMPANIES, PHONES, VALUES)
ORGANIZATIONS = st.tuples(COMPANIES, WEBS, EMAILS, VALUES)
DEALS = st.builds(lambda *cells: (*cells[:3], *cells[3]), st.sampled_from(["A", "a", "B"]), VALUES, DAYS, CONTACTS)
SHEETS = {
    Subject.PERSONS: (["Name", "Email", "Company", "Phone", "ID"], PERSONS),
    Subject.ORGANIZATIONS: (["Name", "Website", "Email", "Kod"], ORGANIZATIONS),
    Subject.DEALS: (["Title", "Value", "Created", "Person", "Email", "Company"], DEALS),
}


@pytest.mark.parametrize("subject", list(SHEETS))
@settings(max_examples=15, derandomize=True)
@given(data=st.data())
def test_twice_is_once(subject: Subject, data: st.DataObject) -> None:  # DATA-7, DATA-12
    headings, row = SHEETS[subject]
    rows = data.draw(st.lists(row, min_size=1, max_size=8))
    with tempfile.TemporaryDirectory() as folder:
        database = _database(Path(folder))
        house = build(database, Path(folder))
        file = Path(folder) / "rows.csv"
        _write(file, headings, rows)
        first = importing.run(house, prepare(file, subject)).counts
        second = importing.run(house, prepare(file, subject)).counts
        database.close()
    assert (second["created"], second["updated"]) == (0, 0), f"first {first}, second {second}"
    assert second["failed"] >= first["failed"] or second["unchanged"] >= first["unchanged"]


def _write(file: Path, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([headings, *rows])


_template: list[bytes] = []


def _database(folder: Path) -> Database:
    """A migrated database, copied from the first one."""
    path = folder / "test.db"
    if not _template:
        database = Database(f"sqlite:///{path}")
        upgrade(database)
        database.close()
        _template.append(path.read_bytes())
    path.write_bytes(_template[0])
    return Database(f"sqlite:///{path}")
