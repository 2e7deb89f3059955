"""Word to a user: ``notify``."""

from __future__ import annotations

from mailcrm.builtin import who, words
from mailcrm.builtin.hands import Hands, Outcome
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.errors import Refused
from mailcrm.store import pulse


def notify(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``notify {user, text}``: a line in the user's pulse."""
    user = who.user(hands, effect, subject, who.optional(effect, "user"))
    if user is None:
        raise Refused("nobody to tell; name a user, or give the flow an owner")
    text = words.filled(hands.connection, hands.config, effect.args["text"], subject, user)
    run = int(effect.key.partition(".")[0])
    pulse.add(hands.connection, user, "notice", text, effect.at, hands.now, run=run)
    return Outcome.DONE
