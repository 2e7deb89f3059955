"""What a definition names that is not in it, and that must be there: users, templates."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from mailcrm.builtin import letters
from mailcrm.core.definitions import ActivityStep, Definition, SequenceDefinition, actions_of
from mailcrm.core.validation import Path, Problem
from mailcrm.errors import NotFound, Refused
from mailcrm.store import users

OWNER, CONTACT_OWNER = "owner", "contact-owner"


def unknown(connection: Connection, definition: Definition) -> Iterator[Problem]:
    """The owner, a sequence's users and any templates that there are none of."""
    for path, name in _users(definition):
        try:
            users.find(connection, name)
        except NotFound as error:
            yield _problem(path, error)
    for path, name in _templates(definition):
        try:
            letters.template_of({"template": name})
        except Refused as error:
            yield _problem(path, error)


def _users(definition: Definition) -> Iterator[tuple[Path, str]]:
    if definition.owner is not None:
        yield ("owner",), definition.owner
    if not isinstance(definition, SequenceDefinition):
        return
    for index, step in enumerate(definition.steps):
        key = "assignee" if isinstance(step, ActivityStep) else "sender"
        name = step.assignee if isinstance(step, ActivityStep) else step.sender
        if name and name not in (OWNER, CONTACT_OWNER):
            yield ("step", index, key), name


def _templates(definition: Definition) -> Iterator[tuple[Path, str]]:
    if isinstance(definition, SequenceDefinition):
        for index, step in enumerate(definition.steps):
            if not isinstance(step, ActivityStep) and step.template:
                yield ("step", index, "template"), step.template
        return
    for path, action in actions_of(definition):
        if action.name in ("mail.send", "draft.create") and action.args.get("template"):
            yield (*path, "template"), str(action.args["template"])


def _problem(path: Path, error: Refused | NotFound) -> Problem:
    what, _, mend = str(error).partition("; ")
    return Problem(path, what, mend or "name another")
