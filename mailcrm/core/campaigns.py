"""Whom a campaign's action is done for: from its members to its recipients, in whose name, and with which subject.

Pure: the same members in the same order give the same recipients, so that a batch that was lost may be planned again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from mailcrm.core.definitions import CampaignDefinition, SenderPolicy, Strategy

Group: TypeAlias = Literal["person", "organization", "lead"]
Part: TypeAlias = Literal["contact", "company"]

NO_ADDRESS = "no address"
"""How every reason begins for which a member's data are not enough."""


class Side(Struct, frozen=True):
    """A contact or a company.

    Args:
        id: the person's or the organization's.
        addresses: normalised, the primary one first.
        owner: a user.
    """

    id: int
    addresses: tuple[str, ...] = ()
    owner: int | None = None


class Member(Struct, frozen=True):
    """One who was chosen, and what is known of him.

    Args:
        group: from which he was chosen.
        contact: the person; a lead's; of an organization the only one that it has.
        company: the organization; a lead's, else the person's.
        lead: its id, and ``lead_owner`` its owner.
    """

    id: int
    group: Group
    contact: Side | None = None
    company: Side | None = None
    lead: int | None = None
    lead_owner: int | None = None


class Senders(Struct, frozen=True):
    """Who may be told to do it.

    Args:
        adder: who added the campaign; None: a program did.
        owner: the campaign's.
        active: the users who have not left.
    """

    adder: int | None
    owner: int | None
    active: Set[int]


class Recipient(Struct, frozen=True):
    """One for whom it is done, or who is left out.

    Args:
        member: of whom there may be two: his contact and his company.
        part: to whom it goes: his run is the person's where it is the contact, else nobody's.
        person, organization: for whom a record is made: both, where the strategy says so, whatever ``part`` is.
        address: where mail goes; None: nothing is mailed.
        user: in whose name, or to whom it is assigned.
        variant: of the subjects, from 0; None: there is but one.
        reason: why he is left out; "": he is not.
        stand_in: the campaign's owner does it, since there is nobody whom the policy means (CAMP-6).
    """

    member: int
    part: Part
    person: int | None
    organization: int | None
    lead: int | None
    address: str | None = None
    user: int | None = None
    variant: int | None = None
    reason: str = ""
    stand_in: bool = False

    @property
    def key(self) -> str:
        """Who he is: nobody gets the same twice, whichever group he was chosen from, and as however many members."""
        if self.address is not None:
            return self.address
        return f"person:{self.person}" if self.person is not None else f"organization:{self.organization}"


def expanded(
    campaign: CampaignDefinition,
    members: Iterable[Member],
    senders: Senders,
    taken: Set[str] = frozenset(),
    last: int | None = None,
) -> Iterator[Recipient]:
    """The recipients of these members, of each at least one, if only to be left out.

    Args:
        taken: the ``key`` of those who are recipients already, of ``keys`` at least.
        last: the variant of the recipient before; None: there is none. The next gets the next subject, so that
            each subject goes to the same number, give or take one.
    """
    seen = set(taken)
    variants = len(campaign.subjects) if len(campaign.subjects) > 1 else 0
    following = 0 if last is None else last + 1
    for member in members:
        for each in _wanted(campaign, member, *_sender(campaign.sender, member, senders)):
            if reason := each.reason or _obstacle(each, seen):
                yield replace(each, reason=reason)
                continue
            seen.add(each.key)
            yield replace(each, variant=following % variants) if variants else each
            following += 1


def keys(campaign: CampaignDefinition, members: Iterable[Member]) -> set[str]:
    """The ``key`` of everybody whom these members may make a recipient."""
    return {each.key for member in members for each in _wanted(campaign, member) if not each.reason}


def _obstacle(recipient: Recipient, seen: Set[str]) -> str:
    if recipient.user is None:
        return "no sender: the campaign has no owner who could do it"
    if recipient.key not in seen:
        return ""
    if recipient.address is not None:
        return f"no mail twice: another recipient gets it at {recipient.address}"
    return f"not twice: {recipient.key.replace(':', ' ')} is a recipient already"


def _wanted(
    campaign: CampaignDefinition, member: Member, user: int | None = None, stand_in: bool = False
) -> list[Recipient]:
    """One for each side that the strategy takes and that has what is needed; else one who is left out (A15)."""
    sides = _sides(campaign.strategy, member)
    person = next((side.id for part, side in sides if part == "contact"), None)
    organization = next((side.id for part, side in sides if part == "company"), None)

    def made(part: Part, address: str | None = None, reason: str = "") -> Recipient:
        who = (member.id, part, person, organization, member.lead)
        return Recipient(*who, address, user, None, reason, stand_in)

    if not sides:
        part: Part = "company" if campaign.strategy is Strategy.COMPANY else "contact"
        return [made(part, reason=_lacking(campaign, member))]
    if not campaign.mails:
        return [made(sides[0][0])]
    addressed: dict[str, Part] = {}
    for part, side in sides:
        if (address := _usable(side)) is not None:
            addressed.setdefault(address, part)  # both the same: one mail
    if addressed:
        return [made(part, address) for address, part in addressed.items()]
    odd = next((address for _, side in sides for address in side.addresses), None)
    return [made(sides[0][0], reason=f"{NO_ADDRESS} that every server takes: {odd}" if odd else NO_ADDRESS)]


def _sides(strategy: Strategy, member: Member) -> list[tuple[Part, Side]]:
    """Whose data are taken, whichever group the member was chosen from (CAMP-8, CAMP-19)."""
    sides: list[tuple[Part, Side]] = []
    if member.contact is not None and strategy is not Strategy.COMPANY:
        sides.append(("contact", member.contact))
    if member.company is not None and strategy is not Strategy.CONTACT:
        sides.append(("company", member.company))
    return sides


def _lacking(campaign: CampaignDefinition, member: Member) -> str:
    if campaign.strategy is Strategy.COMPANY:
        return f"{NO_ADDRESS}: the {'lead' if member.group == 'lead' else 'contact'} has no company"
    if member.group == "organization":
        return f"{NO_ADDRESS}: the company has no contact, or several; choose the person"
    return f"{NO_ADDRESS}: the lead has no contact{' and no company' * (campaign.strategy is Strategy.BOTH)}"


def _usable(side: Side) -> str | None:
    """The first address that every server takes (RFC 6531 is optional)."""
    return next((address for address in side.addresses if address.isascii()), None)


def _sender(policy: SenderPolicy, member: Member, senders: Senders) -> tuple[int | None, bool]:
    """In whose name (CAMP-6); and whether the campaign's owner stands in for somebody who is not there.

    The owner of the record that was chosen comes first, then that of the contact, then that of the company.
    """
    meant: tuple[int | None, ...]
    match policy:
        case SenderPolicy.OWNER:
            meant = (senders.owner,)
        case SenderPolicy.ADDER:
            meant = (senders.adder,)
        case SenderPolicy.CONTACT_OWNER:
            contact = member.contact.owner if member.contact else None
            company = member.company.owner if member.company else None
            sides = (company, contact) if member.group == "organization" else (contact, company)
            meant = (member.lead_owner, *sides)
    user = next((each for each in meant if each is not None and each in senders.active), None)
    if user is None and policy is not SenderPolicy.OWNER and senders.owner in senders.active:
        return senders.owner, True
    return user, False
