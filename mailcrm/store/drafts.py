"""Letters in the reps' own Drafts folders: what is to be put there, what lies there, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Literal

from sqlalchemy import Connection, LargeBinary, Select, and_, func, or_, select, update

from mailcrm.store.db import Lookup, insert_new, slices
from mailcrm.store.tables import draft, effect, mailbox

State = Literal["wanted", "placed", "missing", "sent", "skipped", "leaving", "withdrawn"]
OPEN: Final = ("wanted", "placed", "missing")
_HEAD: Final = 16_384  # bytes: 20 References of the longest kind, and all other fields
_WAITED_FOR = ("pending", "running", "waiting")  # states of an effect that nobody has settled


@dataclass(frozen=True, slots=True)
class NewDraft:
    """A letter that is to lie in a mailbox's Drafts folder.

    Args:
        mailbox: its key in the configuration.
        user_id: the rep whose it is.
        token: see ``core.drafts``; ``content`` bears it.
    """

    effect: str
    mailbox: str
    user_id: int
    person: int | None
    token: str
    message_id: str
    recipient: str
    subject: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft as it is stored, but for its content.

    Args:
        wanted: somebody still waits for it: it was neither sent, said to be done, nor taken back.
        digest: of what was placed; None: it was not read back.
        folder, uidvalidity, uid: where it was seen last.
        missing_since: since when it is not in Drafts.
    """

    id: int
    effect: str
    user_id: int
    token: str
    message_id: str
    recipient: str
    subject: str
    state: State
    digest: str | None
    folder: str | None
    uidvalidity: int | None
    uid: int | None
    placed_at: datetime | None
    missing_since: datetime | None
    attempts: int
    created_at: datetime
    wanted: bool


def put(connection: Connection, new: NewDraft, now: datetime) -> None:
    """Have a letter placed; once for an effect."""
    number = connection.execute(select(mailbox.c.id).where(mailbox.c.key == new.mailbox)).scalar_one()
    values = {
        "effect_key": new.effect,
        "mailbox_id": number,
        "user_id": new.user_id,
        "person_id": new.person,
        "token": new.token,
        "message_id": new.message_id,
        "recipient": new.recipient,
        "subject": new.subject,
        "content": new.content,
        "state": "wanted",
        "due_at": now,
        "created_at": now,
    }
    connection.execute(insert_new(connection, draft, ["effect_key"]).values(**values))


def due(connection: Connection, now: datetime) -> set[str]:
    """Keys of the mailboxes in which a draft is to be placed, looked after or tidied."""
    return set(connection.scalars(_MAILBOXES.where(draft.c.due_at <= now)))


def vain(connection: Connection) -> set[str]:
    """Keys of the mailboxes in which a draft lies, or is to lie, for which nobody waits any more. Reads all of them."""
    query = _MAILBOXES.join(effect, effect.c.key == draft.c.effect_key, isouter=True)
    return set(connection.scalars(query.where(draft.c.due_at.is_not(None), draft.c.state.in_(OPEN), _over)))


def of_mailbox(connection: Connection, key: str, now: datetime) -> list[Draft]:
    """All drafts of a mailbox that lie there or are to be placed, and what is left to tidy now; the oldest first."""
    query = _DRAFTS.join(mailbox, mailbox.c.id == draft.c.mailbox_id).where(mailbox.c.key == key)
    query = query.where(draft.c.due_at.is_not(None), or_(draft.c.state.in_(OPEN), draft.c.due_at <= now))
    return _oldest_first(connection, query)


def of_users(connection: Connection, users: Collection[int]) -> list[Draft]:
    """The drafts of these reps that somebody waits for, the oldest first."""
    query = _DRAFTS.where(draft.c.due_at.is_not(None), draft.c.state.in_(OPEN), draft.c.user_id.in_(users))
    return [each for each in _oldest_first(connection, query) if each.wanted]


def _oldest_first(connection: Connection, query: Select[Any]) -> list[Draft]:
    """Sorted here: asked to sort, SQLite reads all drafts there ever were in that order."""
    return sorted((Draft(*row) for row in connection.execute(query)), key=attrgetter("id"))


def content(connection: Connection, number: int) -> bytes:
    """The letter as it is to be placed; nothing, where its recipient was erased meanwhile."""
    return bytes(connection.execute(select(draft.c.content).where(draft.c.id == number)).scalar() or b"")


def heads(connection: Connection, numbers: Iterable[int]) -> dict[int, bytes]:
    """The beginnings of the letters as they were or are to be placed, in which their fields stand."""
    query = select(draft.c.id, func.substr(draft.c.content, 1, _HEAD, type_=LargeBinary).label("content"))
    return {
        row.id: bytes(row.content)
        for piece in slices(numbers)
        for row in connection.execute(query.where(draft.c.id.in_(piece)))
    }


def named(connection: Connection, message_ids: Iterable[str]) -> set[str]:
    """Those of these Message-IDs that are of a draft of ours, as it was placed or sent."""
    return {row.message_id for row in _NAMED.rows(connection, message_ids)}


def begin(connection: Connection, number: int, attempts: int, due_at: datetime) -> bool:
    """It is about to be placed; somebody looks again at ``due_at``, if that is never reported done.

    Args:
        attempts: as they were read before the folder was looked at.

    Returns:
        False: nobody waits for it any more, or another process places it.
    """
    waited_for = select(effect.c.key).where(effect.c.key == draft.c.effect_key, effect.c.state.in_(_WAITED_FOR))
    still = and_(draft.c.id == number, draft.c.state == "wanted", draft.c.attempts == attempts, waited_for.exists())
    values = {"attempts": draft.c.attempts + 1, "due_at": due_at}
    return connection.execute(update(draft).where(still).values(**values)).rowcount > 0


def placed(
    connection: Connection,
    number: int,
    where: tuple[str, int, int],
    digest: str | None,
    now: datetime,
    due_at: datetime,
) -> None:
    """It lies in Drafts. ``where``: folder, UIDVALIDITY, UID."""
    folder, uidvalidity, uid = where
    values = {
        "state": "placed", "folder": folder, "uidvalidity": uidvalidity, "uid": uid, "digest": digest,
        "placed_at": now, "due_at": due_at, "reason": "",
    }  # fmt: skip
    connection.execute(update(draft).where(draft.c.id == number, draft.c.state == "wanted").values(**values))


def seen(connection: Connection, number: int, where: tuple[str, int, int], due_at: datetime) -> None:
    """It is (again) in Drafts, there."""
    folder, uidvalidity, uid = where
    values = {
        "state": "placed", "folder": folder, "uidvalidity": uidvalidity, "uid": uid,
        "missing_since": None, "due_at": due_at,
    }  # fmt: skip
    lying = draft.c.state.in_(("placed", "missing"))
    connection.execute(update(draft).where(draft.c.id == number, lying).values(**values))


def unchanged(connection: Connection, numbers: Iterable[int], due_at: datetime) -> None:
    """They lie in Drafts where they lay."""
    for piece in slices(numbers):
        lying = draft.c.id.in_(piece) & (draft.c.state == "placed")
        connection.execute(update(draft).where(lying).values(due_at=due_at))


def missed(connection: Connection, number: int, since: datetime, due_at: datetime) -> None:
    """It is not in Drafts."""
    lying = draft.c.state.in_(("placed", "missing"))
    values = {"state": "missing", "missing_since": since, "due_at": due_at}
    connection.execute(update(draft).where(draft.c.id == number, lying).values(**values))


def put_off(connection: Connection, numbers: Iterable[int], due_at: datetime, reason: str) -> None:
    """It can't be done now."""
    for piece in slices(numbers):
        connection.execute(
            update(draft).where(draft.c.id.in_(piece), draft.c.due_at.is_not(None)).values(due_at=due_at, reason=reason)
        )


def end(connection: Connection, number: int, state: State, at: datetime, reason: str, tidy_at: datetime | None) -> None:
    """Nobody waits for it any more.

    Args:
        at: when that came about.
        tidy_at: when what is left of it in Drafts is to be looked at; None: nothing can be.
    """
    values = {"state": state, "ended_at": at, "reason": reason, "due_at": tidy_at}
    connection.execute(update(draft).where(draft.c.id == number).values(**values))


def became(connection: Connection, number: int, message_id: str) -> None:
    """The mail that it was sent as, which some mail programs give a Message-ID of their own."""
    if message_id:
        connection.execute(update(draft).where(draft.c.id == number).values(message_id=message_id))


def closed(connection: Connection, number: int, state: State, reason: str) -> None:
    """Nothing is left to do about it; its text is not kept."""
    values = {"state": state, "reason": reason, "due_at": None, "content": b""}
    connection.execute(update(draft).where(draft.c.id == number).values(**values))


_MAILBOXES = select(mailbox.c.key).distinct().select_from(draft).join(mailbox, mailbox.c.id == draft.c.mailbox_id)
_NAMED = Lookup(select(draft.c.message_id), draft.c.message_id)
_over = or_(effect.c.key.is_(None), effect.c.state.not_in(_WAITED_FOR))
_DRAFTS: Select[Any] = select(
    draft.c.id,
    draft.c.effect_key,
    draft.c.user_id,
    draft.c.token,
    draft.c.message_id,
    draft.c.recipient,
    draft.c.subject,
    draft.c.state,
    draft.c.digest,
    draft.c.folder,
    draft.c.uidvalidity,
    draft.c.uid,
    draft.c.placed_at,
    draft.c.missing_since,
    draft.c.attempts,
    draft.c.created_at,
    (~_over).label("wanted"),
).select_from(draft.join(effect, effect.c.key == draft.c.effect_key, isouter=True))
