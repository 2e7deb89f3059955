"""What an author writes: a workflow, a sequence, a rule or a campaign, before it is compiled to a flow; a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
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


class CampaignType(StrEnum):
    """What a campaign does for each of its recipients (CAMP-1)."""

    MAILING = "mailing"
    CALLS = "calls"
    ACTIVITIES = "activities"
    INVOICES = "invoices"
    DEALS = "deals"
    OFFERS = "offers"


class SenderPolicy(StrEnum):
    """In whose name it is done, or to whom it is assigned: who added the campaign, its owner, each contact's owner."""

    ADDER = "adder"
    OWNER = "owner"
    CONTACT_OWNER = "contact-owner"


class Strategy(StrEnum):
    """Whose data are used: the contact's, his company's, or both (CAMP-8)."""

    CONTACT = "contact"
    COMPANY = "company"
    BOTH = "both"


class CampaignState(StrEnum):
    """Only one that is ready can be launched (CAMP-20)."""

    PROPOSED = "proposed"
    PREPARING = "preparing"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Line:
    """Of an invoice or an offer.

    Args:
        price: of one, net.
        unit: what is counted: ``h``, ``pcs``.
        tax: a rate in percent, or ``exempt``; None: the rate of config.toml.
    """

    description: str
    price: Decimal
    quantity: Decimal = Decimal(1)
    unit: str = ""
    tax: Decimal | Literal["exempt"] | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whom a campaign is for, by group: ``tag:vip``, ``owner:anna``, ``all``, an address, a name or an id."""

    persons: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CampaignDefinition:
    """One action for many (CAMP-1 to 12).

    Args:
        owner: as of ``SequenceDefinition``.
        template: a mail, a call's script, or the mail that brings a document; by its kind.
        subjects: in place of the template's: each recipient gets one of them, the same number each (A/B).
        send_mails: of deals and invoices alone: whether the recipients are written to; None for other kinds (CAMP-11).
        activity: of activities alone, their type; due, priority, note: of calls and activities; ``due`` a span.
        title, stage, value, currency: of deals; ``title`` is Liquid, ``currency`` of documents too.
        series, lines, pay_within: of invoices and offers; ``pay_within`` a span: until when it is to be paid, or holds.
        recipients: put in beside those there are, whenever the file is applied.
    """

    name: str
    type: CampaignType
    goal: str = ""
    owner: str | None = None
    sender: SenderPolicy = SenderPolicy.OWNER
    strategy: Strategy = Strategy.CONTACT
    state: CampaignState = CampaignState.PROPOSED
    template: str | None = None
    subjects: tuple[str, ...] = ()
    description: str = ""
    send_mails: bool | None = None
    activity: str | None = None
    due: str | None = None
    priority: str | None = None
    note: str | None = None
    title: str | None = None
    stage: str | None = None
    value: Decimal | None = None
    currency: str | None = None
    series: str | None = None
    lines: tuple[Line, ...] = ()
    pay_within: str | None = None
    recipients: Chosen = Chosen()

    @property
    def mails(self) -> bool:
        """Whether its recipients are written to (CAMP-11)."""
        return self.type in (CampaignType.MAILING, CampaignType.OFFERS) or self.send_mails is True


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


Definition: TypeAlias = WorkflowDefinition | SequenceDefinition | RuleDefinition | CampaignDefinition
"""Of a flow."""
