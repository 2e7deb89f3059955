"""What whoever changes records is given: a user's verb, or a step of a flow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Connection

from mailcrm.config import Config
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.ours import Ours
from mailcrm.store.blobs import Blobs


class Writer(Protocol):
    """A transaction in which somebody changes records."""

    @property
    def connection(self) -> Connection:
        """Open, in the transaction."""

    @property
    def now(self) -> datetime:
        """When it happens: aware, UTC. For a flow the time of the step."""

    @property
    def source(self) -> str:
        """Who does it, as it is noted in events and in ``created_by``: ``user:anna``, ``flow:7``, ``command``."""

    def emit(self, kind: str, data: dict[str, Any], person: int | None) -> None:
        """Store an event; that of a flow carries the effect's chain on. Raises Refused for data that don't fit."""


class Hands(Writer, Protocol):
    """What a change that a flow makes may use. One is made for each effect."""

    @property
    def config(self) -> Config:
        """The configuration."""

    @property
    def ours(self) -> Ours:
        """Who we are."""

    @property
    def secret(self) -> bytes:
        """The key for tokens."""

    @property
    def blobs(self) -> Blobs:
        """Where the pictures of templates lie."""

    def clock(self) -> datetime:
        """The time by the clock: later than ``now`` where a step was due before it could be done."""

    def enroll(self, flow: str, subject: Subject, by: str) -> bool:
        """Put a subject into a flow, by its name.

        Returns:
            False if it is inside already, or may not enter again.

        Raises:
            NotFound: no such flow.
            Refused: the flow is of other items, or full.
        """

    def leave(self, flow: str, subject: Subject, reason: str) -> bool:
        """Take a subject out of a flow; False if it was not inside. Raises NotFound: no such flow."""

    def move(self, flow: str, subject: Subject, node: str) -> bool:
        """Set a subject that is inside a flow on to another of its nodes; False if it was not inside.

        Raises:
            NotFound: no such flow, or no such node in the version that it walks.
        """


class Outcome(Enum):
    """What came of a change."""

    DONE = "done"
    WAITS = "waits"  # the effect stays ``waiting`` until somebody settles it: the outbox, the rep


Change: TypeAlias = Callable[[Hands, Effect, Subject], Outcome]
"""Raises Permanent for what fails the enrollment with that reason; any other exception is a fault of ours."""
