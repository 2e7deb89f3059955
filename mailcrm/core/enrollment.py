"""What walks through a flow, what moves it, and what the engine decides.

Structs of msgspec: several are made for every step, and these are made ten times as fast as frozen dataclasses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol, TypeAlias

from msgspec import Struct

from mailcrm.core.events import Event
from mailcrm.core.flow import Condition

Place: TypeAlias = tuple[int, str]
"""A flow and a node of it: what caused something."""


class Status(StrEnum):
    """Moves only from in progress to one of the others, never back."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    REMOVED = "removed"


IN_PROGRESS: Final = Status.IN_PROGRESS
"""The same, found ten times as fast: it is asked for again and again in every step."""


class Waiting(StrEnum):
    """What a token waits for: an event, a timer (of a Wait; of a Do's clock), its actions, or nothing more.

    ``END`` is at an End of all, until the actions that belong to the same transaction are done: never stored.
    """

    EVENT = "event"
    WAIT = "wait"
    DELAY = "delay"
    DONE = "done"
    PARKED = "parked"
    END = "end"


class Token(Struct, frozen=True, gc=False, omit_defaults=True):
    """One position in the flow.

    Args:
        id: unique within its enrollment.
        at: when it arrived, and the id of the event that moved it (0: something else did).
        due: when its timer runs out.
        keys: of the actions that it waits for.
        index: which of the node's actions is being done.
        hop: the hop of its arrival: part of its actions' keys.
    """

    id: int
    node: str
    waiting: Waiting
    at: tuple[datetime, int]
    due: datetime | None = None
    keys: frozenset[str] = frozenset()
    index: int = 0
    hop: int = 0


class Subject(Struct, frozen=True, gc=False):
    """Whom a flow is about: a person; in a sequence a deal or lead, whose person gets the mail; in a campaign a
    recipient, who may be a company and no person."""

    person: int | None
    deal: int | None = None
    lead: int | None = None
    recipient: int | None = None


class Enrollment(Struct, frozen=True, gc=False):
    """A subject's run through one version of a flow.

    Args:
        number: 1 for the subject's first run through this flow.
        began: when the event happened that let it in.
        ended: the time of what ended it: like ``began`` it does not depend on how late the machine was.
        passed: the ``On`` nodes that it has passed.
        chain: what caused the event that moved it last.
        seq: compared and set by every write.
        hop: arrivals so far; ``quiet`` those since the last timer or outside event; ``born`` tokens so far.
    """

    id: int
    flow: int
    version: int
    subject: Subject
    number: int
    began: datetime
    status: Status = IN_PROGRESS
    reason: str = ""
    ended: datetime | None = None
    ended_by: str = ""
    tokens: tuple[Token, ...] = ()
    passed: frozenset[str] = frozenset()
    chain: tuple[Place, ...] = ()
    seq: int = 0
    hop: int = 0
    quiet: int = 0
    born: int = 0


class Happened(Struct, frozen=True, gc=False):
    """An event, with the chain of places that caused it."""

    event: Event
    chain: tuple[Place, ...] = ()


class Due(Struct, frozen=True, gc=False):
    """A token's timer ran out."""

    token: int


class Done(Struct, frozen=True, gc=False):
    """An action was carried out at that time, or refused for good (``problem``).

    Args:
        refused: by lack of consent: ``on_error = "continue"`` does not apply.
    """

    key: str
    at: datetime
    problem: str = ""
    refused: bool = False


class Enrol(Struct, frozen=True, gc=False):
    """Somebody, or another flow, puts the subject in; where it starts is the flow's ``start``."""

    at: datetime
    chain: tuple[Place, ...] = ()


class Move(Struct, frozen=True, gc=False):
    """A flow sends the subject, who is inside, on to another node."""

    node: str
    at: datetime
    chain: tuple[Place, ...] = ()


class Stop(Struct, frozen=True, gc=False):
    """Ended from outside: by hand, by a reply, by a deactivation or an edit."""

    status: Status
    reason: str
    at: datetime
    by: str = ""


Stimulus: TypeAlias = Happened | Due | Done | Enrol | Move | Stop


class Verdict(Struct, frozen=True, gc=False):
    """A condition's answer, with what was asked and what was found, as a person would read it."""

    holds: bool
    expected: str
    actual: str


class Past(Struct, frozen=True, gc=False):
    """Earlier runs of this subject through this flow.

    Args:
        runs: how many there were.
        counted: how many of them an edit did not end: what ``again = "never"`` asks.
        ended: when the last one ended.
    """

    runs: int = 0
    counted: int = 0
    ended: datetime | None = None


class Calendar(Protocol):
    """The subject's zone and the rep's working hours (``core.calendar``)."""

    def later(self, at: datetime, span: str) -> datetime:
        """``span`` after ``at``: a calendar month in the subject's zone, all else exact."""

    def opening(self, at: datetime) -> datetime:
        """``at``, or the next opening minute after it."""


class Facts(Struct, frozen=True):
    """What the engine may know besides the flow and the enrollment, read in the same transaction.

    Args:
        subject: of an enrollment that may begin now.
        new_id: the id for such an enrollment.
        active_since: when the flow was last activated; None: it lets nobody in.
        past: of the subject in this flow.
        judge: asks a registered condition about the subject, as of now; sees to ``negated``. One that raises
            ``Temporary`` lets the whole step be tried again, any other error fails the enrollment.
        events: the subject's events already taken that a waiting node may look back to, by time and id.
        at_once: names of the actions that change rows: carried out, and answered by ``Done``, in this transaction.
    """

    subject: Subject
    new_id: int
    active_since: datetime | None
    past: Past
    calendar: Calendar
    judge: Callable[[Condition], Verdict]
    events: Sequence[Happened] = ()
    at_once: Set[str] = frozenset()


class Effect(Struct, frozen=True, gc=False):
    """An action to be carried out, once.

    Args:
        key: ``enrollment.hop.index``: never repeats.
        at: when the step took place: the time of the stimulus.
        chain: what its own events carry on.
    """

    key: str
    node: str
    name: str
    args: Mapping[str, Any]
    at: datetime
    chain: tuple[Place, ...]


class Step(Struct, frozen=True, gc=False):
    """A line of the trace: what happened at a node and why.

    Args:
        node: "" where it concerns the run as a whole.
        stimulus: what moved the token: ``event 17 (tag.added)``, ``timer``, ``done 3.1.0``, ``enrolled``, ``stopped``.
        result: what came of it, for people: ``entered``, ``passed``, ``waits until …``, ``yes``, ``no``, ``case 2``,
            ``does tag.add``, ``did tag.add``, ``parks: …``, ``ignored: …``, ``reacts not: …``, ``completed`` …
        expected, actual: of the conditions asked.
    """

    hop: int
    node: str
    at: datetime
    stimulus: str
    result: str
    expected: str = ""
    actual: str = ""


class Decision(Struct, frozen=True, gc=False):
    """What is to be stored and done, in one transaction.

    Args:
        enrollment: as it is now, the very object that was given if nothing moved it; None: the subject stays out.
        effects: in order.
        withdraw: keys of pending effects that are not to be done any more; ``withdraw_all``: every one of this
            enrollment (of ``replaced``, if that is set).
        replaced: ``again = "restart"``: the run before, which this one ends.
    """

    enrollment: Enrollment | None
    effects: tuple[Effect, ...] = ()
    withdraw: frozenset[str] = frozenset()
    withdraw_all: bool = False
    steps: tuple[Step, ...] = ()
    replaced: Enrollment | None = None
