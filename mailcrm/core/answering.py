"""Which mail was answered, by whom and after how long; and sums of that, of which parts can be taken out again."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

ALL = 0
"""In place of a user: all mail, each message once."""

_UNDER_WAY = timedelta(days=7)
_KEPT_BITS = 5


@dataclass(frozen=True, slots=True)
class Mail:
    """A message of a human.

    Args:
        at: ``moment``; ``came``: it was written to us, not by us.
        users: in whose mailboxes it lies; of one of ours: who wrote it, if that is known.
    """

    id: int
    at: datetime
    came: bool
    users: frozenset[int]


class Fact(NamedTuple):
    """What a message adds to the sums.

    Args:
        day: of its coming or going, in UTC, as ``date.toordinal`` counts.
        by: who answered it (``ALL`` if that is not known); None: nobody.
        seconds: from its coming to that answer.
    """

    day: int
    came: bool
    users: tuple[int, ...]
    by: int | None = None
    seconds: int | None = None


@dataclass(slots=True)
class Sum:
    """Of one span of days and one user.

    Args:
        replied: how many of those ``received`` were answered, by whomever.
        answered: how many he answered himself, ``seconds`` after they came, all added up.
        times: seconds -> how often.
    """

    received: int = 0
    replied: int = 0
    sent: int = 0
    answered: int = 0
    seconds: int = 0
    times: Counter[int] = field(default_factory=Counter)

    def add(self, other: Sum) -> None:
        """Take in what another has counted."""
        self.received += other.received
        self.replied += other.replied
        self.sent += other.sent
        self.answered += other.answered
        self.seconds += other.seconds
        self.times.update(other.times)

    @property
    def is_empty(self) -> bool:
        """Nothing is counted in it."""
        return not (
            self.received or self.replied or self.sent or self.answered or self.seconds or any(self.times.values())
        )


class Key(NamedTuple):
    """Of which days and whose a sum is. ``span``: day | month."""

    span: str
    first_day: date
    user: int


def moment(written_at: datetime, received_at: datetime) -> datetime:
    """When a message counts as come or gone.

    That is when the server took it, for a stranger's Date is his to choose; but its Date if it would have been under
    way for more than a week: then it was moved here from another mailbox or a file.
    """
    return written_at if received_at - written_at > _UNDER_WAY else received_at


def facts(thread: Iterable[Mail]) -> list[Fact]:
    """What the messages of one thread add to the sums: each that came is answered by the first of ours after it.

    Of those of one instant the one that came stands first.
    """
    found: list[Fact] = []
    by: int | None = None
    answered_at: datetime | None = None
    for mail in sorted(thread, key=lambda each: (each.at, not each.came, each.id), reverse=True):
        day, users = mail.at.date().toordinal(), tuple(sorted(mail.users))
        if not mail.came:
            by, answered_at = (users[0] if users else ALL), mail.at
            found.append(Fact(day, False, users))
        elif answered_at is None:
            found.append(Fact(day, True, users))
        else:
            found.append(Fact(day, True, users, by, int((answered_at - mail.at).total_seconds())))
    return sorted(found, key=lambda fact: (fact.day, fact.came, fact.users, fact.by or 0, fact.seconds or 0))


def changes(old: Collection[Fact], new: Collection[Fact], into: dict[Key, Sum]) -> None:
    """Add to ``into`` what makes the sums of ``new`` out of those of ``old``."""
    more, less = Counter(new), Counter(old)
    for fact, number in (more - less).items():
        _count(fact, number, into)
    for fact, number in (less - more).items():
        _count(fact, -number, into)


def rounded(seconds: int) -> int:
    """The middle of the span of times that are counted as one: within 3.2 per cent, in whole numbers."""
    shift = max(0, seconds.bit_length() - _KEPT_BITS)
    return (seconds >> shift << shift) + (1 << shift >> 1)


def quantiles(times: Mapping[int, int], *shares: float) -> list[float | None]:
    """The times below which these shares of them lie, between two in proportion; None if there are no times.

    Args:
        times: seconds -> how often.
        shares: 0.5 is the median.
    """
    if not times:
        return [None] * len(shares)
    ordered = sorted(times)
    passed = list(accumulate(times[seconds] for seconds in ordered))
    found: list[float | None] = []
    for share in shares:
        place = share * (passed[-1] - 1)
        whole = int(place)
        low = ordered[bisect_right(passed, whole)]
        high = ordered[bisect_right(passed, whole + 1)] if place > whole else low
        found.append(low + (high - low) * (place - whole))
    return found


def _count(fact: Fact, number: int, into: dict[Key, Sum]) -> None:
    day = date.fromordinal(fact.day)
    for span, first in (("day", day), ("month", day.replace(day=1))):
        for user in {ALL, *fact.users}:
            one = into.setdefault(Key(span, first, user), Sum())
            if not fact.came:
                one.sent += number
                continue
            one.received += number
            one.replied += number if fact.seconds is not None else 0
        if fact.seconds is None:
            continue
        time = fact.seconds if span == "day" else rounded(fact.seconds)
        for user in {ALL, fact.by or ALL}:
            one = into.setdefault(Key(span, first, user), Sum())
            one.answered += number
            one.seconds += number * fact.seconds
            one.times[time] += number


__all__ = ["ALL", "Fact", "Key", "Mail", "Sum", "changes", "facts", "moment", "quantiles", "rounded"]
