"""Whom a campaign is for: put in, taken out and listed, by filter, from a list or a file, one by one (CAMP-16, 17).

A record that is made while recipients are chosen is no recipient: only what is named here is (CAMP-18).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from sqlalchemy import Connection, Select

from mailcrm.app import campaign_book
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.recipient_file import BadRow, Named, read
from mailcrm.core.campaigns import Group
from mailcrm.core.definitions import Chosen
from mailcrm.core.plural import counted
from mailcrm.core.validation import Problem
from mailcrm.errors import MailcrmError, Refused
from mailcrm.store import campaigns, choosing, find, flows, members, users
from mailcrm.store.db import slices
from mailcrm.store.members import Member

ALL = "all"
FILTERS = ("tag", "owner", "organization", "stage", "deal")
"""What a filter begins with: ``tag:vip``, ``owner:anna``, ``organization:Acme``, ``stage:Offer``, ``deal:won``."""

_STATUSES = ("open", "won", "lost")
_PIECE = 1_000
_EXPLAINED = 20
"""So many that are not found are told what there is that is like them: each costs a look at all names."""


@dataclass(slots=True)
class Changed:
    """What became of those who were named.

    Args:
        done: put in, or taken out.
        known: they were in already, or out.
        bad: what names nobody, each with why. The others are in, or out.
    """

    done: int = 0
    known: int = 0
    bad: list[BadRow] = field(default_factory=list)


def add(
    context: Context,
    actor: Actor,
    name: str,
    given: Chosen | None = None,
    files: Mapping[Group, Path] | None = None,
    *,
    encoding: str | None = None,
    progress: Callable[[int], None] = lambda _rows: None,
) -> Changed:
    """Put records into a campaign that was not launched, beside those there are.

    Args:
        given: filters (``all``, ``FILTERS``) and single records by address, name or id; of organizations by domain.
        files: one record a row; what is wrong with a row concerns it alone.
        encoding: of the files; None: detected.
        progress: told how many rows were read.

    Raises:
        NotFound: no such campaign.
        Refused: it may be several, is another user's (CAMP-5) or was launched; a file is too large.
        Permanent: a file can't be read.
    """
    act = _adding(actor, context.clock())
    return _change(context, actor, name, act, given or Chosen(), files or {}, encoding, progress)


def remove(
    context: Context,
    actor: Actor,
    name: str,
    given: Chosen | None = None,
    files: Mapping[Group, Path] | None = None,
    *,
    encoding: str | None = None,
    progress: Callable[[int], None] = lambda _rows: None,
) -> Changed:
    """Take records out of a campaign that was not launched. As ``add``."""
    return _change(context, actor, name, members.remove, given or Chosen(), files or {}, encoding, progress)


def tried(
    context: Context,
    actor: Actor,
    name: str,
    verb: Literal["add", "remove"],
    given: Chosen,
    files: Mapping[Group, Path] | None = None,
    *,
    encoding: str | None = None,
) -> Changed:
    """What ``add`` or ``remove`` would do; nothing is stored. Whom two of the texts mean is counted twice."""
    act = _adding(actor, context.clock()) if verb == "add" else members.remove
    return _change(context, actor, name, _undone(act), given, files or {}, encoding, lambda _rows: None)


def put(connection: Connection, number: int, given: Chosen, actor: Actor, now: datetime) -> Changed:
    """``add`` to a campaign that the transaction holds; what names nobody is told."""
    changed = Changed()
    _take(connection, number, _adding(actor, now), given, changed)
    return changed


def unknown(connection: Connection, given: Chosen) -> Iterator[Problem]:
    """Those of a definition's recipients that name nobody."""
    for group in fields(given):
        texts: tuple[str, ...] = getattr(given, group.name)
        changed = Changed()
        _take(connection, 0, lambda *_: 0, Chosen(**{group.name: texts}), changed)
        places = {text.strip(): at for at, text in enumerate(texts)}
        for row in changed.bad:
            what, _, mend = row.why.partition("; ")
            path = ("recipients", group.name, places[row.given])
            yield Problem(path, what, mend or "add the record first, or mend the name")


def listed(context: Context, name: str, group: Group) -> Iterator[Member]:
    """Those of a group who were chosen, in the order in which they were (CAMP-16). Raises NotFound, Refused."""
    with context.db.read() as connection:
        number = flows.find(connection, name, campaigns.KINDS).id
        yield from members.listed(connection, number, group)


# -- one change


def _change(
    context: Context,
    actor: Actor,
    name: str,
    act: _Act,
    given: Chosen,
    files: Mapping[Group, Path],
    encoding: str | None,
    progress: Callable[[int], None],
) -> Changed:
    changed, count = Changed(), 0
    sheets = {group: slices(read(path, group, encoding), _PIECE) for group, path in files.items()}
    begun = {group: next(rows, []) for group, rows in sheets.items()}  # a file that is none is refused before all else
    with context.db.write() as connection:
        _take(connection, _open(connection, context, actor, name), act, given, changed)
    for group, rows in sheets.items():
        piece = begun[group]
        while piece:  # each in a transaction of its own: others go on
            with context.db.write() as connection:
                _take_rows(connection, _open(connection, context, actor, name), act, group, piece, changed)
            count += len(piece)
            progress(count)
            try:
                piece = next(rows, [])
            except MailcrmError as error:
                told = counted(count, "row before that is done", "rows before that are done")
                raise type(error)(f"{error}; {told}") from error
    return changed


def _open(connection: Connection, context: Context, actor: Actor, name: str) -> int:
    stored = campaign_book.his(connection, context, actor, name)
    if campaigns.hold(connection, stored.id).launched_at is not None:
        raise Refused(f"{stored.name!r} was launched, so who gets it is settled; a new campaign may go to others")
    return stored.id


def _adding(actor: Actor, now: datetime) -> _Act:
    return lambda connection, number, group, found: members.add(connection, number, group, found, actor.source, now)


def _undone(act: _Act) -> _Act:
    """The same, taken back as soon as it is known with how many it was done."""

    def tried(connection: Connection, number: int, group: Group, found: Select[int] | Sequence[int]) -> int:
        with connection.begin_nested() as savepoint:
            done = act(connection, number, group, found)
            savepoint.rollback()
        return done

    return tried


def _take(connection: Connection, number: int, act: _Act, given: Chosen, changed: Changed) -> None:
    """Filters and single records, as somebody wrote them."""
    groups: Mapping[Group, Sequence[str]] = {
        "person": given.persons,
        "organization": given.organizations,
        "lead": given.leads,
    }
    for group, texts in groups.items():
        single = []
        for text in map(str.strip, texts):
            try:
                chosen = _filter(connection, group, text)
            except MailcrmError as error:
                changed.bad.append(BadRow(None, text, str(error)))
                continue
            if chosen is None:
                single.append(text)
                continue
            named = choosing.count(connection, chosen)
            done = act(connection, number, group, chosen)
            changed.done += done
            changed.known += named - done
        for piece in slices(single, _PIECE):
            _take_rows(connection, number, act, group, [Named(None, text) for text in piece], changed)


def _take_rows(
    connection: Connection, number: int, act: _Act, group: Group, rows: Sequence[Named | BadRow], changed: Changed
) -> None:
    """Single records."""
    found = choosing.single(connection, group, (row.text for row in rows if isinstance(row, Named)))
    records: dict[int, None] = {}
    for row in rows:
        if isinstance(row, BadRow):
            changed.bad.append(row)
            continue
        meant = found[row.text]
        if isinstance(meant, str):
            why = _explained(connection, group, row.text) if len(changed.bad) < _EXPLAINED else meant
            if isinstance(why, str):
                changed.bad.append(BadRow(row.line, row.text, why))
                continue
            meant = why
        records[meant] = None
    done = act(connection, number, group, list(records))
    changed.done += done
    changed.known += len(records) - done


def _explained(connection: Connection, group: Group, text: str) -> choosing.Found:
    """Why a text names nobody, with what there is that is like it; its case may differ after all."""
    try:
        return _FIND[group](connection, text)
    except MailcrmError as error:
        return str(error)


def _filter(connection: Connection, group: Group, text: str) -> Select[int] | None:
    """Those whom a filter means; None: it is none. Raises NotFound or Refused for one that means nothing."""
    if text.casefold() == ALL:
        return choosing.everybody(group)
    kind, colon, value = text.partition(":")
    kind, value = kind.strip().casefold(), value.strip()
    if not colon or kind not in FILTERS:
        return None
    match kind:
        case "owner":
            return choosing.owned(group, users.find(connection, value).id)
        case "tag":
            if not choosing.there_is_tag(connection, value):
                raise Refused(f"nobody has the tag {value!r}; `mailcrm tag list` shows those there are")
            return choosing.tagged(group, value)
        case "organization":
            return choosing.in_organization(group, find.organization_id(connection, value))
    if group == "lead":
        raise Refused(f"leads have no {kind}; choose the persons")
    if kind == "stage":
        return choosing.with_deal(group, stage=find.stage_id(connection, value))
    if value not in _STATUSES:
        raise Refused(f"a deal is {', '.join(_STATUSES[:-1])} or {_STATUSES[-1]}; write deal:won")
    return choosing.with_deal(group, status=value)


_Act: TypeAlias = Callable[[Connection, int, Group, Select[int] | Sequence[int]], int]
"""What is done with those whom somebody names, in a campaign; tells with how many it was done."""

_FIND: Mapping[Group, Callable[[Connection, str], int]] = {
    "person": find.person_id,
    "organization": find.organization_id,
    "lead": find.lead_id,
}
