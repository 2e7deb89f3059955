"""Which persons, which organization, which deal? (linking rules, sections 3 to 5)"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import Struct

from mailcrm.core.addresses import normalise, without_dots, without_tag
from mailcrm.core.model import Address, Direction, FolderRole, Kind, Message, Reading
from mailcrm.core.ours import Ours

MOST_PARTIES = 10  # a mail to more outside recipients than this creates nobody
KEPT_PARTIES = 200
HISTORIC_CONTACT = timedelta(days=730)
_CREATING = frozenset({Kind.HUMAN, Kind.UNSUBSCRIBE, Kind.CALENDAR})


class Party(Struct, frozen=True, gc=False):
    """An outside party of a message. ``role``: from, reply_to, forwarded or bounced (incoming), to or cc (outgoing)."""

    address: Address
    role: str


@dataclass(frozen=True, slots=True)
class OpenDeal:
    """A deal that a message may belong to; ids, and ``owner`` is a user's id."""

    id: int
    title: str
    person: int | None
    organization: int | None
    owner: int | None
    stage: str
    created_at: datetime


class Card(Struct, frozen=True, gc=False):
    """One address of one person, with the time it was his: ``since`` inclusive, ``until`` exclusive, None is open."""

    person: int
    organization: int | None
    since: datetime | None = None
    until: datetime | None = None

    def valid(self, at: datetime) -> bool:
        """True if the address was this person's at that time."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


class Match(Struct, frozen=True, gc=False):
    """A record that a message belongs to, with the rule that found it and what it went by."""

    record: int
    rule: str
    evidence: str


@dataclass(frozen=True, slots=True)
class DealDecision:
    """At most one of: a deal, or the candidates to ask about. Neither: no deal."""

    deal: Match | None = None
    ask: tuple[OpenDeal, ...] = ()


def direction_of(message: Message, role: FolderRole, ours: Ours) -> Direction:
    """Outgoing: a copy in Sent, or written from one of our users' own addresses, whatever folder it lies in."""
    if role is FolderRole.SENT or (message.from_ is not None and ours.user(message.from_.email)):
        return Direction.OUT
    return Direction.IN


def has_sender(message: Message) -> bool:
    """True if From names an address. One with two ``@`` is none, and its domain, which may look like ours, no proof."""
    return message.from_ is not None and message.from_.email.count("@") == 1


def has_outside_party(message: Message, reading: Reading, direction: Direction, ours: Ours) -> bool:
    """False for mail among ourselves, which is not stored.

    Reports of mail systems concern outside mail; and what came in without a sender may be anybody's.
    """
    if reading.kind in (Kind.BOUNCE, Kind.COMPLAINT) or (direction is Direction.IN and not has_sender(message)):
        return True
    everyone = (message.from_, *message.to, *message.cc, *message.bcc, *message.reply_to)
    return any(address is not None and address.email and not ours.is_ours(address.email) for address in everyone)


def parties(message: Message, reading: Reading, direction: Direction, ours: Ours, *, forwarded: bool) -> list[Party]:
    """The outside parties, each once; of a bounce, whom the mail did not reach.

    Args:
        forwarded: a rep handed this in as a forward: its author is the sender that it quotes.
    """
    found: dict[str, Party] = {}

    def add(address: Address | None, role: str) -> None:
        if address and address.email not in found and ours.is_outside_party(address.email):
            found[address.email] = Party(address, role)

    if forwarded:
        add(reading.forward.author if reading.forward else None, "forwarded")
    elif direction is Direction.OUT:
        for address in message.to:
            add(address, "to")
        for address in (*message.cc, *message.bcc):
            add(address, "cc")
    elif reading.bounce is not None:
        add(Address("", normalise(reading.bounce.recipient or "")), "bounced")
    else:
        add(message.from_, "from")
        if not found:
            for address in message.reply_to:  # forms and mailing tools write in the customer's name
                add(address, "reply_to")
    return list(found.values())[:KEPT_PARTIES]


def outside_recipients(message: Message, ours: Ours) -> int:
    """To how many addresses that are not ours it was sent."""
    everyone = {address.email for address in (*message.to, *message.cc, *message.bcc)} - {""}
    return sum(not ours.is_ours(email) for email in everyone)


def may_create(reading: Reading, direction: Direction, recipients: int, policy: str, role: FolderRole) -> bool:
    """True if unknown parties of such a message become persons.

    Args:
        recipients: from ``outside_recipients``.
        policy: the mailbox's ``create_persons``: received+sent, sent or none.
    """
    if reading.kind not in _CREATING or recipients > MOST_PARTIES or role is FolderRole.JUNK:
        return False
    return policy == "received+sent" or (policy == "sent" and direction is Direction.OUT)


def match_person(
    email: str, at: datetime, book: Mapping[str, Sequence[Card]], *, gmail_dots: bool
) -> tuple[Card, str] | None:
    """Whose address it was at that time: exactly, then without plus-tag, then (setting) without Gmail's dots.

    Args:
        book: cards by address, and by ``"~" + canonical form`` for the last step.

    Returns:
        The card and the rule, or None.
    """
    steps = [(email, "address")]
    if (plain := without_tag(email)) != email:
        steps.append((plain, "address without tag"))
    if gmail_dots:
        steps.append((f"~{without_dots(plain)}", "Gmail address without dots"))
    for key, rule in steps:
        for card in book.get(key, ()):
            if card.valid(at):
                return card, rule
    return None


def name_of(address: Address) -> str:
    """A person's name from his address: the display name, else what the local part says."""
    shown = " ".join(address.name.split()).strip("\"' ")
    if shown and "@" not in shown:
        return shown
    local = address.email.partition("@")[0].partition("+")[0]
    words = [word for word in local.replace("_", ".").replace("-", ".").split(".") if word]
    return " ".join(word.capitalize() for word in words) if words else address.email


class OpenDeals:
    """Open deals, found by whose they are."""

    def __init__(self, deals: Iterable[OpenDeal] = ()) -> None:
        self._of_person: dict[int, list[OpenDeal]] = defaultdict(list)
        self._of_organization: dict[int, list[OpenDeal]] = defaultdict(list)
        for deal in deals:
            if deal.person is not None:
                self._of_person[deal.person].append(deal)
            if deal.organization is not None:
                self._of_organization[deal.organization].append(deal)

    def __bool__(self) -> bool:
        return bool(self._of_person or self._of_organization)

    def candidates(
        self,
        persons: Iterable[int],
        organizations: Iterable[int],
        *,
        organization_deals: bool,
        opened_before: datetime | None,
    ) -> tuple[list[OpenDeal], str]:
        """Those that a message may be about: the persons', else (setting) those of the organizations.

        Args:
            opened_before: for historic mail, the message's date: a deal opened later is not what it was about.

        Returns:
            The deals by id, and the rule that found them.
        """
        found = _possible(persons, self._of_person, opened_before)
        if found or not organization_deals:
            return found, "only open deal of the person"
        return _possible(organizations, self._of_organization, opened_before), "only open deal of the organization"


def _possible(
    records: Iterable[int], deals: Mapping[int, Sequence[OpenDeal]], opened_before: datetime | None
) -> list[OpenDeal]:
    found = {deal.id: deal for record in records for deal in deals.get(record, ())}
    return [
        found[number] for number in sorted(found) if opened_before is None or found[number].created_at <= opened_before
    ]


def decide_deal(
    found: Sequence[OpenDeal],
    rule: str,
    *,
    standing: Mapping[int, int],
    persons: Iterable[int],
    plugin: Callable[[Sequence[OpenDeal]], tuple[str, int] | None] | None = None,
) -> DealDecision:
    """None -> no deal; exactly one -> that; several -> ask. A plugin is heard first, then "always this deal".

    Args:
        standing: person -> deal that the rep said is always meant.
        plugin: asks the ``choose_deal`` hooks; gives the plugin's name and the deal.
    """
    by_id = {deal.id: deal for deal in found}
    if plugin is not None and (answer := plugin(found)) is not None:
        name, chosen = answer
        if chosen in by_id:
            return DealDecision(Match(chosen, "choose_deal", f"plugin {name}"))
    for person in persons:
        if standing.get(person) in by_id:
            return DealDecision(Match(standing[person], "always this deal", f"said of person {person}"))
    if len(found) == 1:
        return DealDecision(Match(found[0].id, rule, found[0].title))
    return DealDecision(ask=tuple(found))


def whom_to_ask(members: Sequence[int], answered_by: int | None, deals: Sequence[OpenDeal]) -> int | None:
    """Whom to ask by mail: the mailbox's owner; of a shared one who answered first, else the deals' common owner.

    Args:
        members: ids of the users whose mailbox it is.
        answered_by: the member who wrote first in the thread, if any.
    """
    if len(members) == 1:
        return members[0]
    if answered_by in members:
        return answered_by
    owners = {deal.owner for deal in deals}
    return owners.pop() if len(owners) == 1 else None
