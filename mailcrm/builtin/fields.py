"""What is noted about a person: ``field.set``."""

from __future__ import annotations

from mailcrm.builtin import who
from mailcrm.builtin.hands import Hands, Outcome
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.given import text
from mailcrm.errors import Refused
from mailcrm.store import fields, people

_ELSEWHERE = frozenset({"organization", "email", "phone", "created_by"})


def field_set(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``field.set {field, value}``: a field of the person; ``name`` and ``owner`` too. No value, or "", clears it."""
    number, name = who.person(subject), text(effect.args["field"], "the field's name")
    value = effect.args.get("value")
    if name in _ELSEWHERE:
        raise Refused(f"{name} is no field that a flow may set; give the field another name")
    if name == "name":
        people.change(hands.connection, number, name=text(str(value or ""), "the name"))
    elif name == "owner":
        owner = who.user(hands, effect, subject, str(value)) if value not in (None, "") else None
        people.change(hands.connection, number, owner_id=owner)
    else:
        fields.put(hands.connection, "person", number, name, None if value == "" else value)
    return Outcome.DONE
