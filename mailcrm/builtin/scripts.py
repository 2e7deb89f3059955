"""What is said in a call: a template filled in for the contact, under the numbers to call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from mailcrm.builtin import variables, whom
from mailcrm.builtin.hands import Hands
from mailcrm.builtin.whom import Records
from mailcrm.config import Config, User
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.letters import render
from mailcrm.store import people, templates, users


def script(hands: Hands, effect: Effect, subject: Subject, caller: int | None) -> str | None:
    """The note of an activity: whom to call, the step's own ``note``, and its ``template``; None: there is nothing.

    Args:
        caller: the user who is to do it: ``rep`` in the template.

    Raises:
        NotFound: there is no such template.
        MissingVariable: it names a value that this contact does not have.
    """
    return note(hands.connection, hands.config, effect.args, whom.records(hands.connection, subject), caller)


def note(
    connection: Connection, config: Config, args: Mapping[str, Any], about: Records, caller: int | None
) -> str | None:
    """``script``, for whoever these records are of."""
    parts = [_numbers(connection, about.person), str(args.get("note") or "")]
    if name := args.get("template"):
        parts.append(said(connection, config, str(name), about, caller))
    return "\n\n".join(part for part in parts if part) or None


def said(connection: Connection, config: Config, template: str, about: Records, caller: int | None) -> str:
    """A template as plain text, its subject above it where it has one. Raises as ``script``."""
    new = templates.get(connection, template).new
    keys = {each.id: each.key for each in users.every(connection)}
    rep = config.users.get(keys.get(caller or 0, "")) or User(email="")
    values = variables.of(connection, about, rep, "", new.subject, new.text, new.html or "")
    letter = render(new.subject or new.name, new.text, values, "", new.html)
    return f"{letter.subject}\n\n{letter.text}".strip() if new.subject else letter.text.strip()


def _numbers(connection: Connection, person: int | None) -> str:
    found = people.phones(connection, [person]).get(person, []) if person is not None else []
    return f"tel. {', '.join(found)}" if found else ""
