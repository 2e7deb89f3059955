"""The records that a batch of an import touches: stored ones, and new ones that have no id yet. Pure; written later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from mailcrm.core.cells import digits
from mailcrm.core.companies import company_key
from mailcrm.core.records import Scalar


@dataclass(slots=True, eq=False, kw_only=True)
class Entry:
    """A record. What the import adds is kept apart from what there was.

    Args:
        id: None until it is stored.
        created: for a new one, if the sheet tells it.
        filled: names of attributes that were empty in a stored record and are not any more.
    """

    id: int | None = None
    owner: int | None = None
    created: datetime | None = None
    fields: dict[str, Scalar] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)
    filled: set[str] = field(default_factory=set)
    new_fields: dict[str, Scalar] = field(default_factory=dict)
    new_notes: list[str] = field(default_factory=list)

    def fill(self, name: str, value: object) -> None:
        """Set an attribute that is empty; one that is not stays as it is."""
        if value not in (None, "") and getattr(self, name) in (None, ""):
            setattr(self, name, value)
            self.filled.add(name)

    def add_fields(self, fields: Mapping[str, Scalar]) -> None:
        """Add the custom fields that it does not have."""
        for name, value in fields.items():
            if name not in self.fields:
                self.fields[name] = self.new_fields[name] = value

    def add_note(self, text: str) -> None:
        """Add a note, unless one with the same text is there."""
        if text and text not in self.notes:
            self.notes.add(text)
            self.new_notes.append(text)

    def additions(self) -> list[str]:
        """What was added, in words."""
        return [*sorted(self.filled), *self.new_fields, *("note" for _ in self.new_notes)]


@dataclass(slots=True, eq=False, kw_only=True)
class Organization(Entry):
    """An organization. ``guessed``: made from mail, so its name is only a guess from the domain."""

    name: str
    industry: str | None = None
    guessed: bool = False
    new_domains: list[str] = field(default_factory=list)
    new_emails: list[str] = field(default_factory=list)

    def additions(self) -> list[str]:
        """What was added, in words."""
        return [*Entry.additions(self), *self.new_domains, *self.new_emails]


@dataclass(slots=True, eq=False, kw_only=True)
class Person(Entry):
    """A person. ``phones``: by their digits."""

    name: str
    organization: Organization | None = None
    emails: set[str] = field(default_factory=set)
    phones: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    new_emails: list[str] = field(default_factory=list)
    new_phones: list[tuple[str, str | None]] = field(default_factory=list)
    new_tags: list[str] = field(default_factory=list)

    def add_phones(self, phones: Iterable[tuple[str, str | None]]) -> None:
        """Add the numbers that he does not have, however they are spelt."""
        for number, label in phones:
            if digits(number) not in self.phones:
                self.phones.add(digits(number))
                self.new_phones.append((number, label))

    def add_tags(self, tags: Iterable[str]) -> None:
        """Add the tags that he does not have."""
        for tag in tags:
            if tag not in self.tags:
                self.tags.add(tag)
                self.new_tags.append(tag)

    def additions(self) -> list[str]:
        """What was added, in words."""
        phones = [number for number, _ in self.new_phones]
        return [*Entry.additions(self), *self.new_emails, *phones, *self.new_tags]


@dataclass(slots=True, eq=False, kw_only=True)
class Trade(Entry):
    """A deal or a lead; ``stage`` (an id) and what follows are a deal's alone.

    ``taken``: a row of this file is it.
    """

    title: str
    taken: bool = False
    person: Person | None = None
    organization: Organization | None = None
    value: Decimal | None = None
    currency: str | None = None
    stage: int | None = None
    status: str = "open"
    closed: datetime | None = None
    lost_reason: str | None = None


@dataclass(slots=True)
class Book:
    """Everything that the rows of one batch may match.

    Args:
        unwanted: addresses among the rows' that are not to come back, and why: "erased" or "undone".
    """

    persons: list[Person] = field(default_factory=list)
    organizations: list[Organization] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    by_email: dict[str, Person] = field(default_factory=dict)
    by_name: dict[str, list[Person]] = field(default_factory=dict)
    by_company: dict[str, Organization] = field(default_factory=dict)
    by_domain: dict[str, Organization] = field(default_factory=dict)
    by_address: dict[str, Organization] = field(default_factory=dict)
    by_title: dict[str, list[Trade]] = field(default_factory=dict)
    unwanted: Mapping[str, str] = field(default_factory=dict)

    def hold_person(self, person: Person) -> Person:
        """Take a person in, to be found by address and name."""
        self.persons.append(person)
        self.by_name.setdefault(name_key(person.name), []).append(person)
        for email in person.emails:
            self.by_email[email] = person
        return person

    def hold_organization(
        self, organization: Organization, domains: Iterable[str] = (), emails: Iterable[str] = ()
    ) -> Organization:
        """Take an organization in, to be found by name, domain and address."""
        self.organizations.append(organization)
        self.by_company.setdefault(company_key(organization.name), organization)
        for domain in domains:
            self.by_domain[domain] = organization
        for email in emails:
            self.by_address[email] = organization
        return organization

    def hold_trade(self, trade: Trade) -> Trade:
        """Take a deal or lead in, to be found by title."""
        self.trades.append(trade)
        self.by_title.setdefault(name_key(trade.title), []).append(trade)
        return trade

    def give_email(self, person: Person, email: str) -> None:
        """Add an address to a person, unless it is somebody's already."""
        if email not in self.by_email:
            self.by_email[email] = person
            person.emails.add(email)
            person.new_emails.append(email)

    def give_domain(self, organization: Organization, domain: str) -> None:
        """Add a domain to an organization, unless it is another's."""
        if domain not in self.by_domain:
            self.by_domain[domain] = organization
            organization.new_domains.append(domain)

    def give_address(self, organization: Organization, email: str) -> None:
        """Add an address to an organization, unless it is another's."""
        if email not in self.by_address:
            self.by_address[email] = organization
            organization.new_emails.append(email)


def name_key(name: str) -> str:
    """By which two spellings of a person's name or a deal's title are told to be one: case and blanks do not count."""
    return " ".join(name.casefold().split())
