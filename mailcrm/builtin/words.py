"""Short texts of a flow, with the contact's name and the like filled in."""

from __future__ import annotations

from sqlalchemy import Connection

from mailcrm.builtin import variables, whom
from mailcrm.config import Config, User
from mailcrm.core.enrollment import Subject
from mailcrm.core.letters import fill
from mailcrm.store import users


def filled(connection: Connection, config: Config, template: str, subject: Subject, owner: int | None) -> str:
    """A text as it reads for this subject; ``owner``: the user who is its ``rep``. Raises Refused as ``fill``."""
    if "{" not in template:
        return template
    keys = {each.id: each.key for each in users.every(connection)}
    rep = config.users.get(keys.get(owner or 0, "")) or User(email="")
    return fill(template, variables.of(connection, whom.records(connection, subject), rep, rep.signature, template))
