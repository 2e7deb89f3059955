"""What dispatch and the mail servers say to each other when mail is handed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from mailcrm.config import Config
from mailcrm.errors import MailcrmError, Permanent, Temporary

SMARTHOST: Final = "smarthost"
"""The route of everybody whose mailbox has no ``submission`` of its own."""

_NO_SUCH_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.10"})


@dataclass(frozen=True, slots=True)
class Parcel:
    """One mail to one recipient.

    Args:
        id: of the row in the outbox.
        sender: the envelope's; "" is the null sender.
        content: the whole message, lines ending in CRLF.
        user: key of the user in whose name it goes; None: it is from the program itself.
    """

    id: int
    sender: str
    recipient: str
    content: bytes
    user: str | None = None


class Unreachable(Temporary):
    """The server can't be reached, or takes nothing from us now: that is no mail's fault."""


class Ambiguous(Temporary):
    """The whole mail was handed over, and the connection broke before the answer: it was taken, or it was not."""


class Unsigned(Temporary):
    """The mail can't be signed until somebody mends the key of its domain. Mail of other domains leaves."""


class _Answered(Permanent):
    """A server said no.

    Args:
        status: the enhanced status code (RFC 3463), "" where the server gave none.
    """

    def __init__(self, text: str, status: str = "") -> None:
        super().__init__(text)
        self.status = status


class RecipientRefused(_Answered):
    """The server takes no mail for this recipient."""

    @property
    def unknown(self) -> bool:
        """There is no such mailbox or domain, so nothing should be sent there again."""
        return self.status in _NO_SUCH_ADDRESS


class SenderRefused(_Answered):
    """The server takes nothing from this sender now: quota, policy, login. His mail waits; no mail is at fault."""


Report = Callable[[Parcel, "str | MailcrmError"], None]
"""Told what became of a parcel: the words by which the server took it, or why it did not."""


class Transport(Protocol):
    """A way for mail to leave."""

    def deliver(self, route: str, parcels: Iterator[Parcel], report: Report, beat: Callable[[], None]) -> None:
        """Hand mails over, several at a time.

        Args:
            route: key of a mailbox with ``submission``, or SMARTHOST.
            parcels: asked for the next one just before its hand-over begins, always by the calling thread.
            report: called once for each parcel that was asked for, by the calling thread, in no certain order. Its
                errors are Temporary (Ambiguous: perhaps taken; Unreachable, Unsigned: not begun) or Permanent
                (RecipientRefused; SenderRefused; else about the mail itself).
            beat: called by the calling thread at least every few seconds meanwhile, for leases to be renewed: a server
                may think about one mail for a minute.

        Raises:
            Unreachable: nothing can be sent by this route now. As with the others, parcels that were begun are
                reported first, and no further ones are asked for.
            ConfigError, LoginFailed: nothing can be sent by this route until somebody changes something.
        """


class Filed(Protocol):
    """Looks into Sent folders for mail of which nobody knows whether the server took it."""

    def filed(self, route: str, user: str | None, message_id: str) -> bool | None:
        """Whether a mail lies in its sender's Sent folder.

        Returns:
            True: it was taken. False: the server files what it takes, and this is not there. None: can't be told.
        """


def route_of(config: Config, user: str | None, sender: str = "") -> str:
    """By which route a user's mail leaves: his own mailbox's server, so that From and account agree, else SMARTHOST.

    Args:
        user: his key in the configuration; None: the program itself.
        sender: his address in From, which decides between several mailboxes of his.
    """
    own = [
        (key, mailbox.submission)
        for key, mailbox in config.mailboxes.items()
        if mailbox.submission is not None and user is not None and user in mailbox.people
    ]
    for key, submission in own:
        if sender and sender.casefold() == (submission.login or "").casefold():
            return key
    personal = [key for key, _ in own if config.mailboxes[key].user == user]
    return (personal or [SMARTHOST])[0]
