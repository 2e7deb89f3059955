"""Where a row of an import belongs: a stored record that it completes, or a new one. Pure: works on a ``Book``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mailcrm.core.addresses import company_domain
from mailcrm.core.book import Book, Entry, Organization, Person, Trade, name_key
from mailcrm.core.cells import BadCell, digits
from mailcrm.core.companies import company_key
from mailcrm.core.linking import name_of
from mailcrm.core.model import Address
from mailcrm.core.ours import Ours
from mailcrm.core.records import AnyRow, OrganizationRow, PersonRow, Row, Skipped, TradeRow

EXTERNAL_ID = "ID"
"""The custom field of the other CRM's own number: records that differ in it are never one."""

LOST_STAGE = "Stage"
"""The custom field that keeps the name of a stage that no pipeline has."""


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of the pipelines: ``known`` maps (pipeline, stage), folded, to an id; a pipeline of "" means any."""

    known: Mapping[tuple[str, str], int]
    first: int


@dataclass(slots=True)
class Filing:
    """Files the rows of one batch.

    Args:
        owner_id: a user's id by name, address or key; None for nobody.
        warn: told of what is left out although the row goes in, in words that do not name the row.
    """

    book: Book
    ours: Ours
    stages: Stages
    owner_id: Callable[[str], int | None]
    warn: Callable[[str], None]

    def file(self, row: AnyRow) -> Entry:
        """Find the record that the row is, or make it, and complete it.

        Raises:
            Skipped: the row is not wanted.
            BadCell: it contradicts what is stored.
        """
        match row:
            case PersonRow():
                return self._person(row)
            case OrganizationRow():
                return self._organization(row)
            case TradeRow():
                return self._trade(row)

    def _person(self, row: PersonRow, *, loosely: bool = False) -> Person:
        """The row's person. ``loosely``: a bare name may also be that of somebody with an organization."""
        emails = [email for email in row.emails if self._is_welcome(email)]
        known = {id(found): found for email in emails if (found := self.book.by_email.get(email))}
        if len(known) > 1:
            names = " and ".join(f"{person.name} ({person.id or 'new'})" for person in known.values())
            raise BadCell(f"its addresses are those of several persons: {names}; merge them first")
        person = next(iter(known.values()), None)
        if person is None and row.emails and not emails:
            raise Skipped(self._why_unwelcome(row.emails[0]))
        company = self._known_company(row.organization, emails)
        if person is None and row.name:
            person = self._namesake(row, company, loosely=loosely)
        if person is None:
            name = row.name or name_of(Address("", emails[0]))
            person = self.book.hold_person(Person(name=name, created=row.created))
            person.organization = self._company(row.organization, emails)
        elif row.organization and person.organization is None:
            person.fill("organization", self._company(row.organization, emails))
        for email in emails:
            self.book.give_email(person, email)
        person.add_phones(row.phones)
        person.add_tags(row.tags)
        self._complete(person, row)
        return person

    def _organization(self, row: OrganizationRow) -> Organization:
        for email in row.emails:
            if not self._is_welcome(email):
                raise Skipped(self._why_unwelcome(email))
        matched = [found for domain in row.domains if (found := self.book.by_domain.get(domain))]
        if len(set(map(id, matched))) > 1:
            names = " and ".join(f"{found.name} ({found.id or 'new'})" for found in matched)
            raise BadCell(f"its domains are those of several organizations: {names}; merge them first")
        matched += [found for email in row.emails if (found := self.book.by_address.get(email))]
        found = matched[0] if matched else self.book.by_company.get(company_key(row.name))
        if found is None:
            found = self.book.hold_organization(Organization(name=row.name, created=row.created))
        for domain in row.domains:
            self.book.give_domain(found, domain)
        for email in row.emails:
            self.book.give_address(found, email)
        found.fill("industry", row.industry)
        self._complete(found, row)
        return found

    def _trade(self, row: TradeRow) -> Trade:
        emails = row.person.emails if row.person else ()
        person = self._contact(row) if row.person else None
        company = self._company(row.organization, emails) if row.organization else None
        trade = self._same_trade(row, person, company)
        if trade is None:
            trade = self._new_trade(row)
        trade.taken = True
        trade.fill("person", person)
        trade.fill("organization", company)
        if trade.value is None and row.value is not None:
            trade.fill("value", row.value)
            trade.fill("currency", row.currency)
        if trade.status == row.status != "open":
            trade.fill("closed", row.closed)
            trade.fill("lost_reason", row.lost_reason if row.status == "lost" else "")
        self._complete(trade, row)
        return trade

    def _contact(self, row: TradeRow) -> Person | None:
        """The person that the row names; by a bare name the one whom the stored deal of this title has already."""
        if row.person is None:
            return None
        if not row.person.emails:
            for trade in self.book.by_title.get(name_key(row.title), ()):
                known = trade.person
                if known and name_key(known.name) == name_key(row.person.name) and _is_same_day(trade, row):
                    company = self.book.by_company.get(company_key(row.organization)) if row.organization else None
                    if not row.organization or (company is not None and trade.organization is company):
                        return known
        return self._person(row.person, loosely=True)

    def _complete(self, entry: Entry, row: Row) -> None:
        if row.owner and entry.owner is None:
            owner = self.owner_id(row.owner)
            if owner is None:
                self.warn(f"the owner {row.owner!r} is none of our users; such rows have no owner")
            entry.fill("owner", owner)
        entry.add_fields(row.fields)
        entry.add_note(row.note)

    def _is_welcome(self, email: str) -> bool:
        """False for our own addresses and for those that are not to come back, unless a record has them again."""
        if email in self.book.by_email:
            return True
        return email not in self.book.unwanted and not self.ours.is_ours(email)

    def _why_unwelcome(self, email: str) -> str:
        reason = self.book.unwanted.get(email)
        if reason is not None:
            return f"its address was {reason} and is not to be stored again"
        return f"{email} is one of ours"

    def _namesake(self, row: PersonRow, company: Organization | None, *, loosely: bool) -> Person | None:
        """Who has the same name and organization. Without one, a namesake must not have other addresses or phones."""
        namesakes = self.book.by_name.get(name_key(row.name), [])
        if row.organization:
            found = [person for person in namesakes if company is not None and person.organization is company]
            if loosely and not found:
                found = [person for person in namesakes if person.organization is None and not _differs(person, row)]
        else:
            found = [person for person in namesakes if person.organization is None and not _differs(person, row)]
            if loosely and not found and not row.emails:
                found = [person for person in namesakes if not _differs(person, row)]
                if len(found) > 1:
                    raise BadCell(f"there are {len(found)} persons called {row.name}; add their e-mail addresses")
        found = [person for person in found if not _other_id(person, row)]
        return found[0] if found else None

    def _known_company(self, name: str, emails: Sequence[str]) -> Organization | None:
        """The organization of this name; one made from mail is known by its domain too, since its name is a guess."""
        if name and (found := self.book.by_company.get(company_key(name))):
            return found
        for email in emails:
            found = self.book.by_domain.get(company_domain(email) or "")
            if found is not None and (found.guessed or not name):
                return found
        return None

    def _company(self, name: str, emails: Sequence[str]) -> Organization | None:
        """As ``_known_company``, but a name that is not known becomes an organization, with the domain of the mail."""
        found = self._known_company(name, emails)
        if found is None and name:
            found = self.book.hold_organization(Organization(name=name))
            domain = company_domain(emails[0]) if emails else None
            if domain:
                self.book.give_domain(found, domain)
        return found

    def _stage(self, row: TradeRow) -> int | None:
        """The id of the stage that the row names; None where it is unknown."""
        pipeline, stage = name_key(row.pipeline), name_key(row.stage)
        if not stage:
            return self.stages.known.get((pipeline, ""), self.stages.first)
        for key in ((pipeline, stage), ("", stage), ("", name_key(row.stage.partition("(")[0]))):
            if key in self.stages.known:
                return self.stages.known[key]
        return None

    def _new_trade(self, row: TradeRow) -> Trade:
        stage = self._stage(row)
        trade = Trade(title=row.title, created=row.created, stage=stage, status=row.status, closed=row.closed)
        if stage is None and self.stages.known:
            where = f" of the pipeline {row.pipeline!r}" if row.pipeline else ""
            self.warn(
                f"there is no stage {row.stage!r}{where}; such rows go to the first, with the name in {LOST_STAGE!r}"
            )
            trade.stage = self.stages.known.get((name_key(row.pipeline), ""), self.stages.first)
            trade.add_fields({LOST_STAGE: row.stage})
        return self.book.hold_trade(trade)

    def _same_trade(self, row: TradeRow, person: Person | None, company: Organization | None) -> Trade | None:
        """The one of the same title, person, organization and day; of several, that of the same value."""
        found = [
            trade
            for trade in self.book.by_title.get(name_key(row.title), ())
            if (person is None or trade.person is None or trade.person is person)
            and (company is None or trade.organization is None or trade.organization is company)
            and ((person is None and company is None) or trade.person is person or trade.organization is company)
            and _is_same_day(trade, row)
            and not _other_id(trade, row)
        ]
        same = [trade for trade in found if trade.value == row.value]
        others = [trade for trade in found if not trade.taken or trade.value is None or row.value is None]
        return next(iter(same or others), None)


def _is_same_day(trade: Trade, row: TradeRow) -> bool:
    """True if the trade came to be on the day that the row tells, or the row tells none."""
    return row.created is None or (trade.created is not None and trade.created.date() == row.created.date())


def _differs(person: Person, row: PersonRow) -> bool:
    """True if both have addresses, or both have phone numbers, and none in common."""
    if row.emails and person.emails:
        return True
    numbers = {digits(number) for number, _ in row.phones}
    return bool(numbers and person.phones and not numbers & person.phones)


def _other_id(entry: Entry, row: Row) -> bool:
    mine, his = entry.fields.get(EXTERNAL_ID), row.fields.get(EXTERNAL_ID)
    return mine is not None and his is not None and str(mine) != str(his)
