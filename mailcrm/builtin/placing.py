"""Has a letter placed in its rep's own Drafts folder, where he has a mailbox on a server."""

from __future__ import annotations

from mailcrm.builtin.hands import Hands
from mailcrm.config import Config
from mailcrm.core.compose import Envelope, compose
from mailcrm.core.drafts import marked, token_of
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.letters import Letter
from mailcrm.store import drafts
from mailcrm.store.drafts import NewDraft
from mailcrm.store.users import StoredUser


def own_mailbox(config: Config, user: str) -> str | None:
    """The key of the user's own mailbox on a server; None: he has none, or shares one."""
    return next((key for key, mailbox in config.mailboxes.items() if mailbox.user == user and mailbox.host), None)


def place(hands: Hands, effect: Effect, subject: Subject, sender: StoredUser, letter: Letter, to: Envelope) -> None:
    """Note a letter for whoever reads the rep's mailbox to put into its Drafts folder.

    Raises:
        Refused: it can't be written safely.
    """
    mailbox = own_mailbox(hands.config, sender.key)
    if mailbox is None:
        return
    token = token_of(hands.secret, effect.key)
    new = NewDraft(
        effect=effect.key,
        mailbox=mailbox,
        user_id=sender.id,
        person=subject.person,
        token=token,
        message_id=to.message_id,
        recipient=to.recipient,
        subject=letter.subject,
        content=marked(compose(letter, to), token, to.message_id),
    )
    drafts.put(hands.connection, new, hands.now)
