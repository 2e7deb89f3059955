"""The threads that a batch touches: which ids lead where, what joins what, which questions come up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailcrm.app.ask import question_key
from mailcrm.app.items import Item
from mailcrm.core.model import Direction
from mailcrm.core.threads import FORWARDED, Placement, normal_subject, place
from mailcrm.errors import Temporary
from mailcrm.store import choices, lookup, messages, outbox, tables
from mailcrm.store.choices import NewChoice
from mailcrm.store.db import reserve
from mailcrm.store.lookup import QUESTIONS, ThreadState

_QUOTED_DATE_SLACK = timedelta(hours=26)  # a quoted date seldom names its zone
_TRIES = 5
_LINKS = ("none", "person", "choice", "linked")


@dataclass(slots=True)
class ThreadBook:
    """``read``, then for each message ``place`` and ``enter``; then ``write`` and ``join``."""

    connection: Connection
    now: datetime
    questions: dict[int, NewChoice] = field(default_factory=dict)
    _states: dict[int, ThreadState] = field(default_factory=dict)
    _known: dict[str, int] = field(default_factory=dict)
    _new_keys: dict[str, int] = field(default_factory=dict)
    _apart: set[tuple[int, int]] = field(default_factory=set)
    _into: dict[int, int] = field(default_factory=dict)
    _woken: dict[int, int] = field(default_factory=dict)
    _gone: list[ThreadState] = field(default_factory=list)
    _fresh_ids: Iterator[int] = field(default_factory=lambda: iter(()))

    def read(self, items: Sequence[Item], *, shared: bool) -> None:
        """Read, and lock, every thread that the messages refer to.

        Args:
            shared: the mailbox has several members, so that it matters who wrote first.

        Raises:
            Temporary: other processes join these threads faster than they can be read.
        """
        keys = {key for item in items for key in item.keys}
        for _ in range(_TRIES):
            self._known = lookup.threads_by_reference(self.connection, keys)
            wanted = set(self._known.values())
            self._load(wanted)
            if wanted <= self._states.keys():
                break  # none was joined into another between the two queries
        else:
            raise Temporary("threads of this mail are being joined by others just now")
        if len(wanted) > 1:
            self._apart = lookup.apart(self.connection, wanted)
        if wanted and not all(item.historic for item in items):
            for number, at in lookup.first_written(self.connection, wanted).items():
                self._states[number].written_at = at
        if shared:
            for number, writer in lookup.first_writers(self.connection, sorted(wanted)).items():
                self._states[number].writer = writer
        self._fresh_ids = iter(reserve(self.connection, tables.thread, len(items)))

    def place(self, item: Item) -> Placement | None:
        """Where the message goes; None if into a private thread, of which nothing but the ids is stored any more."""
        keys = item.keys
        if item.forwarded and not any(key in self._known for key in keys):
            keys = (*keys, *self._original(item))
        known = {key: self.live(self._known[key]) for key in keys if key in self._known}
        placement = place(keys, known, self._apart)
        private = next((each for each in known.values() if self._states[each].private), None)
        if private is None:
            return placement
        self._announce(item, private)
        return None

    def enter(self, item: Item, placement: Placement) -> ThreadState:
        """The thread of a message that is stored there: a new one, or with what it joins and the message changes."""
        if placement.thread is None:
            state = ThreadState(next(self._fresh_ids), item.message.subject, item.at, item.at, is_new=True)
            self._states[state.id] = state
        else:
            state = self._states[placement.thread]
            for gone in placement.joins:
                self._join(self._states.pop(gone), state)
            if item.at > state.last_at:
                state.last_at, state.changed = item.at, True
            if item.at < state.first_at:
                state.first_at, state.subject, state.changed = item.at, item.message.subject, True
        self._announce(item, state.id)
        return state

    def wrote(self, item: Item, state: ThreadState) -> bool:
        """Note whose message it is. True if it is an answer: one that came after one of ours wrote."""
        if item.direction is Direction.IN:
            return state.written_at is not None and state.written_at <= item.arrival.received_at
        state.written_at = _earlier(state.written_at, item.at)
        if item.message.from_ and state.writer is None:
            state.writer = item.message.from_.email
        return False

    def ask(self, state: ThreadState, question: NewChoice) -> None:
        """Open a choice about a thread when it is written."""
        self.questions[state.id] = question
        state.question, state.link, state.changed = "open", "choice", True
        state.silent = question.historic

    def wake(self, state: ThreadState, user: int) -> None:
        """Old mail raised a choice silently; now that the thread goes on, somebody is asked."""
        state.silent = False
        if state.id in self.questions:
            self.questions[state.id] = replace(self.questions[state.id], user_id=user, historic=False)
        else:
            self._woken[state.id] = user

    def live(self, thread: int) -> int:
        """The thread, or the one that it was joined into."""
        while thread in self._into:
            thread = self._into[thread]
        return thread

    def write(self) -> None:
        """Insert and update the threads themselves; before their messages."""
        messages.write_threads(self.connection, [*self._states.values(), *self._gone])

    def join(self) -> None:
        """What comes after the messages: joins, ids, questions."""
        withdrawn: list[int] = []
        for gone, into in self._into.items():
            withdrawn += messages.join_threads(self.connection, gone, into, self.now)
        outbox.withdraw(self.connection, map(question_key, withdrawn), "its thread was joined with another")
        keys = {key: self.live(thread) for key, thread in self._new_keys.items()}
        messages.write_references(self.connection, keys)
        choices.open_choices(self.connection, list(self.questions.values()))
        choices.wake(self.connection, {self.live(thread): user for thread, user in self._woken.items()})

    def _announce(self, item: Item, thread: int) -> None:
        for key in item.keys:
            if key not in self._known:
                self._known[key] = self._new_keys[key] = thread

    def _load(self, ids: Iterable[int]) -> None:
        self._states |= lookup.thread_states(self.connection, set(ids) - self._states.keys())

    def _original(self, item: Item) -> tuple[str, ...]:
        """A key for the thread of the mail that a forward quotes without its id, if that is stored."""
        forward = item.reading.forward
        if not forward or not forward.author or not forward.date:
            return ()
        low, high = forward.date - _QUOTED_DATE_SLACK, forward.date + _QUOTED_DATE_SLACK
        wanted = normal_subject(forward.subject or item.message.subject)
        for thread, subject in lookup.forwarded_original(self.connection, forward.author.email, low, high):
            if normal_subject(subject) == wanted:
                self._load({thread} - self._into.keys())
                if self.live(thread) in self._states:
                    key = f"{FORWARDED}{forward.author.email}, {subject}, {forward.date:%Y-%m-%d %H:%M} UTC"
                    self._known[key] = thread
                    return (key,)
        return ()

    def _join(self, lost: ThreadState, into: ThreadState) -> None:
        into.first_at, into.last_at = min(into.first_at, lost.first_at), max(into.last_at, lost.last_at)
        into.deal = into.deal or lost.deal
        into.organization = into.organization or lost.organization
        into.written_at = _earlier(into.written_at, lost.written_at)
        into.writer = into.writer or lost.writer
        into.changed = True
        self._join_questions(lost, into)
        others = {other for one, other in self._apart if one == lost.id}
        self._apart |= {pair for other in others for pair in ((into.id, other), (other, into.id))}
        self._into[lost.id] = into.id
        if lost.is_new:
            lost.link, lost.deal = "none", None
            self._gone.append(lost)  # its rows name it; it is written, then joined

    def _join_questions(self, lost: ThreadState, into: ThreadState) -> None:
        pending = [self.questions.pop(each.id, None) for each in (into, lost)]
        stored = [
            each.question for each, mine in zip((into, lost), pending, strict=True) if each.question and mine is None
        ]
        question = next(filter(None, pending), None)
        into.question = max(stored, key=QUESTIONS.index, default="")
        into.silent = into.silent or lost.silent
        if question is not None and not stored and into.deal is None:
            self.questions[into.id] = replace(question, thread_id=into.id)
            into.question = "open"
        links = {each.link for each in (into, lost)} - {"choice"}
        if any(each.link == "choice" for each in (into, lost)):
            links.add("choice" if into.question == "open" else "person")
        into.link = "linked" if into.deal is not None else max(links, key=_LINKS.index)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)
