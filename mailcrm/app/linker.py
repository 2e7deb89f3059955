"""Links the messages of one batch: asks the core, with everything it has to know read beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection

from mailcrm.app import proof
from mailcrm.app.context import Context
from mailcrm.app.items import Item, Setting
from mailcrm.app.person_book import PersonBook
from mailcrm.app.thread_book import ThreadBook
from mailcrm.core import linking
from mailcrm.core.letter_ids import run_of
from mailcrm.core.linking import Match, OpenDeal, OpenDeals
from mailcrm.core.model import Direction, Kind
from mailcrm.core.reply import trim
from mailcrm.store import enrollments, lookup, tables
from mailcrm.store.choices import NewChoice
from mailcrm.store.db import reserve
from mailcrm.store.lookup import ThreadState
from mailcrm.store.messages import Rows

_NO_DEAL = (Kind.BULK, Kind.BOUNCE, Kind.COMPLAINT)


class Linked(Struct, frozen=True, gc=False):
    """What became of one message.

    Args:
        answers: it answers a mail of ours.
        runs: the flows' runs that go on and whose letters it names; ``named``: those that are over, too.
        forged: our own server has found that From is not who wrote it, and nothing else shows who did.
        counts: it is told to flows and plugins: not an old one, save it answers a run that goes on.
    """

    id: int
    item: Item
    thread: int
    persons: tuple[int, ...]
    deal: int | None
    answers: bool
    counts: bool
    runs: tuple[int, ...] = ()
    forged: bool = False
    named: tuple[int, ...] = ()


@dataclass(slots=True)
class Linker:
    """One batch being linked. ``prepare`` reads, ``add`` decides and collects rows, ``finish`` writes."""

    context: Context
    connection: Connection
    setting: Setting
    now: datetime
    rows: Rows = field(init=False)
    threads: ThreadBook = field(init=False)
    people: PersonBook = field(init=False)
    linked: list[Linked] = field(default_factory=list)
    skipped: int = 0
    _deals: OpenDeals = field(default_factory=OpenDeals)
    _standing: dict[int, int] = field(default_factory=dict)
    _fresh_ids: Iterator[int] = field(default_factory=lambda: iter(()))

    def __post_init__(self) -> None:
        self.rows = Rows(self.now)
        self.threads = ThreadBook(self.connection, self.now)
        self.people = PersonBook(self.context, self.connection, self.setting, self.rows)

    def prepare(self, items: Sequence[Item]) -> None:
        """Read everything that linking these messages may need, in a fixed number of queries."""
        self.threads.read(items, shared=len(self.setting.members) > 1)
        self.people.read(items)
        persons, organizations = self.people.known()
        self._deals = OpenDeals(lookup.open_deals(self.connection, persons, organizations))
        self._standing = lookup.standing_choices(self.connection, persons) if self._deals else {}
        self._fresh_ids = iter(reserve(self.connection, tables.message, len(items)))

    def add(self, item: Item) -> None:
        """Link one message."""
        parties = self.people.parties(item)
        placement = self.threads.place(item) if parties or not item.parties else None
        if placement is None:
            self.skipped += 1
            return
        state = self.threads.enter(item, placement)
        message_id = next(self._fresh_ids)
        self.rows.link(message_id, "thread", Match(state.id, placement.rule, placement.evidence))
        persons: tuple[int, ...] = ()
        deal: int | None = None
        vetoes = self._vetoes(item)
        if vetoes:
            for party in parties:
                self.rows.participant(message_id, party, None)
            self.rows.link(message_id, "veto", Match(0, "veto_link", "; ".join(vetoes)))
        else:
            persons, organizations = self.people.persons(message_id, item)
            for match in organizations:
                self.rows.link(message_id, "organization", match)
                if state.organization is None:
                    state.organization, state.changed = match.record, True
            deal = self._deal(message_id, item, state, persons, [match.record for match in organizations])
            if not parties and not linking.has_sender(item.message):
                self.rows.link(message_id, "nobody", Match(0, "no sender", _sender_shown(item)))
            if persons and state.link == "none":
                state.link, state.changed = "person", True
        answered = self._runs_answered(item)
        live = enrollments.with_ids(self.connection, answered) if answered else []
        named = any(run.subject.person in persons for run in live)
        forged = item.direction is Direction.IN and not named and proof.forged(self.context, item.message)
        answers = (self.threads.wrote(item, state) or bool(answered)) and not forged
        self._write(message_id, item, state)
        counts = not item.historic or bool(live)
        runs = tuple(run.id for run in live)
        self.linked.append(
            Linked(message_id, item, state.id, persons, deal, answers, counts, runs, forged, tuple(answered))
        )

    def _runs_answered(self, item: Item) -> list[int]:
        """The flows' runs whose letters it names; no copy of those need ever have been seen."""
        if item.direction is not Direction.IN:
            return []
        named = (*item.message.in_reply_to, *item.message.references)
        return [run for each in named if (run := run_of(self.context.secret, each)) is not None]

    def finish(self) -> None:
        """Write the rows; the caller commits."""
        self.threads.write()
        self.rows.write(self.connection)
        self.threads.join()
        self.people.adopt()

    def _vetoes(self, item: Item) -> Sequence[str]:
        if not self.context.plugins.has("veto_link"):
            return ()
        return self.context.plugins.vetoes("veto_link", message=item.message)

    def _deal(
        self, message_id: int, item: Item, state: ThreadState, persons: Sequence[int], organizations: Sequence[int]
    ) -> int | None:
        if state.deal is not None:
            self.rows.link(message_id, "deal", Match(state.deal, "thread", f"thread {state.id} is linked to it"))
            return state.deal
        wakes = state.question == "open" and state.silent and not item.historic
        if not self._deals or (state.decided and not wakes) or item.reading.kind in _NO_DEAL:
            return None
        found, rule = self._deals.candidates(
            persons,
            organizations,
            organization_deals=self.context.config.linking.organization_deals,
            opened_before=item.at if item.historic else None,
        )
        if wakes:
            whom = self._whom(item, state, found)
            if whom is not None:
                self.threads.wake(state, whom)
            return None
        decision = linking.decide_deal(
            found,
            rule,
            standing=self._standing,
            persons=persons,
            plugin=(lambda deals: self.context.plugins.choose("choose_deal", message=item.message, deals=deals))
            if found and self.context.plugins.has("choose_deal")
            else None,
        )
        if decision.deal is not None:
            state.deal, state.link, state.changed = decision.deal.record, "linked", True
            self.rows.link(message_id, "deal", decision.deal)
            return state.deal
        if decision.ask and not state.question:
            self._ask(item, state, decision.ask)
        return None

    def _ask(self, item: Item, state: ThreadState, deals: Sequence[OpenDeal]) -> None:
        question = NewChoice(
            thread_id=state.id,
            user_id=None if item.historic else self._whom(item, state, deals),
            deals=tuple(deal.id for deal in deals),
            created_at=self.now,
            historic=item.historic,
        )
        self.threads.ask(state, question)

    def _whom(self, item: Item, state: ThreadState, deals: Sequence[OpenDeal]) -> int | None:
        first = self.setting.users.get(self.context.ours.user(state.writer or "") or "")
        return linking.whom_to_ask(item.members, first, deals)

    def _write(self, message_id: int, item: Item, state: ThreadState) -> None:
        self.rows.message(
            message_id,
            item.identity,
            state.id,
            item.message,
            item.reading,
            item.direction,
            item.author,
            item.arrival.received_at,
            historic=item.historic,
            text=item.text,
            reply_text=trim(item.text) if item.forwarded else item.reading.reply_text,
            details=item.details,
            without=self.people.erased,
        )
        self.rows.location(message_id, self.setting.folder_id, item.arrival.uid, item.arrival.flags)


def _sender_shown(item: Item) -> str:
    sender = item.message.from_
    return f"From names no address: {sender.name or sender.email}" if sender else "there is no From"
