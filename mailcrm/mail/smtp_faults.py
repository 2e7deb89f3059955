"""What a server's refusal means: who is meant by it, and whether time mends it (RFC 5321 section 4.2, RFC 3463)."""

from __future__ import annotations

import re
from enum import Enum

from mailcrm.app.handover import RecipientRefused, SenderRefused
from mailcrm.errors import LoginFailed, MailcrmError, Permanent, Temporary
from mailcrm.mail.smtp_wire import Answer

LOGIN_WANTED = frozenset({530, 534, 535, 538})
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?=\s|$)")
_PASSING = frozenset({"5.2.2", "5.3.1"})  # mailbox full, system full: refused with 5xx by some servers, yet they pass
_SENDER = frozenset({"5.1.7", "5.1.8", "5.4.5"})  # his address; the daily quota
_MAIL = ("5.2.3", "5.3.4", "5.5.", "5.6.")  # too long, or made in a way that the server does not take


class Stage(Enum):
    """Which command an answer is to."""

    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END = "the mail"
    QUIT = "QUIT"


def refused(stage: Stage, answer: Answer, where: str, key: str) -> MailcrmError:
    """The error for an answer that is not a yes.

    Args:
        where: the server, in words.
        key: the section of the configuration.

    Returns:
        Temporary, LoginFailed (it wants one), SenderRefused, RecipientRefused, or Permanent: the mail itself.
    """
    text = f"{answer.code} {shown(answer.text)}"
    if answer.code in LOGIN_WANTED:
        return LoginFailed(f"{where} wants us to log in: {text}; set {key}.login, password and tls")
    found = _STATUS.match(answer.text.lstrip())
    status = found[1] if found else ""
    if answer.code < 500 or status.startswith("4") or status in _PASSING or (answer.code, stage) == (552, Stage.RCPT):
        return Temporary(f"{where}: {text}")
    told = f"{where} refused it: {text}"
    if status in _SENDER or status.startswith("5.7.") or (status.startswith("5.1.") and _is_of_sender(stage, answer)):
        return SenderRefused(told, status)
    if status.startswith(_MAIL) or (not status and answer.code in (500, 501, 552, 555)):
        return Permanent(told)
    if status.startswith("5.1.") or stage is Stage.RCPT:
        return RecipientRefused(told, status)
    return SenderRefused(told, status) if stage is Stage.MAIL else Permanent(told)


def _is_of_sender(stage: Stage, answer: Answer) -> bool:
    """An address that is refused may be the sender's: at MAIL there is no other, and Postfix says so at RCPT."""
    return stage is Stage.MAIL or "sender address" in answer.text.lower()


def shown(text: str) -> str:
    """A server's words, fit for a listing."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())[:300]
