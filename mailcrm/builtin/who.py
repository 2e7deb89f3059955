"""Whom a flow means: the subject's person, his deal, the user who is to do something."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from mailcrm.builtin import whom
from mailcrm.builtin.hands import Hands
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.errors import Refused
from mailcrm.store import deals, flows, leads, people, users
from mailcrm.store.deals import AnyRow
from mailcrm.store.scope import Scope


def person(subject: Subject) -> int:
    """The subject's person. Raises Refused: there is none."""
    if subject.person is None and subject.recipient is not None:
        raise Refused("a company is meant, and no person")
    if subject.person is None:
        what = f"deal {subject.deal}" if subject.deal is not None else f"lead {subject.lead}"
        raise Refused(f"{what} is with no person; give it one (`mailcrm deal edit`, `lead edit`)")
    return subject.person


def run(effect: Effect) -> str:
    """The enrollment that an effect belongs to, as it stands in ``created_by``: ``enrollment:12``."""
    return f"enrollment:{effect.key.partition('.')[0]}"


def scope(subject: Subject) -> Scope:
    """What is the subject's own: a deal's or lead's, else the person's."""
    if subject.deal is not None:
        return Scope("deal", subject.deal)
    return Scope("lead", subject.lead) if subject.lead is not None else Scope("person", person(subject))


def deal(hands: Hands, effect: Effect, subject: Subject) -> AnyRow:
    """The open deal that an action is about: the subject itself, one that this run opened, or the person's only one.

    Raises:
        Refused: there is none, several, or it is closed.
    """
    if subject.deal is not None:
        row = deals.rows(hands.connection, [subject.deal])[subject.deal]
        if row.status != "open":
            raise Refused(f"deal {row.id} is {row.status}; only an open one moves")
        return row
    query = deals.ids(status="open", person=person(subject))
    found = list(deals.rows(hands.connection, hands.connection.execute(query).scalars()).values())
    own = [row for row in found if row.created_by == run(effect)] or found
    if len(own) != 1:
        numbers = ", ".join(str(number) for number in sorted(row.id for row in own)) or "none"
        raise Refused(f"which deal? person {subject.person} has open: {numbers}")
    return own[0]


def user(hands: Hands, effect: Effect, subject: Subject, given: str | None) -> int | None:
    """The id of the user whom a definition names.

    Args:
        given: a key, e-mail address or id; ``owner`` is the flow's, ``contact-owner`` that of the deal, lead or person.
            Where there is no such owner the other one is taken. ``sender``: a campaign's for this recipient (CAMP-6).

    Raises:
        NotFound: no such user.
    """
    of_flow = flows.get(hands.connection, effect.chain[-1][0]).owner if effect.chain else None
    return meant(hands.connection, subject, given, of_flow)


def meant(connection: Connection, subject: Subject, given: str | None, of_flow: int | None) -> int | None:
    """As ``user``, in a flow whose owner is ``of_flow``."""
    given = given or "owner"
    if given == "sender":
        found = whom.recipient(connection, subject)
        return found.user if found is not None else of_flow
    if given not in ("owner", "contact-owner"):
        return users.find(connection, given).id
    if given == "owner" and of_flow is not None:
        return of_flow
    return _record_owner(connection, subject) or of_flow


def optional(effect: Effect, name: str) -> str | None:
    """An argument that may be missing, as text; None where it is missing or empty."""
    value: Any = effect.args.get(name)
    return None if value is None or value == "" else str(value)


def _record_owner(connection: Connection, subject: Subject) -> int | None:
    owners: list[int | None] = []
    if subject.deal is not None:
        owners.append(deals.rows(connection, [subject.deal])[subject.deal].owner_id)
    if subject.lead is not None:
        owners.append(leads.rows(connection, [subject.lead])[subject.lead].owner_id)
    if subject.person is not None:
        owners.append(people.rows(connection, [subject.person])[subject.person].owner_id)
    return next((owner for owner in owners if owner is not None), None)
