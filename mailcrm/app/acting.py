"""Who does something, and what he may see."""

from __future__ import annotations

from dataclasses import dataclass

from mailcrm.config import Config
from mailcrm.store.mailboxes import DROP_BOX
from mailcrm.store.users import StoredUser
from mailcrm.store.visible import Viewer


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user, or nobody in particular (the operator at the command line)."""

    user: StoredUser | None = None

    @property
    def id(self) -> int | None:
        """The user's id."""
        return self.user.id if self.user else None

    @property
    def source(self) -> str:
        """As it is noted in ``created_by`` and in events."""
        return f"user:{self.user.key}" if self.user else "command"


def may(config: Config, actor: Actor, permission: str) -> bool:
    """Whether he has a permission; ``admin`` has all, and so has nobody in particular (the operator)."""
    if actor.user is None:
        return True
    entry = config.users.get(actor.user.key)
    return entry is not None and not {permission, "admin"}.isdisjoint(entry.permissions)


def viewer(config: Config, actor: Actor) -> Viewer:
    """What he may see of the mail. Mail handed in to the drop-box is for everybody; nobody in particular sees all."""
    if actor.user is None:
        return Viewer(mailboxes=None)
    key = actor.user.key
    own = frozenset(name for name, mailbox in config.mailboxes.items() if key in mailbox.people)
    open_to_all = {name for name, mailbox in config.mailboxes.items() if mailbox.shared or mailbox.drop_box}
    return Viewer(mailboxes=own | open_to_all | {DROP_BOX}, own=own)
