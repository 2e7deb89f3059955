"""Import a sheet: rows read, matched and written in batches, each batch in one transaction.

Imported records raise no events (``deal.created`` and the like): a history of years must not start flows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.import_file import Import
from mailcrm.app.sheets import Ragged, Row
from mailcrm.core.addresses import normalise
from mailcrm.core.book import Book, Entry
from mailcrm.core.cells import BadCell
from mailcrm.core.columns import Subject
from mailcrm.core.companies import company_key
from mailcrm.core.filing import Filing, Stages
from mailcrm.core.plural import counted
from mailcrm.core.records import AnyRow, Skipped, TradeRow, read_row
from mailcrm.store import import_load, import_save, pipelines, unwanted, users

BATCH = 500
_RECORDS = {
    Subject.PERSONS: "person",
    Subject.ORGANIZATIONS: "organization",
    Subject.DEALS: "deal",
    Subject.LEADS: "lead",
}
_TRADES: dict[Subject, import_load.Trading] = {Subject.DEALS: "deal", Subject.LEADS: "lead"}
State = Literal["created", "updated", "unchanged", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one row.

    Args:
        line: where it begins in the file, from 1.
        record: "person:3"; None if it went nowhere, or a dry run only would create it.
        changes: what an update added.
        reason: why it was skipped or failed.
    """

    line: int
    state: State
    record: str | None = None
    changes: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(slots=True)
class Summary:
    """Counts of rows by what became of them. ``stored`` is False for a dry run and a refused file."""

    counts: Counter[State] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    stored: bool = True


@dataclass(frozen=True, slots=True)
class _Filed:
    """A row that found its record, which may have no id yet."""

    line: int
    entry: Entry
    state: State
    changes: tuple[str, ...]


class _Undo(Exception):
    pass


def run(
    context: Context,
    job: Import,
    *,
    dry_run: bool = False,
    all_or_nothing: bool = False,
    on_results: Callable[[list[Result]], None] = lambda _results: None,
) -> Summary:
    """Import the rows.

    A batch is one transaction, so that after a crash the same file can be imported again and ends the same. With
    ``dry_run`` or ``all_or_nothing`` the whole file is one, in which other writers of a SQLite database wait.

    Args:
        on_results: called after each batch with what became of its rows, in order.

    Raises:
        Temporary: the database is locked or away; the batches before are stored.
        Permanent: the file can't be read to its end; as above.
    """
    work = _Work(context, job, tentative=dry_run)
    if not (dry_run or all_or_nothing):
        while batch := list(islice(job.rows, BATCH)):
            with context.db.write() as connection:
                results = work.batch(connection, batch)
            work.count(results)
            on_results(results)
        context.changed()
        return work.summary
    with suppress(_Undo), context.db.write() as connection:
        while batch := list(islice(job.rows, BATCH)):
            results = work.batch(connection, batch)
            work.count(results)
            on_results(results)
        if dry_run or work.summary.counts["failed"]:
            work.summary.stored = False
            raise _Undo
    if work.summary.stored:
        context.changed()
    return work.summary


class _Work:
    """What goes on from batch to batch."""

    def __init__(self, context: Context, job: Import, *, tentative: bool) -> None:
        self.context = context
        self.job = job
        self.tentative = tentative
        self.summary = Summary()
        self.record = _RECORDS[job.subject]
        self.trade = _TRADES.get(job.subject)
        self.created_by = f"import:{job.path.name}"
        self.taken: set[int] = set()
        self.companies: dict[str, int] | None = None
        self.stages = Stages({}, 0)
        self.users: dict[str, int] = {}

    def batch(self, connection: Connection, batch: list[Row | Ragged]) -> list[Result]:
        """File a batch of rows and write what they add."""
        if self.companies is None:
            self._begin(connection)
        rows: list[AnyRow | Result] = [self._read(raw) for raw in batch]
        readable = [row for row in rows if not isinstance(row, Result)]
        book = import_load.load(connection, readable, self.companies or {}, self.trade)
        book.unwanted = self._unwanted(connection, readable)
        for trade in book.trades:
            trade.taken = trade.id in self.taken
        filing = Filing(book, self.context.ours, self.stages, self._owner, self._warn)
        seen: dict[int, int] = {}
        filed = [row if isinstance(row, Result) else self._file(filing, row, seen) for row in rows]
        import_save.save(connection, book, trade=self.trade, created_by=self.created_by, now=self.context.clock())
        self._remember(book)
        return [one if isinstance(one, Result) else self._result(one) for one in filed]

    def count(self, results: list[Result]) -> None:
        """Add a batch to the summary."""
        self.summary.counts.update(result.state for result in results)

    def _begin(self, connection: Connection) -> None:
        self.companies = import_load.companies(connection)
        if self.record == "deal":
            self.stages = import_load.stages(connection, pipelines.first_stage(connection))
        for user in users.every(connection):
            for name in (user.key, user.email, user.name):
                self.users.setdefault(name.casefold(), user.id)
        for address, key in self.context.ours.users.items():
            if key.casefold() in self.users:
                self.users.setdefault(address, self.users[key.casefold()])

    def _read(self, raw: Row | Ragged) -> AnyRow | Result:
        if isinstance(raw, Ragged):
            return Result(raw.line, "failed", reason=raw.reason)
        line, cells = raw
        try:
            if any(cell not in ("", None) for cell in cells[self.job.width :]):
                there = f"{counted(len(cells), 'cell')} under {counted(self.job.width, 'heading')}"
                raise BadCell(f"{there}; is a separator inside a text?")
            return read_row(self.job.subject, self.job.columns, line, cells, day_first=self.job.day_first)
        except BadCell as error:
            return Result(line, "failed", reason=str(error))
        except Skipped as error:
            return Result(line, "skipped", reason=str(error))

    def _file(self, filing: Filing, row: AnyRow, seen: dict[int, int]) -> Result | _Filed:
        """File one row. ``seen``: how many additions each record had after the rows before."""
        try:
            entry = filing.file(row)
        except BadCell as error:
            return Result(row.line, "failed", reason=str(error))
        except Skipped as error:
            return Result(row.line, "skipped", reason=str(error))
        additions = entry.additions()
        before = seen.get(id(entry))
        seen[id(entry)] = len(additions)
        if entry.id is None and before is None:
            return _Filed(row.line, entry, "created", ())
        if fresh := additions if before is None else additions[before:]:
            return _Filed(row.line, entry, "updated", tuple(fresh))
        return _Filed(row.line, entry, "unchanged", ())

    def _result(self, filed: _Filed) -> Result:
        known = not (self.tentative and filed.state == "created")
        return Result(filed.line, filed.state, f"{self.record}:{filed.entry.id}" if known else None, filed.changes)

    def _remember(self, book: Book) -> None:
        """What later batches have to know of this one."""
        for organization in book.organizations:
            if organization.id is not None and self.companies is not None:
                self.companies.setdefault(company_key(organization.name), organization.id)
        if self.trade:
            self.taken.update(trade.id for trade in book.trades if trade.id is not None and trade.taken)

    def _unwanted(self, connection: Connection, rows: list[AnyRow]) -> dict[str, str]:
        found = unwanted.among(connection, self.context.secret, {email for row in rows for email in _emails(row)})
        return {email: why.reason for email, why in found.items()}

    def _owner(self, name: str) -> int | None:
        return self.users.get(name.casefold()) or self.users.get(normalise(name))

    def _warn(self, text: str) -> None:
        self.summary.warnings[text] += 1


def _emails(row: AnyRow) -> tuple[str, ...]:
    if isinstance(row, TradeRow):
        return row.person.emails if row.person else ()
    return row.emails
