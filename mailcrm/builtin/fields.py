"""What is noted about a person: ``field.set``."""

from __future__ import annotations

from sqlalchemy import Connection

from mailcrm.builtin import who
from mailcrm.builtin.hands import Hands, Outcome
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.given import text
from mailcrm.errors import Refused
from mailcrm.store import fields, people

_ELSEWHERE = frozenset({"owner", "organization", "email", "phone", "created_by"})


def field_set(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``field.set {field, value}``: a field of the person; ``name`` and ``owner`` too. No value, or "", clears it."""
    number, name, value = who.person(subject), effect.args["field"], effect.args.get("value")
    if name == "owner":
        owner = who.user(hands, effect, subject, str(value)) if value not in (None, "") else None
        people.change(hands.connection, number, owner_id=owner)
    else:
        put(hands.connection, number, name, value)
    return Outcome.DONE


def put(connection: Connection, person: int, name: str, value: str | float | bool | None) -> None:
    """Set a field of a person, his name too. Raises Refused: it is one that the records themselves keep."""
    name = text(name, "the field's name")
    if name == "name":
        people.change(connection, person, name=text(str(value or ""), "the name"))
    elif name in _ELSEWHERE:
        raise Refused(f"{name} is no field that a flow may set; give the field another name")
    else:
        fields.put(connection, "person", person, name, None if value == "" else value)
