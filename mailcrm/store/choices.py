"""Choices: which of several open deals a thread belongs to, who is asked, and what was answered."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from mailcrm.core.questions import Candidate, Question, extract_of
from mailcrm.errors import NotFound
from mailcrm.store.db import insert_new, slices
from mailcrm.store.tables import (
    choice,
    choice_deal,
    deal,
    link,
    message,
    participant,
    stage,
    standing_choice,
    thread,
    user,
)


@dataclass(frozen=True, slots=True)
class NewChoice:
    """A choice to be opened.

    Args:
        deals: candidates in the order in which they are numbered, from 1.
        user_id: who is asked by mail; None is nobody.
        historic: the mail is history, so nobody is asked by mail whoever ``user_id`` is.
    """

    thread_id: int
    deals: tuple[int, ...]
    created_at: datetime
    user_id: int | None = None
    historic: bool = False


def open_choices(connection: Connection, wanted: Sequence[NewChoice]) -> list[int]:
    """Open choices, each thread's only once: a thread that was asked about before keeps its first choice.

    Returns:
        The id of each one's choice, the new or the old one, in the order given.
    """
    threads = [each.thread_id for each in wanted]
    into: dict[int, int] = {}
    asked: dict[int, int] = {}
    for piece in slices(threads):
        joined = select(thread.c.id, thread.c.merged_into).where(
            thread.c.id.in_(piece), thread.c.merged_into.is_not(None)
        )
        into |= {row[0]: row[1] for row in connection.execute(joined)}
    for piece in slices({into.get(each, each) for each in threads}):
        found = select(choice.c.thread_id, choice.c.id).where(choice.c.thread_id.in_(piece)).order_by(choice.c.id)
        for row in connection.execute(found):
            asked.setdefault(row[0], row[1])
    ids = []
    for each in wanted:
        live = into.get(each.thread_id, each.thread_id)
        if live not in asked:
            asked[live] = _open(connection, live, each)
        ids.append(asked[live])
    return ids


def open_choice(
    connection: Connection,
    *,
    thread_id: int,
    deals: Sequence[int],
    now: datetime,
    user_id: int | None = None,
    historic: bool = False,
) -> int:
    """Open one choice; see ``open_choices``."""
    return open_choices(connection, [NewChoice(thread_id, tuple(deals), now, user_id, historic)])[0]


def _open(connection: Connection, thread_id: int, new: NewChoice) -> int:
    values = {
        "thread_id": thread_id,
        "user_id": new.user_id,
        "state": "open",
        "nonce": secrets.token_hex(8),
        "created_at": new.created_at,
        "historic": new.historic,
    }
    choice_id = connection.execute(insert(choice).returning(choice.c.id), values).scalar_one()
    rows = [{"choice_id": choice_id, "number": n, "deal_id": each} for n, each in enumerate(new.deals, 1)]
    connection.execute(insert(choice_deal), rows)
    connection.execute(update(thread).where(thread.c.id == thread_id).values(link="choice"))
    return int(choice_id)


def load(connection: Connection, ids: Iterable[int]) -> dict[int, Question]:
    """Choices with all that is shown of them. Unknown ids are left out; dates are UTC."""
    found: dict[int, Question] = {}
    for piece in slices(ids):
        candidates = _candidates(connection, piece)
        for row in connection.execute(_shown(piece)):
            author = f"{row.from_name} <{row.from_email}>" if row.from_name else row.from_email
            found[row.id] = Question(
                id=row.id,
                thread=row.thread_id,
                state=row.state,
                nonce=row.nonce,
                user=row.user_key,
                candidates=tuple(candidates.get(row.id, ())),
                subject=row.subject,
                author=author or "",
                date=row.date or row.created_at,
                extract=extract_of(row.reply_text or row.text or ""),
                answer=row.deal_id,
                answered_by=row.answered_by,
                answered_via=row.answered_via,
                answered_at=row.answered_at,
            )
    return found


def get(connection: Connection, choice_id: int) -> Question:
    """One choice. Raises NotFound."""
    found = load(connection, [choice_id])
    if choice_id not in found:
        raise NotFound(f"there is no choice {choice_id}; `mailcrm choice list` shows them")
    return found[choice_id]


def listed(connection: Connection, state: str | None = None, seen: ColumnElement[bool] | None = None) -> list[Question]:
    """Choices, oldest first.

    Args:
        state: those in this state; None is all.
        seen: a condition on ``thread``, such as ``Viewer.sees_thread()``.
    """
    query = select(choice.c.id).join(thread, thread.c.id == choice.c.thread_id).order_by(choice.c.id)
    if state is not None:
        query = query.where(choice.c.state == state)
    if seen is not None:
        query = query.where(seen)
    ids = list(connection.execute(query).scalars())
    found = load(connection, ids)
    return [found[each] for each in ids]


def of_thread(connection: Connection, thread_id: int) -> int | None:
    """The id of the thread's open choice, or None."""
    query = select(choice.c.id).where(choice.c.thread_id == thread_id, choice.c.state == "open")
    return connection.execute(query.order_by(choice.c.id).limit(1)).scalar()


def unasked(connection: Connection) -> dict[int, list[int]]:
    """User id -> his open choices that no mail has asked about yet, oldest first. History is not asked about."""
    query = (
        select(choice.c.user_id, choice.c.id)
        .join(user, user.c.id == choice.c.user_id)
        # The words of the partial index: with a parameter for the state, SQLite would not use it.
        .where(choice.c.state == literal_column("'open'"), choice.c.asked_at.is_(None), choice.c.historic.is_(False))
        .where(user.c.disabled_at.is_(None))
        .order_by(choice.c.id)
    )
    found: dict[int, list[int]] = {}
    for user_id, choice_id in connection.execute(query):
        found.setdefault(user_id, []).append(choice_id)
    return found


def asked_deals(connection: Connection, users: Iterable[str]) -> dict[int, str]:
    """Id -> title of the open deals that open questions to these users (keys) offer."""
    query = (
        select(deal.c.id, deal.c.title)
        .distinct()
        .join(choice_deal, choice_deal.c.deal_id == deal.c.id)
        .join(choice, choice.c.id == choice_deal.c.choice_id)
        .join(user, user.c.id == choice.c.user_id)
        .where(choice.c.state == "open", user.c.key.in_(list(users)))
        .where(deal.c.status == "open", deal.c.removed_at.is_(None))
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def wake(connection: Connection, asked: Mapping[int, int]) -> None:
    """Put the open choices of these threads, so far silent since they came from old mail: thread -> who is asked."""
    for thread_id, user_id in asked.items():
        silent = (choice.c.thread_id == thread_id) & (choice.c.state == "open") & choice.c.historic
        connection.execute(update(choice).where(silent).values(user_id=user_id, historic=False))


def mark_asked(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """Note that the question is in the outbox; in that same transaction."""
    for piece in slices(ids):
        connection.execute(update(choice).where(choice.c.id.in_(piece)).values(asked_at=now))


def settle(connection: Connection, choice_id: int, deal_id: int | None, *, by: str, via: str, now: datetime) -> bool:
    """Store the answer, if the choice is still open: the first answer wins.

    Args:
        deal_id: the chosen deal; None is "none of them".
        by: who answered, as he is shown.
        via: reply | sent | page | folder | keyword | command.

    Returns:
        False if it was settled before; then nothing changed.
    """
    values = {"state": "answered", "deal_id": deal_id, "answered_at": now, "answered_by": by, "answered_via": via}
    result = connection.execute(
        update(choice).where(choice.c.id == choice_id, choice.c.state == "open").values(**values)
    )
    return result.rowcount == 1


def withdraw(connection: Connection, ids: Iterable[int], *, why: str, now: datetime) -> None:
    """Take open questions back: nobody needs to answer them any more. Their threads keep what they are linked to."""
    for piece in slices(ids):
        taken = connection.execute(
            update(choice)
            .where(choice.c.id.in_(piece), choice.c.state == "open")
            .values(state="withdrawn", answered_at=now, answered_by=why)
            .returning(choice.c.thread_id)
        ).scalars()
        for thread_id in list(taken):
            _without_deal(connection, thread_id, ("choice",))


def with_candidate(connection: Connection, deal_id: int) -> list[int]:
    """Ids of the open choices that offer this deal."""
    query = (
        select(choice.c.id)
        .join(choice_deal, choice_deal.c.choice_id == choice.c.id)
        .where(choice_deal.c.deal_id == deal_id, choice.c.state == "open")
        .order_by(choice.c.id)
    )
    return list(connection.execute(query).scalars())


def link_thread(connection: Connection, thread_id: int, deal_id: int | None, *, rule: str, evidence: str) -> None:
    """Link a whole thread, every message in it, to a deal (or to none) instead of what it was linked to."""
    of_thread_ = select(message.c.id).where(message.c.thread_id == thread_id)
    connection.execute(delete(link).where(link.c.record == "deal", link.c.message_id.in_(of_thread_)))
    if deal_id is None:
        _without_deal(connection, thread_id, ("choice", "linked"))
        return
    connection.execute(
        insert(link).from_select(
            ["message_id", "record", "record_id", "rule", "evidence"],
            select(message.c.id, literal("deal"), literal(deal_id), literal(rule), literal(evidence)).where(
                message.c.thread_id == thread_id
            ),
        )
    )
    connection.execute(update(thread).where(thread.c.id == thread_id).values(deal_id=deal_id, link="linked"))


def is_open(connection: Connection, deal_id: int) -> bool:
    """True if the deal can be linked to: open and not removed."""
    query = select(deal.c.id).where(deal.c.id == deal_id, deal.c.status == "open", deal.c.removed_at.is_(None))
    return connection.execute(query).scalar() is not None


def stand(connection: Connection, thread_id: int, deal_id: int, now: datetime) -> int | None:
    """Remember "always this deal for this person".

    The person is the deal's own, if he takes part in the thread; else who wrote, or was written to, last.

    Returns:
        His id, or None where the thread has no person.
    """
    parties = (
        select(participant.c.person_id)
        .join(message, message.c.id == participant.c.message_id)
        .where(message.c.thread_id == thread_id, participant.c.person_id.is_not(None))
    )
    owner = select(deal.c.person_id).where(deal.c.id == deal_id).scalar_subquery()
    newest = parties.order_by(case((participant.c.person_id == owner, 0), else_=1), message.c.date.desc())
    person_id = connection.execute(newest.limit(1)).scalar()
    if person_id is None:
        return None
    connection.execute(delete(standing_choice).where(standing_choice.c.person_id == person_id))
    connection.execute(insert_new(connection, standing_choice).values(person_id=person_id, deal_id=deal_id, at=now))
    return int(person_id)


def forget_standing(connection: Connection, deal_id: int) -> None:
    """ "Always this deal" ends when the deal closes."""
    connection.execute(delete(standing_choice).where(standing_choice.c.deal_id == deal_id))


def counts(connection: Connection) -> Mapping[str, int]:
    """How many choices there are in each state."""
    rows = connection.execute(select(choice.c.state, func.count()).group_by(choice.c.state))
    return {row[0]: row[1] for row in rows}


def _without_deal(connection: Connection, thread_id: int, states: Sequence[str]) -> None:
    persons = (
        select(link.c.record_id)
        .where(link.c.message_id.in_(select(message.c.id).where(message.c.thread_id == thread_id)))
        .where(link.c.record == "person")
        .exists()
    )
    connection.execute(
        update(thread)
        .where(thread.c.id == thread_id, thread.c.link.in_(states))
        .values(deal_id=None, link=case((persons, "person"), else_="none"))
    )


def _candidates(connection: Connection, ids: Sequence[int]) -> dict[int, list[Candidate]]:
    query = (
        select(choice_deal.c.choice_id, choice_deal.c.number, deal, stage.c.name.label("stage_name"))
        .join(deal, deal.c.id == choice_deal.c.deal_id)
        .join(stage, stage.c.id == deal.c.stage_id)
        .where(choice_deal.c.choice_id.in_(ids))
        .order_by(choice_deal.c.choice_id, choice_deal.c.number)
    )
    found: dict[int, list[Candidate]] = {}
    for row in connection.execute(query):
        is_open_ = row.status == "open" and row.removed_at is None
        candidate = Candidate(row.number, row.id, row.title, row.stage_name, row.value, row.currency, is_open_)
        found.setdefault(row.choice_id, []).append(candidate)
    return found


def _shown(ids: Sequence[int]) -> Select[Any]:
    """Choices, each with the newest message of its thread."""
    ranked = (
        select(
            message.c.id,
            func.row_number()
            .over(partition_by=message.c.thread_id, order_by=(message.c.date.desc(), message.c.id.desc()))
            .label("rank"),
        )
        .where(message.c.thread_id.in_(select(choice.c.thread_id).where(choice.c.id.in_(ids))))
        .subquery()
    )
    newest = select(message).join(ranked, (ranked.c.id == message.c.id) & (ranked.c.rank == 1)).subquery()
    return (
        select(
            choice,
            user.c.key.label("user_key"),
            thread.c.subject,
            newest.c.from_name,
            newest.c.from_email,
            newest.c.date,
            newest.c.text,
            newest.c.reply_text,
        )
        .join(thread, thread.c.id == choice.c.thread_id)
        .outerjoin(user, user.c.id == choice.c.user_id)
        .outerjoin(newest, newest.c.thread_id == choice.c.thread_id)
        .where(choice.c.id.in_(ids))
    )
