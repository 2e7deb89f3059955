"""Whether a mail may tell of its opening and its clicks. Storing and reading on somebody's device needs his consent
(ePrivacy Directive article 5(3), as EDPB Guidelines 2/2023 read it for pixels and tracked links)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from mailcrm.config import Config
from mailcrm.store import permissions


def allowed(
    connection: Connection, config: Config, sender: str, person: int | None, step_args: Mapping[str, Any]
) -> bool:
    """Whether a mail of this sender to this recipient is tracked.

    The recipient's permission has to cover it (``permission.tracking``), unless ``tracking.when`` says otherwise. Both
    the sender (``users.X.tracking``) and the mail (``track = false`` in its step) can only switch it off.

    Args:
        sender: the user's key.
        person: the recipient; None where he is nobody we know, whose permission nobody has.
        step_args: what the step is told (``with``).
    """
    user = config.users.get(sender)
    if config.tracking.when == "never" or user is None or not user.tracking or step_args.get("track") is False:
        return False
    if config.tracking.when == "always":
        return True
    known = permissions.of(connection, [] if person is None else [person]).values()
    return any(each.granted and each.tracking for each in known)
