"""What a flow's change to records is given; by it one flow puts a subject into another, or takes it out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from mailcrm.app.admission import admit
from mailcrm.app.ledger import Seat
from mailcrm.config import Config
from mailcrm.core.enrollment import Decision, Effect, Enrol, Happened, Move, Status, Step, Stop, Subject
from mailcrm.core.ours import Ours
from mailcrm.errors import NotFound, Refused
from mailcrm.store.blobs import Blobs
from mailcrm.store.flows import StoredFlow

if TYPE_CHECKING:
    from mailcrm.app.stepping import Stepper


class FlowHands:
    """The hands of one effect; see ``builtin.hands.Hands``.

    What it causes and decides about other flows is taken up by ``finish``: a change that raises leaves nothing behind.
    """

    def __init__(self, stepper: Stepper, seat: Seat, effect: Effect) -> None:
        self._stepper, self._seat, self._effect = stepper, seat, effect
        self._emitted = 0
        self._happened: list[Happened] = []
        self._decided: list[tuple[Seat, Decision, str]] = []
        self._notes: list[Step] = []

    @property
    def connection(self) -> Connection:
        """Open, in the transaction."""
        return self._stepper.connection

    @property
    def now(self) -> datetime:
        """The time of the step."""
        return self._effect.at

    @property
    def source(self) -> str:
        """``flow:7``."""
        return f"flow:{self._seat.flow}"

    @property
    def config(self) -> Config:
        """The configuration."""
        return self._stepper.context.config

    @property
    def ours(self) -> Ours:
        """Who we are."""
        return self._stepper.context.ours

    @property
    def secret(self) -> bytes:
        """The key for tokens."""
        return self._stepper.context.secret

    @property
    def blobs(self) -> Blobs:
        """Where the pictures of templates lie."""
        return self._stepper.context.blobs

    def clock(self) -> datetime:
        """The time by the clock."""
        return self._stepper.context.clock()

    def emit(self, kind: str, data: dict[str, Any], person: int | None) -> None:
        """Store an event, caused by this effect."""
        key, self._emitted = f"effect:{self._effect.key}:{self._emitted}", self._emitted + 1
        at, chain = self._effect.at, self._effect.chain
        self._happened += self._stepper.emit(kind, data, person, at, self.source, key, chain)

    def enroll(self, flow: str, subject: Subject, by: str) -> bool:
        """See ``builtin.hands.Hands``."""
        stored = self._named(flow)
        compiled = self._stepper.flows.current(stored.id)
        if compiled is None:
            raise Refused(f"the {stored.kind} {flow!r} can't be read any more; is a plugin missing?")
        admit(self.connection, self.config, stored, compiled.flow, [subject])
        seat = self._stepper.seat(stored.id, subject)
        decision = self._stepper.decide(seat, Enrol(self._effect.at, self._effect.chain), self._effect.at)
        if decision.enrollment is seat.live:
            self._note(stored, decision.steps[-1].result if decision.steps else "lets nobody in")
            return False
        self._decided.append((seat, decision, by))
        return True

    def leave(self, flow: str, subject: Subject, reason: str) -> bool:
        """See ``builtin.hands.Hands``."""
        seat = self._stepper.seat(self._named(flow).id, subject)
        if seat.live is None:
            return False
        stop = Stop(Status.REMOVED, reason, self._effect.at, self.source)
        self._decided.append((seat, self._stepper.decide(seat, stop, self._effect.at), self.source))
        return True

    def move(self, flow: str, subject: Subject, node: str) -> bool:
        """See ``builtin.hands.Hands``."""
        stored = self._named(flow)
        seat = self._stepper.seat(stored.id, subject)
        if seat.live is None:
            self._note(stored, "nobody is inside")
            return False
        if seat.compiled is None or node not in seat.compiled.flow.nodes:
            raise NotFound(f"version {seat.live.version} of {flow!r}, which is walked there, has no node {node!r}")
        decision = self._stepper.decide(seat, Move(node, self._effect.at, self._effect.chain), self._effect.at)
        if decision.enrollment is seat.live:
            self._note(stored, decision.steps[-1].result)
            return False
        self._decided.append((seat, decision, self.source))
        return True

    def finish(self) -> None:
        """The change is done: tell what it caused, and carry out what it decided about other flows."""
        self._stepper.emitted += self._happened
        for step in self._notes:
            self._stepper.ledger.note(int(self._effect.key.partition(".")[0]), step)
        for seat, decision, by in self._decided:
            self._stepper.follow(seat, decision, by)

    def _note(self, flow: StoredFlow, why: str) -> None:
        """Why nothing comes of it, for the trace."""
        effect = self._effect
        why = f"{effect.name} changes nothing: {flow.name!r}: {why.removeprefix('ignored: ')}"
        self._notes.append(Step(0, effect.node, effect.at, f"done {effect.key}", why))

    def _named(self, flow: str) -> StoredFlow:
        stored = self._stepper.flows.named(flow)
        if stored is None:
            raise NotFound(f"there is no flow {flow!r}")
        return stored
