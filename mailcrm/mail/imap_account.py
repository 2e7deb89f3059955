"""What the watcher keeps of one mailbox between two looks at it: little, for there may be a thousand."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import IntFlag, StrEnum

from mailcrm.config import Mailbox
from mailcrm.mail.imap_desk import Desk
from mailcrm.mail.imap_folders import Folder
from mailcrm.mail.imap_pacing import Budget
from mailcrm.mail.imap_talk import Talk


class State(StrEnum):
    """Where a mailbox stands."""

    WAITING = "waiting"  # to be connected when ``due``
    BUSY = "busy"  # a thread has its connection
    WATCHING = "watching"  # its connection sleeps in the selector
    PAUSED = "paused"  # until a person resumes it


class Why(IntFlag):
    """Reasons to look after a mailbox."""

    NONE = 0
    NEW = 1  # the server told of new mail
    GONE = 2  # … of expunged mail
    FLAGS = 4  # … of changed flags
    NEWS = 8  # … of another folder
    WAKE = 16  # the delivery hook did
    POLL = 32  # it is time


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds, and the sizes of the pools.

    Args:
        answer: silence after which a connection counts as dead.
        renew: longest time in one IDLE; servers may end it after 29 minutes (RFC 2177).
        blind: how often mailboxes are polled whose server does not push.
        settle: how long changed flags are left to settle before they are fetched.
        backoff: first and longest wait before connecting anew.
        fruitless: after so many pushes in a row that brought nothing, the connection is given up for a while.
        refused: wait after a refused login; after ``logins`` of them the mailbox is paused.
    """

    answer: float = 30.0
    renew: float = 1500.0
    blind: float = 20.0
    settle: float = 1.0
    backoff: tuple[float, float] = (1.0, 300.0)
    refused: float = 60.0
    logins: int = 3
    needs_person: float = 900.0
    fruitless: int = 100
    dialers: int = 6
    fetchers: int = 8
    first_passes: int = 2

    def wait(self, failures: int, asked: float | None = None) -> float:
        """How long to wait after so many failures in a row: exponential, with jitter, at least what was asked."""
        first, longest = self.backoff
        grown = min(longest, first * 2.0 ** min(failures, 20))
        return max(asked or 0.0, grown * random.uniform(0.5, 1.0))  # noqa: S311


@dataclass(slots=True, eq=False)
class Account:
    """One watched mailbox. While ``state`` is BUSY it belongs to a pool thread, else to the loop."""

    key: str
    mailbox: Mailbox
    desk: Desk
    poll: float
    state: State = State.WAITING
    talk: Talk | None = None
    first_talk: Talk | None = None
    folders: tuple[Folder, ...] = ()
    watched: Folder | None = None
    skipped: frozenset[bytes] = frozenset()
    seen: dict[str, int] = field(default_factory=dict)
    due: float = 0.0
    poll_at: float = 0.0
    since: float = 0.0
    failures: int = 0
    refusals: int = 0
    misses: int = 0
    again: Why = Why.NONE
    wanted: State = State.WATCHING
    reading: bool = False
    notify: bool = False
    unfinished: bool = False
    first_running: bool = False
    first_due: float = 0.0
    first_failures: int = 0
    budget: Budget | None = None
    endings: int = 0
    fruitless: int = 0
    alert: str = ""

    def interval(self, pace: Pace) -> float:
        """Seconds to the next safety poll: sooner where pushes did not come, in time for IDLE to be renewed."""
        if self.talk is None or "IDLE" not in self.talk.capabilities:
            return min(self.poll, pace.blind)
        usual = min(self.poll, pace.renew)
        return max(min(usual, pace.blind), usual / 4.0 ** min(self.misses, 10)) * random.uniform(0.9, 1.0)  # noqa: S311
