"""Tokens of mails, and what was done with them: who opened, who clicked."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from msgspec import json
from sqlalchemy import Connection, TextClause, bindparam, func, insert, select, text, update

from mailcrm.core.hits import SETTLES, Hit, Verdict
from mailcrm.core.tracked import Track, TrackKind
from mailcrm.store.db import slices
from mailcrm.store.tables import flow, hit, outbox, track, user

MOST = 50
"""Hits of one token that are kept (some more, where they come at once): a mail that goes round, or an image that is
asked for without end, fills nothing."""

_SEPARATOR = "; "


def _noting(rows: str, cell: str, time: str) -> TextClause:
    """An INSERT of hits, out of ``:rows``: JSON arrays of token, at, reasons, agent, due_at."""
    token, at, reasons, agent, due_at = (cell.format(place) for place in range(5))
    return text(
        "INSERT INTO hit (token, at, grade, reasons, agent, due_at) "  # noqa: S608 - made of our own words
        f"SELECT {token}, {time.format(at)}, 'unknown', {reasons}, {agent}, {time.format(due_at)} "
        f"FROM {rows} JOIN track ON track.token = {token} AND track.kind = :kind "
        f"WHERE (SELECT count(*) FROM hit WHERE hit.token = track.token) < {MOST}"
    )


_NOTE_SQLITE = _noting("json_each(:rows) AS given", "json_extract(given.value, '$[{}]')", "{}")
_NOTE_POSTGRESQL = _noting(
    "json_array_elements(CAST(:rows AS json)) AS given(value)", "(given.value ->> {})", "CAST({} AS timestamptz)"
)


@dataclass(frozen=True, slots=True)
class NewHit:
    """One request for something of a mail; ``signs`` is what its address tells (``core.hits``), ``at`` is aware."""

    token: str
    at: datetime
    agent: str
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mail:
    """What of a mail its hits are judged by, and told with.

    Args:
        message_id: without ``<>``.
        flow: the name of the flow that sent it.
        links: how many links lead over us, the hidden one apart.
        hits: all that are stored, with the token and the URL of each.
        recipient: of a campaign.
    """

    message_id: str
    person: int | None
    flow: str | None
    node: str | None
    sent_at: datetime | None
    links: int
    hits: tuple[Hit, ...]
    tokens: Mapping[int, str]
    urls: Mapping[int, str | None]
    recipient: int | None = None


@dataclass(frozen=True, slots=True)
class Addressee:
    """Who got a mail: his address, normalised, and, where known, his person's id. ``sender`` is the user's key,
    ``recipient`` a campaign's."""

    address: str
    person: int | None
    message_id: str
    sender: str | None
    recipient: int | None = None


def tokens() -> Iterator[str]:
    """Tokens without end, 128 random bits each."""
    while True:
        yield secrets.token_hex(16)


def put(connection: Connection, outbox_id: int, tracks: Sequence[Track]) -> None:
    """Keep the tokens of a mail in the outbox, in the transaction that puts it there."""
    if tracks:
        connection.execute(
            insert(track),
            [
                {
                    "token": each.token,
                    "outbox_id": outbox_id,
                    "kind": each.kind,
                    "url": each.url,
                    "position": each.position,
                    "hidden": each.hidden,
                }
                for each in tracks
            ],
        )


def target(connection: Connection, token: str) -> str | None:
    """Where the link with this token leads; None if there is none."""
    query = select(track.c.url).where(track.c.token == token, track.c.kind == "click")
    url: str | None = connection.execute(query).scalar()
    return url


def addressee(connection: Connection, token: str) -> Addressee | None:
    """Who got the mail with this token for unsubscribing; None if there is none."""
    query = (
        select(outbox.c.recipient, outbox.c.person_id, outbox.c.message_id, user.c.key, outbox.c.recipient_id)
        .select_from(track)
        .join(outbox, outbox.c.id == track.c.outbox_id)
        .join(user, user.c.id == outbox.c.user_id, isouter=True)
        .where(track.c.token == token, track.c.kind == "unsubscribe")
    )
    row = connection.execute(query).first()
    return Addressee(*row) if row else None


def hold(connection: Connection, token: str) -> None:
    """Let nobody else act on this token until the transaction ends."""
    connection.execute(select(track.c.token).where(track.c.token == token).with_for_update())


def note(connection: Connection, kind: TrackKind, hits: Iterable[NewHit]) -> int:
    """Store hits, to be judged; those of tokens that are unknown, of another kind or full are passed over.

    All in one statement, whose rows are one parameter: so the database does the work, and a web server in the same
    process goes on answering meanwhile.

    Returns:
        How many were stored.
    """
    rows = [
        (each.token, _text(each.at), _SEPARATOR.join(each.signs), each.agent, _text(each.at + SETTLES)) for each in hits
    ]
    if not rows:
        return 0
    statement = _NOTE_SQLITE if connection.dialect.name == "sqlite" else _NOTE_POSTGRESQL
    return connection.execute(statement, {"rows": json.encode(rows).decode(), "kind": kind}).rowcount


def next_due(connection: Connection) -> datetime | None:
    """When a hit is to be judged next; None if none waits."""
    return connection.execute(select(func.min(hit.c.due_at)).where(hit.c.due_at.is_not(None))).scalar()


def claim(connection: Connection, now: datetime, limit: int) -> dict[int, list[int]]:
    """Hits that are to be judged now, by the mail (its id in the outbox); no other process takes them meanwhile."""
    due = (
        select(hit.c.id, track.c.outbox_id)
        .join(track, track.c.token == hit.c.token, isouter=True)
        .where(hit.c.due_at <= now)
        .order_by(hit.c.due_at, hit.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=hit)
    )
    found: dict[int, list[int]] = {}
    for number, mail in connection.execute(due):
        found.setdefault(mail or 0, []).append(number)  # 0: its mail is gone
    return found


def mails(connection: Connection, ids: Iterable[int]) -> dict[int, Mail]:
    """What there is to judge the hits of these mails by."""
    found: dict[int, Mail] = {}
    for piece in slices(sorted(ids)):
        hits: dict[int, list[Any]] = {}
        query = (
            select(track.c.outbox_id, track.c.kind, track.c.position, track.c.hidden, track.c.url, hit)
            .join(hit, hit.c.token == track.c.token)
            .where(track.c.outbox_id.in_(piece))
            .order_by(hit.c.id)
        )
        for row in connection.execute(query):
            hits.setdefault(row.outbox_id, []).append(row)
        links = {row[0]: row[1] for row in connection.execute(_links.where(track.c.outbox_id.in_(piece)))}
        for row in connection.execute(_mails.where(outbox.c.id.in_(piece))):
            mine = hits.get(row.id, [])
            found[row.id] = Mail(
                row.message_id,
                row.person_id,
                row.name,
                row.node,
                row.sent_at,
                links.get(row.id, 0),
                tuple(_hit(each) for each in mine),
                {each.id: each.token for each in mine},
                {each.id: each.url for each in mine},
                row.recipient_id,
            )
    return found


def judged(connection: Connection, verdicts: Mapping[int, Verdict]) -> None:
    """Keep what was found about hits."""
    if verdicts:
        statement = update(hit).where(hit.c.id == bindparam("number"))
        values = statement.values(grade=bindparam("is"), reasons=bindparam("why"), due_at=None)
        connection.execute(
            values,
            [
                {"number": number, "is": each.grade, "why": _SEPARATOR.join(each.reasons)}
                for number, each in verdicts.items()
            ],
        )


_links = (
    select(track.c.outbox_id, func.count())
    .where(track.c.kind == "click", track.c.hidden.is_(False))
    .group_by(track.c.outbox_id)
)
_mails = select(
    *(outbox.c[name] for name in ("id", "message_id", "person_id", "node", "sent_at", "recipient_id")), flow.c.name
).join(flow, flow.c.id == outbox.c.flow_id, isouter=True)


def _hit(row: Any) -> Hit:
    return Hit(
        row.id,
        row.kind,
        row.position,
        row.hidden,
        row.at,
        row.agent,
        tuple(filter(None, row.reasons.split(_SEPARATOR))),
    )


def _text(at: datetime) -> str:
    """As the column type ``Utc`` writes it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
