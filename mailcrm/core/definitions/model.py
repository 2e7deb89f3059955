"""What an author writes: a workflow, a sequence or a rule, before it is compiled to a flow; a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from mailcrm.core.flow import Action, Again, Node

ItemType: TypeAlias = Literal["deals", "leads"]
"""What a sequence enrolls; locked after the first enrollment (SEQ-3, SEQ-5)."""


class Purpose(StrEnum):
    """What a template is for: a mail by itself, what is said in a call, the mail that brings an invoice or an offer."""

    EMAIL = "email"
    CALL = "call"
    INVOICE = "invoice"
    OFFER = "offer"


class StopOnReply(StrEnum):
    """Whose reply ends a run of a sequence: nobody's, the person's, or anybody's of the person's organization."""

    NO = "no"
    PERSON = "person"
    ORGANIZATION = "organization"


class OnEdit(StrEnum):
    """What becomes of those inside when a workflow is edited: they drop out (GRAPH-1), or finish on their version."""

    RESET = "reset"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class ActivityStep:
    """Makes an activity (SEQ-10).

    Args:
        activity: its type.
        after: span since the step before was done (the first: since enrollment); None: at once.
        due: span between its creation and its due time; None: due at once.
        assignee: ``owner`` (of the sequence), or a user.
    """

    activity: str
    after: str | None = None
    due: str | None = None
    assignee: str | None = None
    priority: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class DraftStep:
    """Puts a mail into the rep's Drafts, and reminds him (SEQ-11). Either ``template``, or subject and body or html.

    Args:
        html: beside the body, or in its place: then the text is made from it.
        after: as of ``ActivityStep``.
        sender: whose draft it is: ``owner`` unless said.
        recipient: the item's person unless said.
        remind: span until the reminder; None: reminded at once.
        in_thread: a reply to the mail of the step before.
    """

    template: str | None = None
    subject: str | None = None
    body: str | None = None
    html: str | None = None
    after: str | None = None
    sender: str | None = None
    recipient: str | None = None
    remind: str | None = None
    in_thread: bool = False


@dataclass(frozen=True, slots=True)
class EmailStep:
    """Sends a mail by itself, given the sender's consent (SEQ-12). As ``DraftStep``, without a reminder.

    Args:
        track: False: openings and clicks are not told, whoever would permit it.
    """

    template: str | None = None
    subject: str | None = None
    body: str | None = None
    html: str | None = None
    after: str | None = None
    sender: str | None = None
    recipient: str | None = None
    in_thread: bool = False
    track: bool = True


Step: TypeAlias = ActivityStep | DraftStep | EmailStep


@dataclass(frozen=True, slots=True)
class SequenceDefinition:
    """A linear flow of at most ten steps for deals or leads.

    Args:
        owner: e-mail, key or id of a user; None: who applies it.
    """

    name: str
    items: ItemType
    steps: tuple[Step, ...] = ()
    owner: str | None = None
    description: str = ""
    stop_on_reply: StopOnReply = StopOnReply.PERSON


@dataclass(frozen=True, slots=True)
class WorkflowDefinition:
    """A graph of nodes, by name, in the author's order.

    Args:
        owner: as of ``SequenceDefinition``.
    """

    name: str
    nodes: Mapping[str, Node]
    owner: str | None = None
    description: str = ""
    again: Again = Again.AFTER_END
    on_edit: OnEdit = OnEdit.RESET


@dataclass(frozen=True, slots=True)
class RuleDefinition:
    """One trigger, one action (WF-17).

    Args:
        owner: as of ``SequenceDefinition``.
    """

    name: str
    trigger: str
    action: Action
    where: Mapping[str, Any] = field(default_factory=dict)
    owner: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class TemplateDefinition:
    """A letter to be written many times (SEQ-14).

    Args:
        purpose: ``for`` in its file: what it is to be used for.
        language: ``pl``, ``en-GB``; None: not said.
        subject: a call's script may have none.
        body, html: one of them, or both; without a body the text is made from the HTML.
    """

    name: str
    purpose: Purpose
    subject: str = ""
    body: str = ""
    html: str | None = None
    language: str | None = None


Definition: TypeAlias = WorkflowDefinition | SequenceDefinition | RuleDefinition
"""Of a flow."""
